"""Requests to `/engage`, and what its answers say."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loopback import LoopbackServer, Request, Response, Trouble
from tests.unit.django_app.people.fake_engage import PROJECT
from whyness_mixpanel.people import engage
from whyness_mixpanel.people.engage import Reply, Verdict, body_of, chunks, judge, poster
from whyness_mixpanel.people.update import REQUEST_BYTES, Update

VERBOSE = b'{"status": 1, "error": null}'


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, VERBOSE, Verdict.YES),
        (200, b'{"status":1,"error":""}', Verdict.YES),
        (200, b'{"status":1}', Verdict.YES),
        (200, b'{"status":1,"num_good_events":3}', Verdict.YES),
        (200, b'{"status":1,"num_good_events":2}', Verdict.NO),
        (200, b'{"status":1,"num_good_events":0}', Verdict.NO),
        (200, b'{"status":1,"num_good_events":null}', Verdict.NO),
        (200, b'{"status":1,"error":"some are invalid"}', Verdict.NO),
        (200, b'{"status":0,"error":"data, missing or empty"}', Verdict.NO),
        (200, b'{"status":0,"error":null}', Verdict.NO),
        (200, b"0", Verdict.NO),
        (200, b"1", Verdict.NO),  # at least one of the three
        (200, b"2", Verdict.UNSURE),
        (200, b"true", Verdict.UNSURE),
        (200, b"", Verdict.UNSURE),
        (200, b"null", Verdict.UNSURE),
        (200, b"[1]", Verdict.UNSURE),
        (200, b'"1"', Verdict.UNSURE),
        (200, b"<html>OK</html>", Verdict.UNSURE),
        (200, b"[" * 100_000, Verdict.UNSURE),
        (200, b'{"status":"ok"}', Verdict.UNSURE),
        (200, b'{"status":[]}', Verdict.UNSURE),
        (200, b'{"status":2}', Verdict.UNSURE),
        (200, b'{"error":null}', Verdict.UNSURE),
        (200, VERBOSE[:-3], Verdict.UNSURE),
        (0, b"", Verdict.UNSURE),
        (204, b"", Verdict.UNSURE),
        (302, VERBOSE, Verdict.UNSURE),
        (400, VERBOSE, Verdict.SETUP),
        (401, b'{"error":"x","status":"error"}', Verdict.SETUP),
        (403, b"", Verdict.SETUP),
        (404, b"", Verdict.SETUP),
        (413, b"", Verdict.NO),
        (429, b"", Verdict.UNSURE),
        (500, VERBOSE, Verdict.UNSURE),
        (503, b"", Verdict.UNSURE),
    ],
)
def test_answer_is_a_yes_only_where_it_says_so_of_all(status: int, body: bytes, verdict: Verdict) -> None:
    """Of three updates; 4xx but 413 and 429 is the setup's fault, and what is unclear stays so."""
    assert judge(Reply(status, body), 3) is verdict


@given(st.integers(0, 999), st.binary(max_size=40), st.integers(1, 5))
def test_any_answer_has_a_verdict(status: int, body: bytes, count: int) -> None:
    """And nothing but status 200 is a yes."""
    assert judge(Reply(status, body), count) is not Verdict.YES or status == 200


def test_a_bare_yes_is_believed_of_a_single_update() -> None:
    """Without `verbose`, `1` says that at least one was valid."""
    assert judge(Reply(200, b"1"), 1) is Verdict.YES


UPDATES = st.builds(
    lambda key, size, has_unset: Update(
        key, str(key), "x", json.dumps({"a": "é" * size}, ensure_ascii=False), '["b"]' if has_unset else ""
    ),
    st.integers(),
    st.sampled_from([0, 10, 1_000, 100_000, 249_000]),
    st.booleans(),
)


@given(st.lists(UPDATES, max_size=60), st.sampled_from([2, 3, 10, 1_000]))
def test_chunks_keep_all_in_order_within_the_limits(updates: list[Update], most: int) -> None:
    """A person's updates stay together, and no request could have taken the next person too."""
    before, engage.REQUEST_UPDATES = engage.REQUEST_UPDATES, most
    try:
        made = [list(chunk) for chunk in chunks(updates, PROJECT)]
    finally:
        engage.REQUEST_UPDATES = before

    assert [update for chunk in made for update in chunk] == updates
    for chunk in made:
        objects = [text for update in chunk for text in PROJECT.objects(update)]
        assert len(objects) <= most
        assert len(body_of(objects)) <= REQUEST_BYTES
        assert len(json.loads(body_of(objects))) == len(objects)
    for chunk, after in pairwise(made):
        objects = [text for update in [*chunk, after[0]] for text in PROJECT.objects(update)]
        assert len(objects) > most or len(body_of(objects)) > REQUEST_BYTES - len(objects) - 3


def test_request_is_as_the_documentation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON, not compressed, without credentials; the address of this server is not that of the people."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    seen: list[Request] = []

    def respond(request: Request) -> Response:
        seen.append(request)
        return Response(200, VERBOSE)

    with LoopbackServer(respond) as server:
        reply = poster(server.url)(b"[{}]")

    assert reply == Reply(200, VERBOSE)
    assert (seen[0].method, seen[0].target) == ("POST", "/engage?strict=1&verbose=1&ip=0")
    headers = {name.lower(): value for name, value in seen[0].headers.items()}
    assert headers["content-type"] == "application/json"
    assert not headers.keys() & {"content-encoding", "authorization"}
    assert seen[0].body == b"[{}]"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://mixpanel.com", "https://api.mixpanel.com"),
        ("https://eu.mixpanel.com", "https://api-eu.mixpanel.com"),
        ("https://in.mixpanel.com", "https://api-in.mixpanel.com"),
    ],
)
def test_each_region_has_its_host(url: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As documented for ingestion."""
    asked: list[str] = []

    def refuse(request: object, *, timeout: float) -> None:
        asked.append(request.full_url)  # type: ignore[attr-defined]
        assert timeout < 60
        raise TimeoutError

    monkeypatch.setattr(engage, "open_without_redirects", refuse)

    assert poster(url)(b"[]") == Reply(0)
    assert asked == [f"{host}/engage?strict=1&verbose=1&ip=0"]


@pytest.mark.parametrize("status", [302, 400, 401, 413, 429, 500, 503])
def test_status_is_told_without_the_body(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no redirect is followed: it would take the people's data along."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with LoopbackServer(lambda _: Response(status, b"why")) as server:
        assert poster(server.url)(b"[]").status == status
    assert poster(server.url)(b"[]") == Reply(0)  # nobody listens any more


@pytest.mark.parametrize("trouble", [Trouble.RESET, Trouble.GARBAGE, Trouble.HANG, Trouble.DRIP_BODY])
def test_answer_that_does_not_come_is_given_up(trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that comes byte by byte."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(engage, "TIMEOUT_S", 0.3)

    with LoopbackServer(lambda _: trouble) as server:
        assert poster(server.url)(b"[]") == Reply(0)
