"""Page, referrer, campaign and route of a request, and what of a URL is kept."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

import pytest
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from tests.django_support import override
from whyness_mixpanel.context import Scope
from whyness_mixpanel.models import Event
from whyness_mixpanel.request_facts import RequestFacts
from whyness_mixpanel.url_parameters import UTM

SITE = "http://testserver"
MARKER = "MARKER-4711"
PAGE, FETCH = {"HTTP_SEC_FETCH_DEST": "document"}, {"HTTP_SEC_FETCH_DEST": "empty"}


@pytest.fixture(autouse=True)
def _allowed_host() -> Iterator[None]:
    """The host of RequestFactory."""
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        yield


def make_request(address: str = "/", method: str = "GET", **meta: Any) -> HttpRequest:
    """Return a request."""
    return RequestFactory().generic(method, address, **meta)


def said_by(request: HttpRequest) -> dict[str, Any]:
    """Return the properties that an event of nobody gets from a request."""
    with Scope({}, RequestFacts(request)):
        found: dict[str, Any] = json.loads(Event(event="Home").json()).get("properties", {})
    return found


REFERER = f"{SITE}/form/?utm_source=old&step=2#top"
FORM = {"$current_url": f"{SITE}/form/?utm_source=old"}
OWN = {
    "$current_url": f"{SITE}/page/?utm_source=mail",
    "$referrer": f"{SITE}/form/?utm_source=old",
    "$referring_domain": "testserver",
    "utm_source": "mail",
}


@pytest.mark.parametrize(
    ("method", "meta", "expected"),
    [
        ("GET", {}, OWN),
        ("HEAD", {}, OWN),
        ("GET", PAGE, OWN),
        ("GET", {"HTTP_SEC_FETCH_DEST": "iframe"}, OWN),
        ("GET", {"HTTP_ACCEPT": "text/html,*/*;q=0.8"}, OWN),
        ("GET", {"HTTP_ACCEPT": "*/*", **PAGE}, OWN),
        ("GET", FETCH, FORM),
        ("GET", {"HTTP_SEC_FETCH_DEST": "image"}, FORM),
        ("GET", {"HTTP_ACCEPT": "*/*"}, FORM),
        ("GET", {"HTTP_ACCEPT": "application/json"}, FORM),
        ("GET", {"HTTP_ACCEPT": "text/html, */*", "HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}, FORM),
        ("POST", {}, FORM),
        ("POST", PAGE, FORM),
        ("DELETE", FETCH, FORM),
    ],
)
def test_a_page_is_its_own_and_a_post_or_fetch_is_of_the_page_it_came_from(
    method: str, meta: dict[str, str], expected: dict[str, str]
) -> None:
    """Only the landing request has the campaign; old browsers send no `Sec-Fetch-Dest`."""
    request = make_request("/page/?utm_source=mail&step=3", method, HTTP_REFERER=REFERER, **meta)

    assert said_by(request) == expected


@pytest.mark.parametrize(
    ("referer", "expected"),
    [
        ("", {}),
        (
            "https://www.google.com/",
            {"$referrer": "https://www.google.com/", "$referring_domain": "www.google.com"},
        ),
        (
            "https://shop.example:8443/a?q=secret#b",
            {"$referrer": "https://shop.example:8443/a", "$referring_domain": "shop.example:8443"},
        ),
        (
            "android-app://com.example.mail/",
            {"$referrer": "android-app://com.example.mail/", "$referring_domain": "com.example.mail"},
        ),
        (
            f"https://user:{MARKER}@shop.example/a",
            {"$referrer": "https://shop.example/a", "$referring_domain": "shop.example"},
        ),
        (
            f"https://a@b:{MARKER}@shop.example",
            {"$referrer": "https://shop.example", "$referring_domain": "shop.example"},
        ),
        ("about:blank", {}),
        ("//shop.example/", {}),
        ("https://", {}),
        (f"javascript:{MARKER}", {}),
        (f"javascript://testserver/%0a{MARKER}", {}),
        (f"ftp://testserver/{MARKER}", {}),
        ("\x00\xff", {}),
    ],
)
def test_the_referrer_of_a_page_is_named_with_its_domain(referer: str, expected: dict[str, str]) -> None:
    """What is not a URL is left out."""
    page = {"$current_url": f"{SITE}/"}

    assert said_by(make_request(HTTP_REFERER=referer)) == page | expected


@pytest.mark.parametrize(
    "referer",
    [
        "",
        "https://evil.example/form/",
        f"https://testserver.evil.example/{MARKER}",
        "https://testserver:81/",
        "javascript://testserver/%0aalert(1)",
        "about:blank",
    ],
)
def test_a_post_from_another_host_has_no_page(referer: str) -> None:
    """Anybody can write the header; the page is one of this site or unknown."""
    assert said_by(make_request("/page/?utm_source=a", "POST", HTTP_REFERER=referer)) == {}


def test_the_host_of_the_referer_is_compared_without_case() -> None:
    """Hosts have none."""
    assert said_by(make_request("/", "POST", HTTP_REFERER="http://TestServer/a")) == {
        "$current_url": "http://TestServer/a"
    }


SECRETS = f"token={MARKER}&code={MARKER}&utm_medium=mail&gclid={MARKER}&Utm_Source={MARKER}&=&&utm_id"


@pytest.mark.parametrize("address", ["/reset/", "//reset/", "/%C3%BC%00/"])
def test_no_query_and_no_fragment_leaves_the_site_but_what_is_allowed(address: str) -> None:
    """Neither in the page nor in the referrer; click ids are not among the defaults."""
    referer = f"https://shop.example/x?{SECRETS}#{MARKER}"
    found = said_by(make_request(f"{address}?{SECRETS}", HTTP_REFERER=referer))

    assert MARKER not in json.dumps(found)
    assert found["$current_url"].endswith("/?utm_medium=mail&utm_id")
    assert found["$referrer"] == "https://shop.example/x?utm_medium=mail&utm_id"


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({"URL_PARAMETERS": ["step", "token"]}, "?token=[removed]&step=2"),
        ({"URL_PARAMETERS": "step"}, "?step=2"),
        ({"URL_PARAMETERS": []}, ""),
        ({"URL_PARAMETERS": 7}, ""),
        ({"URL_PARAMETERS": "utm_medium", "SCRUB_PATTERNS": "ma[a-z]+"}, "?utm_medium=[removed]"),
    ],
)
def test_urls_keep_the_chosen_parameters_and_pass_the_scrubber(chosen: dict[str, Any], left: str) -> None:
    """A setting that cannot be read keeps none; the campaign itself does not depend on it."""
    request = make_request(f"/page/?token={MARKER}&utm_medium=mail&step=2")

    with override(**chosen):
        found = said_by(request)

    assert found["$current_url"] == f"{SITE}/page/{left}"
    assert "utm_medium" in found
    assert MARKER not in json.dumps(found)


@pytest.mark.parametrize("encodings", range(4))
@pytest.mark.parametrize(
    "secret", [f"sessionid={MARKER}", f"?token={MARKER}", f"Bearer {MARKER}", f"://u:{MARKER}@h"]
)
def test_secrets_in_a_path_or_a_campaign_pass_the_scrubber(secret: str, encodings: int) -> None:
    """It knows them by their name or by their form, and percent-encoding hides none."""
    for _ in range(encodings):
        secret = quote(secret, safe="")
    request = make_request(HTTP_REFERER=f"{SITE}/{secret}", QUERY_STRING=f"utm_term={secret}&utm_id=a%20b")
    request.path = request.path_info = f"/{unquote(secret)}/"

    found = said_by(request), said_by(make_request(method="POST", HTTP_REFERER=f"{SITE}/{secret}"))

    assert MARKER not in json.dumps(found)
    assert found[0]["utm_id"] == "a b"


def test_each_campaign_parameter_is_taken_in_lower_case_and_once() -> None:
    """As the browser library: the first that is not empty, decoded."""
    query = "&".join(f"{name}=+&{name}=a%20{number}&{name}=b" for number, name in enumerate(UTM))
    found = said_by(make_request(f"/?{query}&UTM_SOURCE=c&utm_other=d"))

    assert {name: found[name] for name in found if name.startswith(("utm", "UTM"))} == {
        name: f"a {number}" for number, name in enumerate(UTM)
    }
    assert len(UTM) == 10


def test_the_route_is_that_of_the_urlconf() -> None:
    """It has no ids in it; before the URL is resolved, there is none."""
    request = make_request("/as/7/")
    facts = RequestFacts(request)
    before = facts.properties(lambda texts: texts)
    request.resolver_match = SimpleNamespace(route="as/<int:user_id>/")  # type: ignore[assignment]  # as much as is read

    assert "route" not in before
    assert facts.properties(lambda texts: texts)["route"] == "as/<int:user_id>/"


@pytest.mark.parametrize("name", ["HTTP_USER_AGENT", "HTTP_REFERER", "QUERY_STRING", "HTTP_HOST"])
def test_a_header_that_no_json_can_hold_is_left_out(name: str) -> None:
    """An event is not refused for it."""
    request = make_request()
    request.META[name] = "https://testserver/\udfff?utm_id=\udfff"

    with Scope({}, RequestFacts(request)):
        found = json.loads(Event(event="Home").json())

    assert "\\udfff" not in json.dumps(found)


def test_a_host_that_is_not_allowed_is_not_named() -> None:
    """Anybody can write the header `Host`."""
    assert said_by(make_request(HTTP_HOST="evil.example", HTTP_REFERER="http://evil.example/")) == {}


@given(
    st.text(st.characters(max_codepoint=255), max_size=200),
    st.text(st.characters(max_codepoint=255), max_size=200),
    st.text(max_size=50),
)
def test_no_header_breaks_an_event(query: str, referer: str, path: str) -> None:
    """Whatever a stranger sends, the event is valid, and no URL has more than was allowed."""
    request = make_request()
    request.path = request.path_info = f"/{path}"
    request.META |= {"QUERY_STRING": query, "HTTP_REFERER": referer}

    found = said_by(request)

    assert set(found) <= {"$current_url", "$referrer", "$referring_domain", *UTM}
    for name in ("$current_url", "$referrer"):
        _, _, kept = found.get(name, "").partition("?")
        assert "#" not in kept
        assert all(pair.startswith(("utm", "%")) for pair in kept.split("&") if pair)


@pytest.mark.parametrize(
    "hostile", ["&" * 199, "&" * 1_000_000, "a=1&" * 300_000, "%25" * 300_000 + "&" * 201]
)
def test_only_the_first_parameters_of_a_huge_query_are_read(hostile: str) -> None:
    """A campaign has ten."""
    request = make_request(QUERY_STRING=f"{hostile}&utm_source=late")

    assert "utm_source" not in said_by(request)


@pytest.mark.parametrize(
    "hostile", ["/@" * 500_000, "http://" + "@" * 1_000_000, "a" * 1_000_000, "a://" * 300_000]
)
def test_a_huge_referrer_is_read_once(hostile: str) -> None:
    """The work grows with its length alone, and what is not a URL is left out."""
    assert "$current_url" in said_by(make_request(HTTP_REFERER=hostile))
