import gzip
import json
from typing import Any

import pytest
import requests

from local.mixpanel_simulator import FaultError, MixpanelSimulator
from tests.unit.mixpanel_simulator.builders import NOW_S, PASSWORD, FakeClock, told
from tests.unit.mixpanel_simulator.people import (
    PROJECTS,
    TOKEN,
    engage,
    make_update,
    simulator_of_people,
    stored,
)
from tests.unit.mixpanel_simulator.wire import PATIENCE_S

PLAIN: dict[str, str] = {}
VERBOSE = {"verbose": "1"}
BAD = make_update(set=5)
TRIAL = {"u-1": {"plan": "trial"}}


def invalid_updates() -> dict[str, object]:
    """Return updates that break a rule, each by what it breaks."""
    person, deep = make_update(), {"a": {"b": {"c": {"d": 1}}}}
    return {
        "an update must be an object": 5,
        "'$token' must not": {**person, "$token": ""},
        "'$token' must": {name: person[name] for name in ("$distinct_id", "$set")},
        "'$distinct_id' must": make_update(5),
        "'$distinct_id'": make_update("Undefined"),
        "'$distinct": make_update(""),
        "must have one of $set, $unset, $delete": make_update(add={"n": 1}),
        "must have one of": make_update(set={}, unset=["x"]),
        "must have one": {"$token": TOKEN, "$distinct_id": "u-1"},
        "an update must have": {**person, "plan": "trial"},
        "'$set' must be an object": make_update(set=["plan"]),
        "'$unset' must": make_update(unset=[]),
        "'$unset' must be": make_update(unset=[5]),
        "'$unset' must be a list": make_update(unset="plan"),
        "more than 2000 properties": make_update(set={str(n): n for n in range(2_001)}),
        "larger than 256000 bytes": make_update(set={"list": ["x" * 2_000] * 129}),
        "more than 254 items": make_update(set={"list": list(range(255))}),
        "deeper than 3": make_update(set={"deep": deep}),
        "smaller than 1000000 bytes": make_update(set={"text": "x" * 1_000_000}),
    }


@pytest.mark.parametrize(
    ("updates", "plain", "verbose"),
    [
        ([make_update()], "1", {"status": 1, "error": None}),
        (make_update(), "1", {"status": 1, "error": None}),
        ([BAD, make_update()], "1", {"status": 1, "error": None}),
        ([BAD, BAD], "0", {"status": 0, "error": "'$set' must be an object"}),
    ],
)
def test_one_valid_update_of_many_is_a_success(updates: object, plain: str, verbose: dict[str, Any]) -> None:
    """With status 200 in every case; the valid one is stored."""
    simulator = simulator_of_people()

    bare, worded = engage(simulator, updates, PLAIN), engage(simulator, updates, VERBOSE)

    assert (bare.status, bare.body.decode(), bare.headers["Content-Type"]) == (200, plain, "text/plain")
    assert (worded.status, told(worded)) == (200, verbose)
    assert set(stored(simulator)) == ({"u-1"} if plain == "1" else set())


@pytest.mark.parametrize("body", [b"", b"no json", b"[", b"[]", b'["\xff"]', b"[" * 100_000, b"null", b"5"])
def test_what_cannot_be_read_is_answered_with_a_zero(body: bytes) -> None:
    """With status 200 too."""
    reply = engage(simulator_of_people(), body, PLAIN)

    assert (reply.status, reply.body) == (200, b"0")


@pytest.mark.parametrize(
    "headers", [{"Content-Encoding": "gzip"}, {"Content-Type": "application/x-www-form-urlencoded"}]
)
def test_gzip_and_forms_are_not_read(headers: dict[str, str]) -> None:
    """Whatever is in them."""
    simulator = simulator_of_people()
    body = json.dumps([make_update()]).encode()

    reply = engage(simulator, gzip.compress(body) if "Content-Encoding" in headers else body, None, headers)

    assert (reply.status, told(reply)["status"]) == (200, 0)
    assert stored(simulator) == {}


@pytest.mark.parametrize(("said", "update"), invalid_updates().items())
def test_update_that_breaks_a_rule_is_not_stored_and_its_neighbour_is(said: str, update: object) -> None:
    """Alone it is a zero."""
    simulator = simulator_of_people()

    alone = engage(simulator, [update])
    engage(simulator, [update, make_update("u-2")])

    assert told(alone)["status"] == 0
    assert said in told(alone)["error"]
    assert set(stored(simulator)) == {"u-2"}


