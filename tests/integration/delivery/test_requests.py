"""What Mixpanel gets, byte for byte."""

import base64
import gzip
import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.builders import make_body, make_record
from tests.integration.delivery.function import ACCOUNT, PASSWORD, PROJECT_ID, Function, recent_event
from tests.loopback import LoopbackServer, Request, Response
from tests.wire import accept, events_of


def posted(function: Function, *bodies: str) -> list[Request]:
    """Return the requests that one invocation with these bodies makes."""
    requests: list[Request] = []

    def serve(request: Request) -> Response:
        requests.append(request)
        return accept(request)

    with LoopbackServer(serve) as server:
        function.set(MIXPANEL_API_URL=server.url)
        function.invoke(*map(make_record, bodies))
    return requests


def test_a_request_is_a_gzipped_array_for_the_import_api(function: Function) -> None:
    """Path, query, headers and body are what Mixpanel's page on /import asks for."""
    event = recent_event(ip="8.8.8.8", properties={"plan": "gold"})

    [request] = posted(function, make_body(event))

    target = urlsplit(request.target)
    assert (request.method, target.path) == ("POST", "/import")
    assert dict(parse_qsl(target.query)) == {"strict": "1", "project_id": PROJECT_ID}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-encoding"] == "gzip"
    assert "transfer-encoding" not in request.headers
    assert json.loads(gzip.decompress(request.body))[0]["properties"]["plan"] == "gold"


def test_the_service_account_goes_by_basic_auth_and_nowhere_else(function: Function) -> None:
    """Neither the address nor the body holds a part of the credentials."""
    [request] = posted(function, make_body(recent_event()))

    scheme, _, encoded = request.headers["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded).decode() == f"{ACCOUNT}:{PASSWORD}"
    assert PASSWORD not in request.target
    assert PASSWORD.encode() not in gzip.decompress(request.body)


def test_the_four_deduplication_fields_are_those_of_the_message(function: Function) -> None:
    """Nothing on the way alters a field by which Mixpanel tells events apart."""
    events = [
        recent_event(insert_id="45", user="1"),
        recent_event(insert_id="A-z-09", user="p:45", event="Prospect click"),
        recent_event(user="", event="語" * 85),
        recent_event(time=31_536_000_000),
    ]

    [request] = posted(function, make_body(*events))

    found = [(event["event"], event["properties"]) for event in events_of(request)]
    assert [(name, p["distinct_id"], p["time"], p["$insert_id"]) for name, p in found] == [
        (e.event, e.user, e.time, e.insert_id) for e in events
    ]


def test_a_person_is_placed_by_their_own_public_address_or_not_at_all(function: Function) -> None:
    """Without `ip` Mixpanel would place everybody in the data centre."""
    addresses = ["8.8.8.8", "10.0.0.1", "127.0.0.1", "::1", "", "not an address", "2001:4860:4860::8888"]
    events = [recent_event(ip=address) for address in addresses]

    [request] = posted(function, make_body(*events))

    found = [event["properties"]["ip"] for event in events_of(request)]
    assert found == ["8.8.8.8", 0, 0, 0, 0, 0, "2001:4860:4860::8888"]


def test_a_retry_in_a_later_invocation_sends_the_same_events(function: Function) -> None:
    """Whatever happened before, an event's content is a function of its message alone."""
    body = make_body(recent_event(useragent="Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"))

    [first] = posted(function, body)
    [second] = posted(function, body)

    assert gzip.decompress(first.body) == gzip.decompress(second.body)


def test_events_go_where_the_settings_say_and_through_nobody_elses_hands(
    function: Function, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy or a netrc file that happens to be in the environment gets neither events nor a say."""
    caught: list[Request] = []
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)

    def catch(request: Request) -> Response:
        caught.append(request)
        return accept(request)

    function.set(MIXPANEL_SECRET_ARN="", MIXPANEL_SERVICE_ACCOUNT=ACCOUNT, MIXPANEL_SERVICE_PASSWORD=PASSWORD)
    with LoopbackServer(catch) as proxy:
        for name, value in {"HTTP_PROXY": proxy.url, "NO_PROXY": "", "NETRC": str(netrc)}.items():
            monkeypatch.setenv(name, value)
        [request] = posted(function, make_body(recent_event()))

    assert caught == []
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == (
        f"{ACCOUNT}:{PASSWORD}".encode()
    )
