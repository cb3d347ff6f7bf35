import gzip
import json
import threading
from typing import Any

import pytest

from local.mixpanel_simulator import Fault, FaultError, Simulator
from tests.unit.mixpanel_simulator.builders import (
    FakeClock,
    basic,
    make_event,
    make_events,
    make_simulator,
    post,
    told,
)


def statuses(simulator: Simulator, count: int, events: object = None) -> list[int]:
    """Return the statuses of so many requests."""
    body = make_events(1) if events is None else events
    return [post(simulator, body).status for _ in range(count)]


def test_without_a_condition_every_request_is_struck() -> None:
    """Nothing of them is imported."""
    simulator = make_simulator()
    fault_id = simulator.faults.add(status=503)

    assert statuses(simulator, 3) == [503, 503, 503]
    assert simulator.faults.fired_count(fault_id) == 3
    assert simulator.events() == []


def test_next_requests_are_struck_and_then_no_more() -> None:
    """The fault stays in the list, with its count."""
    simulator = make_simulator()
    fault_id = simulator.faults.add(next_requests=2, status=503)

    assert statuses(simulator, 4) == [503, 503, 200, 200]
    assert simulator.faults.fired_count(fault_id) == 2
    assert [each["active"] for each in simulator.faults.listed()] == [False]


def test_probability_strikes_its_share_and_the_same_requests_for_a_seed() -> None:
    """Another seed strikes others."""
    runs = []
    for seed in (1, 1, 2):
        simulator = make_simulator()
        simulator.faults.add(probability=0.3, seed=seed, status=429)
        runs.append(statuses(simulator, 500))

    assert runs[0] == runs[1] != runs[2]
    assert 100 < runs[0].count(429) < 200


def test_probability_is_drawn_only_where_the_other_conditions_hold() -> None:
    """Requests that cannot be struck do not shift the script of those that can."""
    plain, mixed = make_simulator(), make_simulator()
    for simulator in (plain, mixed):
        simulator.faults.add(probability=0.5, seed=3, body_contains="poison", status=503)
    poison = [make_event(plan="poison")]

    expected = statuses(plain, 50, poison)
    seen = []
    for _ in range(50):
        post(mixed, make_events(1))
        seen += statuses(mixed, 1, poison)

    assert seen == expected


def test_window_opens_and_closes_by_the_simulators_clock() -> None:
    """The first moment is in it, the last is not."""
    clock = FakeClock()
    simulator = make_simulator(clock)
    simulator.faults.add(after_s=10, for_s=5, status=503)

    seen = []
    for now_s in (0, 9.9, 10, 14.9, 15, 100):
        clock.now_s = 1_795_000_000 + now_s
        seen += statuses(simulator, 1)

    assert seen == [200, 200, 503, 503, 200, 200]


def test_body_is_searched_uncompressed() -> None:
    """For the text as it stands on the wire."""
    simulator = make_simulator()
    simulator.faults.add(body_contains='"plan": "poison"', status=403)
    headers = {"Content-Encoding": "gzip"}
    poison = gzip.compress(json.dumps([make_event(plan="poison")]).encode())

    assert post(simulator, poison, headers=headers).status == 403
    assert post(simulator, make_events(1)).status == 200


def test_requests_above_a_count_of_events_are_struck() -> None:
    """Exactly that many pass."""
    simulator = make_simulator()
    simulator.faults.add(over_events=3, status=413)

    assert post(simulator, make_events(3)).status == 200
    assert post(simulator, make_events(4)).status == 413


def test_requests_above_a_size_are_struck() -> None:
    """Exactly that many uncompressed bytes pass."""
    body = json.dumps(make_events(3)).encode()
    simulator = make_simulator()
    simulator.faults.add(over_bytes=len(body), status=413)
    headers = {"Content-Encoding": "gzip"}

    assert post(simulator, gzip.compress(body), headers=headers).status == 200
    assert post(simulator, gzip.compress(body + b" "), headers=headers).status == 413


@pytest.mark.parametrize("condition", [{"body_contains": "x"}, {"over_events": 1}, {"over_bytes": 1}])
def test_body_that_cannot_be_read_meets_no_condition_on_it(condition: dict[str, Any]) -> None:
    """It gets Mixpanel's own answer."""
    simulator = make_simulator()
    simulator.faults.add(**condition, status=503)

    assert post(simulator, b"no gzip", headers={"Content-Encoding": "gzip"}).status == 400


def test_all_conditions_must_hold() -> None:
    """One that fails lets the request through."""
    simulator = make_simulator()
    simulator.faults.add(over_events=1, body_contains="poison", status=503)

    assert statuses(simulator, 1, [make_event(plan="poison")]) == [200]
    assert statuses(simulator, 1, make_events(2)) == [200]
    assert statuses(simulator, 1, [*make_events(1), make_event(plan="poison")]) == [503]