def test_as_many_updates_as_are_allowed_are_taken_and_one_more_are_not() -> None:
    """The one more spoils all."""
    simulator = simulator_of_people()
    updates = [make_update(f"u-{number}") for number in range(2_001)]

    assert told(engage(simulator, updates))["status"] == 0
    assert stored(simulator) == {}
    assert told(engage(simulator, updates[:-1]))["status"] == 1
    assert len(stored(simulator)) == 2_000


def test_body_that_is_too_large_is_the_one_that_has_another_status() -> None:
    """In the words of Mixpanel's error answers."""
    simulator = simulator_of_people(max_body_bytes=100)

    reply = engage(simulator, b"x" * 101)

    assert (reply.status, told(reply)["status"]) == (413, "error")


@pytest.mark.parametrize("token", ["unknown", "abroad"])
def test_wrong_token_is_answered_as_a_right_one_and_nothing_is_stored(token: str) -> None:
    """Nobody's, or that of a project of another region; each update counts by its own."""
    simulator = simulator_of_people()

    replies = [told(engage(simulator, [make_update("u-9", token)], query)) for query in (VERBOSE, None)]
    engage(simulator, [make_update(), make_update("u-9", token), make_update("u-2", "other")])

    assert replies == [{"status": 1, "error": None}] * 2
    assert stored(simulator) == TRIAL
    assert set(stored(simulator, "456")) == {"u-2"}
    assert stored(simulator, "789") == {}


@pytest.mark.parametrize(
    ("told_by", "partly", "whole"),
    [
        ("error", {"status": 1, "error": "'$set' must be an object"}, {"status": 1, "error": None}),
        (
            "count",
            {"status": 1, "error": None, "num_good_events": 1},
            {"status": 1, "error": None, "num_good_events": 2},
        ),
        ("zero", {"status": 0, "error": "'$set' must be an object"}, {"status": 1, "error": None}),
        ("none", {"status": 1, "error": None}, {"status": 1, "error": None}),
    ],
)
def test_strict_answer_has_each_shape_that_it_may_have(
    told_by: str, partly: dict[str, Any], whole: dict[str, Any]
) -> None:
    """Mixpanel documents none; the valid update is stored in all of them."""
    simulator = simulator_of_people(engage_strict=told_by)

    assert told(engage(simulator, [BAD, make_update()])) == partly
    assert told(engage(simulator, [make_update(), make_update("u-2")])) == whole
    assert told(engage(simulator, [BAD]))["status"] == 0
    assert set(stored(simulator)) == {"u-1", "u-2"}


def test_properties_are_set_unset_and_deleted_with_their_person() -> None:
    """In the order of arrival, also within one request; each of them can be repeated."""
    simulator = simulator_of_people()
    steps = [
        (
            [make_update(set={"plan": "trial", "n": 1}), make_update(set={"plan": "pro"})],
            {"plan": "pro", "n": 1},
        ),
        ([make_update(unset=["plan", "absent"])], {"n": 1}),
        ([make_update(delete="")], None),
        ([make_update(unset=["plan"])], None),
        ([make_update()], {"plan": "trial"}),
    ]

    for updates, after in steps:
        for _ in range(2):
            assert told(engage(simulator, updates))["status"] == 1
            assert stored(simulator).get("u-1") == after


def test_profile_has_no_more_properties_than_are_allowed() -> None:
    """What would be more is not stored, however it is sent."""
    simulator = simulator_of_people()
    engage(simulator, [make_update(set={str(n): n for n in range(2_000)})])

    engage(simulator, [make_update(set={"one more": 1})])

    assert len(stored(simulator)["u-1"]) == 2_000
    assert "one more" not in stored(simulator)["u-1"]


def test_names_and_texts_are_cut() -> None:
    """At 255 bytes, as those of events."""
    simulator = simulator_of_people()

    engage(simulator, [make_update(set={"n" * 300: "ö" * 200})])

    assert stored(simulator) == {"u-1": {"n" * 255: "ö" * 127}}


@pytest.mark.parametrize(
    ("query", "more", "moves"),
    [
        ({}, {}, True),
        ({"ip": "1"}, {}, True),
        ({"ip": "0"}, {}, False),
        ({}, {"$ip": "0"}, False),
        ({}, {"$ip": "192.0.2.1"}, False),
    ],
)
def test_set_without_an_address_moves_the_person_to_a_data_centre(
    query: dict[str, str], more: dict[str, str], *, moves: bool
) -> None:
    """Over the person's own city; an `$unset` moves nobody."""
    simulator = simulator_of_people()
    home = {"$city": "Berlin", "$region": "Berlin", "$country_code": "DE", "$timezone": "Europe/Berlin"}

    engage(simulator, [make_update(set=home) | more, make_update(unset=["plan"])], query)

    assert stored(simulator)["u-1"].keys() == home.keys()
    assert (stored(simulator)["u-1"] != home) is moves


