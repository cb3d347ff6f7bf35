import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from tests.django_support import override, published
from whyness_mixpanel import proxies
from whyness_mixpanel.request_facts import address_of
from whyness_mixpanel.track import atrack, event_of, track


def make_request(user: Any = None, **meta: str) -> HttpRequest:
    """Return a request that came from 10.0.0.1."""
    request = RequestFactory().get("/", **({"REMOTE_ADDR": "10.0.0.1"} | meta))  # type: ignore[arg-type]  # META is text
    if user:
        request.user = user
    return request


def person(pk: int | None, *, signed_in: bool = True) -> Any:
    """Return what `request.user` may be."""
    return SimpleNamespace(pk=pk, is_authenticated=signed_in)


@pytest.mark.usefixtures("db")
def test_user_address_and_useragent_are_the_requests() -> None:
    """One call in a view is enough."""
    request = make_request(person(7), REMOTE_ADDR="203.0.113.9", HTTP_USER_AGENT="UA")

    with override():
        safe = track(request, "Audio upload", {"seconds": 12}, insert_id=4711, data="POST")

    (event,) = published()
    assert safe
    assert {name: event[name] for name in ("event", "user", "ip", "useragent", "insert_id", "data")} == {
        "event": "Audio upload",
        "user": "7",
        "ip": "203.0.113.9",
        "useragent": "UA",
        "insert_id": "4711",
        "data": "POST",
    }
    assert event["properties"] == {"seconds": 12}


@pytest.mark.parametrize("user", [None, person(7, signed_in=False), person(None)])
def test_whoever_is_not_signed_in_is_nobody(user: Any) -> None:
    """Without the middleware, signed out, or not saved yet."""
    assert json.loads(event_of(make_request(user), "x").json())["user"] == ""


def test_what_is_given_stands_instead_of_the_requests() -> None:
    """A prospect's click has no signed-in user; the request is not asked for one."""
    event = event_of(make_request(object()), "x", user="p:45", ip="", useragent="own")

    assert (event.user, event.ip, event.useragent) == ("p:45", "", "own")


class _LazyPerson:
    """Somebody whom only a query can name, as `request.user` is in an async view."""

    pk = 7

    @property
    def is_authenticated(self) -> bool:
        """Ask the database, which an event loop must not wait for."""
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return True


@pytest.mark.usefixtures("db")
def test_an_async_view_has_the_twin() -> None:
    """It sends what `track()` would, and the user is looked up outside of the event loop."""
    request = make_request(_LazyPerson(), HTTP_USER_AGENT="UA")

    with override():
        assert asyncio.run(atrack(request, "Audio upload", {"seconds": 12}, insert_id=4711))

    (event,) = published()
    assert (event["user"], event["useragent"], event["insert_id"]) == ("7", "UA", "4711")


@pytest.mark.usefixtures("db")
def test_async_code_awaits_the_event() -> None:
    """`event_of` touches no database when the user is given."""

    async def view() -> bool:
        return await event_of(make_request(), "x", user=7).asend()

    with override():
        assert asyncio.run(view())


FORGED = "8.8.8.8"
PERSON = "203.0.113.9"


@pytest.mark.parametrize(
    ("remote", "header", "trusted", "expected"),
    [
        (PERSON, FORGED, "", PERSON),
        ("10.0.0.1", f"{FORGED}, {PERSON}", "", "10.0.0.1"),
        ("10.0.0.1", f"{FORGED}, {PERSON}", "10.0.0.1", PERSON),
        ("10.0.0.1", f"{FORGED}, {PERSON}, 10.0.0.2", "10.0.0.0/8", PERSON),
        ("10.0.0.1", f"{FORGED}, 10.0.0.2", "10.0.0.1", "10.0.0.2"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.0/8", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", f"{FORGED}, unknown", "10.0.0.0/8", ""),
        ("10.0.0.1", f"{FORGED}, {PERSON}, ,\t,", "10.0.0.0/8", PERSON),
        ("10.0.0.1", f"{FORGED}, , {PERSON},, 10.0.0.2,", "10.0.0.0/8", PERSON),
        ("10.0.0.1", " , ,", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", f'{PERSON}, ""', "10.0.0.0/8", ""),
        ("10.0.0.1", f"{PERSON}:4711", "10.0.0.0/8", PERSON),
        ("10.0.0.1", '"[2001:db8::7]:4711"', "10.0.0.0/8", "2001:db8::7"),
        ("10.0.0.1", "2001:DB8:0::7", "10.0.0.0/8", "2001:db8::7"),
        ("::ffff:10.0.0.1", f"::ffff:{PERSON}", "10.0.0.0/8", PERSON),
        ("2001:db8::1", PERSON, "2001:db8::/32", PERSON),
        ("", PERSON, "10.0.0.0/8", ""),
        ("", f"{FORGED}, {PERSON}", "unix", PERSON),
        ("<script>", PERSON, "10.0.0.0/8", ""),
        ("10.0.0.1", "[", "10.0.0.0/8", ""),
        ("10.0.0.1", "1.2.3.4.5, 999.1.1.1", "10.0.0.0/8", ""),
    ],
)
def test_the_header_is_believed_from_the_right_as_far_as_proxies_are_trusted(
    remote: str, header: str, trusted: str, expected: str
) -> None:
    """What a client writes into the header itself stands further left, and never counts."""
    request = make_request(REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=header)

    with override(TRUSTED_PROXIES=trusted):
        assert address_of(request) == expected


def test_a_huge_header_is_no_trouble() -> None:
    """Whoever sends it gets no further than its right end."""
    header = "1," * 500_000 + PERSON

    assert proxies.client_address("10.0.0.1", header, proxies.parse_trusted(["10.0.0.1"])) == PERSON


def test_a_faulty_setting_costs_the_address_and_not_the_page() -> None:
    """The system check names it."""
    with override(TRUSTED_PROXIES=["nonsense"]):
        assert address_of(make_request()) == ""


@pytest.mark.parametrize("wrong", [7, ["10.0.0.0/99"], "everywhere"])
def test_what_is_no_network_is_refused(wrong: object) -> None:
    """Nothing is guessed."""
    with pytest.raises((TypeError, ValueError)):
        proxies.parse_trusted(wrong)