def test_first_fault_that_matches_strikes() -> None:
    """The others do not count it."""
    simulator = make_simulator()
    first = simulator.faults.add(next_requests=1, status=500)
    second = simulator.faults.add(status=502)

    assert statuses(simulator, 3) == [500, 502, 502]
    assert (simulator.faults.fired_count(first), simulator.faults.fired_count(second)) == (1, 2)


@pytest.mark.parametrize(
    "status", [204, 301, 302, 307, 304, 402, 403, 404, 405, 408, 415, 425, 451, 500, 504, 599]
)
def test_any_status_can_be_answered(status: int) -> None:
    """With its name as the body, where no other is given and one may be."""
    simulator = make_simulator()
    simulator.faults.add(status=status, headers={"Location": "http://127.0.0.1:9/"})

    reply = post(simulator, make_events(1))

    assert reply.status == status
    assert reply.headers["Location"] == "http://127.0.0.1:9/"
    assert bool(reply.body) == (status not in {204, 304})


@pytest.mark.parametrize(
    ("status", "error"), [(401, "Invalid credentials"), (429, "Project exceeded"), (413, "max")]
)
def test_status_that_mixpanel_words_itself_has_its_body(status: int, error: str) -> None:
    """Unless another is given."""
    simulator = make_simulator()
    simulator.faults.add(status=status)

    answer = told(post(simulator, make_events(1)))

    assert answer["code"] == status
    assert error in answer["error"]


@pytest.mark.parametrize(
    ("body", "media_type", "sent"),
    [
        ("too many requests", "text/plain", b"too many requests"),
        ("<html>no</html>", "text/html", b"<html>no</html>"),
        ("", "text/plain", b""),
        ({"code": 400}, "application/json", b'{"code":400}'),
        ([1], "application/json", b"[1]"),
    ],
)
def test_body_can_be_anything(body: object, media_type: str, sent: bytes) -> None:
    """Its type follows from what it is."""
    simulator = make_simulator()
    simulator.faults.add(status=504, body=body)

    reply = post(simulator, make_events(1))

    assert (reply.body, reply.headers["Content-Type"]) == (sent, media_type)


def test_headers_are_sent_and_win() -> None:
    """Over the type that would be guessed."""
    simulator = make_simulator()
    headers = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Content-Type": "text/weird"}
    simulator.faults.add(status=429, body="wait", headers=headers)

    assert dict(post(simulator, make_events(1)).headers) == headers


@pytest.mark.parametrize(
    "effect",
    [
        {"status": 503},
        {"status": 200, "body": "<html>"},
        {"connection": "reset"},
        {"connection": "hang"},
        {"count": "short"},
        {"count": "missing"},
    ],
)
def test_effect_that_replaces_the_answer_imports_only_if_told(effect: dict[str, Any]) -> None:
    """Before the answer in the one case, never in the other."""
    for ingest, count in ((False, 0), (True, 2)):
        simulator = make_simulator()
        simulator.faults.add(**effect, ingest=ingest)

        post(simulator, make_events(2))

        assert len(simulator.events()) == count


@pytest.mark.parametrize("effect", [{"delay_s": 5}, {"drip_s": 1}, {"cut": True}])
def test_effect_on_the_way_leaves_import_and_answer_alone(effect: dict[str, Any]) -> None:
    """Even a 401 stays a 401."""
    simulator = make_simulator()
    simulator.faults.add(**effect)

    reply = post(simulator, make_events(2))

    assert told(reply)["num_records_imported"] == len(simulator.events()) == 2
    assert {name: getattr(reply, name) for name in effect} == effect
    assert post(simulator, make_events(2), headers=basic("acct", "no")).status == 401


def test_ingest_keeps_the_rules() -> None:
    """What Mixpanel would not import is not imported before a scripted answer either."""
    simulator = make_simulator()
    simulator.faults.add(status=503, ingest=True)

    post(simulator, [make_event(), make_event("")])
    post(simulator, make_events(2), headers=basic("acct", "no"))

    assert len(simulator.events()) == 1


def test_short_count_is_one_less_and_missing_count_is_not_there() -> None:
    """Both look like a success otherwise."""
    simulator = make_simulator()
    simulator.faults.add(count="short", next_requests=1)
    simulator.faults.add(count="missing")

    short, missing = post(simulator, make_events(3)), post(simulator, make_events(3))

    assert (short.status, told(short)) == (200, {"code": 200, "num_records_imported": 2, "status": "OK"})
    assert (missing.status, told(missing)) == (200, {"code": 200, "status": "OK"})


@pytest.mark.parametrize("connection", ["reset", "hang"])
def test_connection_effects_come_with_the_reply(connection: str) -> None:
    """A caller without sockets sees what would have happened."""
    simulator = make_simulator()
    simulator.faults.add(connection=connection, delay_s=2)

    reply = post(simulator, make_events(1))

    assert (reply.connection, reply.delay_s, reply.outcome) == (connection, 2, connection)


def test_refused_connection_is_told_to_a_caller_without_sockets() -> None:
    """For as long as it lasts."""
    clock = FakeClock()
    simulator = make_simulator(clock)
    simulator.faults.add(connection="refuse", for_s=5)

    assert post(simulator, make_events(1)).connection == "refuse"
    clock.now_s += 5
    assert post(simulator, make_events(1)).status == 200
    assert len(simulator.events()) == 1