def test_last_seen_is_the_arrival_unless_time_is_to_be_ignored() -> None:
    """On a new profile and on an old one, whatever `$time` says."""
    clock = FakeClock()
    simulator = simulator_of_people(clock)

    def last_seen(update: dict[str, Any]) -> object:
        clock.now_s += 60
        engage(simulator, [update])
        return simulator.profiles()[0]["$properties"].get("$last_seen")

    quiet = make_update() | {"$ignore_time": True, "$time": 1}
    seen = [last_seen(each) for each in (quiet, make_update() | {"$time": 1}, quiet)]

    assert (NOW_S, seen) == (1_795_000_000, [None, "2026-11-18T11:08:40", "2026-11-18T11:08:40"])


@pytest.mark.parametrize("connection", ["hang", "reset"])
def test_fault_acts_without_an_answer(connection: str) -> None:
    """Or does not act, as for imports."""
    simulator = simulator_of_people()
    simulator.faults.add(api="engage", connection=connection, next_requests=1)
    simulator.faults.add(api="engage", connection=connection, ingest=True)

    replies = [engage(simulator, [make_update(f"u-{number}")]) for number in (1, 2)]

    assert [reply.connection for reply in replies] == [connection] * 2
    assert set(stored(simulator)) == {"u-2"}


@pytest.mark.parametrize(
    "answer", [{}, {"connection": "hang", "ingest": True}, {"status": 504, "ingest": True}]
)
def test_fault_acts_late(answer: dict[str, Any]) -> None:
    """To the second, after what came meanwhile, and whatever was answered."""
    clock = FakeClock()
    simulator = simulator_of_people(clock)
    simulator.faults.add(api="engage", late_s=300, next_requests=1, **answer)
    engage(simulator, [make_update(set={"plan": "old"})])
    engage(simulator, [make_update(set={"plan": "new"})])

    seen = []
    for now_s in (NOW_S, NOW_S + 299.9, NOW_S + 300):
        clock.now_s = now_s
        seen.append(stored(simulator)["u-1"]["plan"])

    assert seen == ["new", "new", "old"]


def test_requests_that_act_late_act_in_the_order_in_which_they_are_due() -> None:
    """Not in that of their arrival."""
    clock = FakeClock()
    simulator = simulator_of_people(clock)
    for late_s, plan in ((300, "first"), (200, "second")):
        fault_id = simulator.faults.add(api="engage", late_s=late_s)
        engage(simulator, [make_update(set={"plan": plan})])
        simulator.faults.remove(fault_id)
    clock.now_s += 1_000

    assert stored(simulator) == {"u-1": {"plan": "first"}}


def test_fault_makes_two_requests_change_places() -> None:
    """The later one acts first; the last one of all acts after its time."""
    clock = FakeClock()
    simulator = simulator_of_people(clock)
    simulator.faults.add(api="engage", late_s=60, swap=True, next_requests=1)

    replies = [engage(simulator, [make_update(set={"plan": plan})]) for plan in ("old", "new")]
    swapped = stored(simulator)
    simulator.faults.add(api="engage", late_s=60, swap=True, next_requests=1)
    engage(simulator, [make_update(set={"plan": "last"})])
    clock.now_s += 60

    assert [told(reply)["status"] for reply in replies] == [1, 1]
    assert swapped == {"u-1": {"plan": "old"}}
    assert stored(simulator) == {"u-1": {"plan": "last"}}


def test_fault_refuses_a_share_of_the_updates() -> None:
    """The same ones for a seed, others in each request."""
    runs = []
    for seed in (1, 1, 2):
        simulator = simulator_of_people()
        simulator.faults.add(api="engage", invalid=0.5, seed=seed)
        for letter in "ab":
            engage(simulator, [make_update(f"{letter}-{number}") for number in range(500)])
        runs.append(set(stored(simulator)))

    first, second = ({name[2:] for name in runs[0] if name[0] == letter} for letter in "ab")
    assert runs[0] == runs[1] != runs[2]
    assert 200 < len(first) < 300
    assert first != second


