from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from local.loopback import LOOPBACK, Service
from local.traffic import People, Request, TrafficError, drive, plan

PEOPLE = People([2, 3], ["user-a", "user-b"], ["contact-a"], ["link-a", "link-b"])


def test_same_seed_gives_the_same_visits() -> None:
    """A run can be repeated."""
    assert list(plan(50, PEOPLE, seed=1)) == list(plan(50, PEOPLE, seed=1))
    assert list(plan(50, PEOPLE, seed=1)) != list(plan(50, PEOPLE, seed=2))


def test_visits_are_of_every_kind() -> None:
    """Users, prospects and anonymous visitors act; clicks are GET requests; agents and addresses vary."""
    requests = list(plan(1_000, PEOPLE, seed=1))

    kinds = Counter((request.path.split("/")[1], request.path.split("/")[-2]) for request in requests)
    assert {kind for kind, _ in kinds} == {"as", "activity", "goto"}
    assert {"user-a", "user-b", "contact-a"} <= {last for _, last in kinds}
    assert {request.method for request in requests if "/goto/" in request.path} == {"GET"}
    assert {request.method for request in requests} == {"GET", "POST", "PUT"}
    assert len({request.headers["User-Agent"] for request in requests}) > 8
    assert len({request.headers["X-Forwarded-For"] for request in requests}) > 5


class Handler(BaseHTTPRequestHandler):
    """A site with pages, redirects, and a fault; it counts the requests."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer with the status that the path names."""
        self.seen.append(self.path)
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> object:
    """Address of a small site."""
    Handler.seen.clear()
    with Service(ThreadingHTTPServer((LOOPBACK, 0), Handler)) as service:
        yield f"{service.url}/"


def test_every_request_is_made_once(url: str) -> None:
    """Each answer is reported; a redirect is an answer and is not followed."""
    told: list[None] = []

    drive(url, iter([Request("GET", "/200", {}), Request("GET", "/302", {})] * 10), lambda: told.append(None))

    assert Counter(Handler.seen) == {"/200": 10, "/302": 10}
    assert len(told) == 20


def test_page_that_fails_stops_the_visits(url: str) -> None:
    """The error names the request and the status."""
    with pytest.raises(TrafficError, match="GET /500: the site answered 500"):
        drive(url, iter([Request("GET", "/500", {})] * 3), lambda: None)


def test_site_that_is_gone_is_named() -> None:
    """The error names the request and the cause."""
    with pytest.raises(TrafficError, match="GET /200: ConnectionRefusedError"):
        drive("http://127.0.0.1:1/", iter([Request("GET", "/200", {})]), lambda: None)