def test_list_shows_what_was_asked_for_and_how_often_it_fired() -> None:
    """Defaults are left out."""
    simulator = make_simulator()
    simulator.faults.add(name="busy", probability=0.5, status=429, headers={"Retry-After": "3"})
    simulator.faults.add(Fault(cut=True, next_requests=1))
    statuses(simulator, 1)

    listed = simulator.faults.listed()

    busy = {"name": "busy", "probability": 0.5, "status": 429, "headers": {"Retry-After": "3"}}
    assert [{**each, "fired": 0} for each in listed] == [
        {"id": 1, "fired": 0, "active": True, **busy},
        {"id": 2, "fired": 0, "active": listed[1]["fired"] == 0, "next_requests": 1, "cut": True},
    ]
    assert sum(each["fired"] for each in listed) == 1


def test_faults_can_be_removed_one_by_one_or_all() -> None:
    """An id is never used again."""
    simulator = make_simulator()
    first = simulator.faults.add(status=500)
    second = simulator.faults.add(status=502)

    assert simulator.faults.remove(first)
    assert not simulator.faults.remove(first)
    assert statuses(simulator, 1) == [502]
    simulator.faults.clear()
    assert statuses(simulator, 1) == [200]
    assert simulator.faults.add(status=503) > second
    with pytest.raises(KeyError):
        simulator.faults.fired_count(first)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "no effect"),
        ({"name": "x", "probability": 0.5}, "no effect"),
        ({"nonsense": 1, "status": 500}, "no field 'nonsense'; the fields are name"),
        ({"api": "track", "status": 500}, "api must be import or export"),
        ({"api": "export", "lines": "none"}, "lines must be terminated or split"),
        ({"lines": "split"}, "lines are of an export's own answer"),
        ({"api": "export", "lines": "split", "status": 500}, "lines are of an export's own answer"),
        ({"api": "export", "over_events": 1, "status": 500}, "an export has no body_contains"),
        ({"api": "export", "count": "short"}, "an export has no body_contains"),
        ({"status": "500"}, "status must be of type int, not str"),
        ({"status": True}, "status must be of type int, not bool"),
        ({"status": 100}, "status must be from 200 to 599"),
        ({"status": 600}, "status must be from 200 to 599"),
        ({"status": 500, "probability": 0}, "probability must be above 0"),
        ({"status": 500, "probability": 1.1}, "probability must be above 0"),
        ({"status": 500, "next_requests": -1}, "next_requests must be 0 or more"),
        ({"status": 500, "next_requests": 1.5}, "next_requests must be of type int, not float"),
        ({"delay_s": -1.0}, "delay_s must be 0 or more"),
        ({"delay_s": float("inf")}, "delay_s must be 0 or more"),
        ({"delay_s": float("nan")}, "delay_s must be 0 or more"),
        ({"status": 500, "ingest": 1}, "ingest must be of type bool, not int"),
        ({"status": 500, "headers": {"a": 1}}, "headers must be text"),
        ({"status": 500, "headers": []}, "headers must be of type Mapping"),
        ({"status": 500, "body": 7}, "body must be a text, an object or an array"),
        ({"body": "x", "cut": True}, "body and headers need a status"),
        ({"headers": {"a": "b"}, "cut": True}, "body and headers need a status"),
        ({"status": 500, "connection": "reset"}, "only one of"),
        ({"status": 200, "count": "short"}, "only one of"),
        ({"count": "long"}, "count must be short or missing"),
        ({"connection": "slow"}, "connection must be reset, hang or refuse"),
        ({"connection": "reset", "cut": True}, "need an answer"),
        ({"connection": "hang", "drip_s": 1}, "need an answer"),
        ({"connection": "refuse"}, "refuse needs for_s"),
        ({"connection": "refuse", "for_s": 1, "ingest": True}, "refuse takes no requests"),
        ({"connection": "refuse", "for_s": 1, "next_requests": 1}, "refuse sees no request"),
        ({"connection": "refuse", "for_s": 1, "probability": 0.5}, "refuse sees no request"),
    ],
)
def test_fault_that_is_invalid_is_refused(fields: dict[str, Any], said: str) -> None:
    """The error names the field and what is allowed; nothing is armed."""
    simulator = make_simulator()

    with pytest.raises(FaultError, match=said):
        simulator.faults.add(**fields)

    assert simulator.faults.listed() == []


def test_faults_may_change_while_requests_come() -> None:
    """From another thread, without an error and without a request lost."""
    simulator = make_simulator()

    def change() -> None:
        for _ in range(300):
            simulator.faults.add(probability=0.5, status=503)
            simulator.faults.clear()

    thread = threading.Thread(target=change)
    thread.start()
    seen = statuses(simulator, 300)
    thread.join()

    assert set(seen) <= {200, 503}
    assert simulator.stats()["requests"] == 300