def test_fault_refuses_only_the_updates_with_a_text() -> None:
    """By Mixpanel's answer, among others that are taken."""
    simulator = simulator_of_people()
    simulator.faults.add(api="engage", invalid=1, body_contains='"u-1"')

    together = told(engage(simulator, [make_update("u-1"), make_update("u-2")]))
    alone = told(engage(simulator, [make_update("u-1")]))

    assert (together, alone["status"]) == ({"status": 1, "error": "refused by a fault"}, 0)
    assert set(stored(simulator)) == {"u-2"}


@pytest.mark.parametrize("status", [401, 429])
def test_scripted_answer_has_the_words_of_this_api(status: int) -> None:
    """Which are not those of imports."""
    simulator = simulator_of_people()
    simulator.faults.add(api="engage", status=status)

    assert told(engage(simulator, [make_update()])).keys() == {"error", "status"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"late_s": 5}, "are of api engage"),
        ({"api": "export", "invalid": 0.5}, "are of api engage"),
        ({"api": "query", "swap": True, "status": 500}, "are of api engage"),
        ({"api": "engage", "late_s": 5, "status": 500}, "need ingest"),
        ({"api": "engage", "invalid": 0.5, "connection": "hang"}, "need ingest"),
        ({"api": "engage", "swap": True, "cut": True}, "swap needs late_s"),
        ({"api": "engage", "invalid": 1.5}, "invalid must be at most 1"),
        ({"api": "engage", "late_s": -1}, "late_s must be 0 or more"),
        ({"api": "engage", "count": "short"}, "count is of imports"),
        ({"api": "engage", "lines": "split"}, "lines are of an export"),
        ({"api": "query", "body_contains": "x", "status": 500}, "a query has no body_contains"),
    ],
)
def test_fault_that_is_invalid_is_refused(fields: dict[str, Any], said: str) -> None:
    """What would strike nothing is not armed."""
    with pytest.raises(FaultError, match=said):
        simulator_of_people().faults.add(**fields)


def test_requests_are_counted_apart_from_imports() -> None:
    """With the names of headers, and never what is in a body."""
    simulator = simulator_of_people()
    simulator.faults.add(api="engage", name="down", status=503, next_requests=1)

    for _ in range(2):
        engage(simulator, [make_update()])

    counted = simulator.stats()
    assert (counted["requests"], counted["engage"]["requests_by_outcome"]) == (0, {"503": 1, "200": 1})
    assert [note["fault"] for note in counted["engage"]["last_requests"]] == ["down", ""]
    assert "u-1" not in str(counted)


def test_it_is_served_over_http(clock: FakeClock) -> None:
    """With and without a slash, as clients send it; a reset forgets the people and what was to act."""
    with MixpanelSimulator(projects=PROJECTS, password=PASSWORD, clock=clock) as mixpanel:
        for path in ("/engage?ip=0", "/engage/?ip=0&verbose=1"):
            answer = requests.post(mixpanel.url + path, json=[make_update()], timeout=PATIENCE_S)
            assert (answer.status_code, answer.json()) == (
                200,
                1 if "verbose" not in path else {"status": 1, "error": None},
            )
        shown = requests.get(mixpanel.url + "/_simulator/profiles?project_id=123", timeout=PATIENCE_S)
        unknown = requests.get(mixpanel.url + "/_simulator/profiles?project_id=9", timeout=PATIENCE_S)
        mixpanel.faults.add(api="engage", late_s=5)
        requests.post(mixpanel.url + "/engage", json=make_update("u-2"), timeout=PATIENCE_S)

        assert shown.json() == mixpanel.profiles() == mixpanel.profiles(project_id="123")
        assert (shown.json()[0]["$distinct_id"], unknown.status_code) == ("u-1", 404)
        assert requests.get(mixpanel.url + "/engage", timeout=PATIENCE_S).status_code == 405
        mixpanel.reset()
        clock.now_s += 10
        assert mixpanel.profiles() == []


def test_fault_that_hangs_is_a_hang_on_the_wire() -> None:
    """The client gives up; the profile is there."""
    with MixpanelSimulator(projects=PROJECTS, password=PASSWORD) as mixpanel:
        mixpanel.faults.add(api="engage", connection="reset", ingest=True)

        with pytest.raises(requests.ConnectionError):
            requests.post(mixpanel.url + "/engage?ip=0", json=[make_update()], timeout=PATIENCE_S)

        assert [each["$distinct_id"] for each in mixpanel.profiles()] == ["u-1"]
