import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.mixpanel_simulator.builders import NOW_MS, make_simulator, post, told

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
IDS = st.sampled_from(["u", "", "0", "null", "$device:x", "a:b", "a" * 37, "é" * 200]) | JSON
TIMES = st.sampled_from([NOW_MS, NOW_MS // 1000, NOW_MS + 1, 0, -1, 2**70]) | JSON
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={"time": TIMES, "distinct_id": IDS, "$insert_id": IDS, "$user_id": IDS, "$device_id": IDS}
    | {"$ignore": JSON, "plan": JSON, "k" * 300: JSON},
)
EVENTS = (
    st.fixed_dictionaries({}, optional={"event": st.text() | JSON, "properties": PROPERTIES | JSON}) | JSON
)
unhurried = settings(deadline=None)
QUERIES = st.sampled_from([{"strict": "1"}, {"strict": "0"}, {"strict": "0", "verbose": "1"}])


@unhurried
@given(events=st.lists(EVENTS, min_size=1, max_size=8))
def test_every_event_is_imported_or_named_exactly_once(events: list[Any]) -> None:
    """The numbers of a strict answer add up, and so do the counters."""
    simulator = make_simulator()

    reply = post(simulator, events)

    answer = told(reply)
    named = [each["index"] for each in answer.get("failed_records", [])]
    assert reply.status == (400 if named else 200)
    assert named == sorted(set(named))
    assert answer["num_records_imported"] + len(named) == len(events)
    counted = simulator.stats()["events"]
    assert counted["raw"] + counted["ignored"] == answer["num_records_imported"]
    assert len(simulator.events()) == counted["unique"]


@unhurried
@given(
    events=st.lists(EVENTS, min_size=1, max_size=4),
    query=QUERIES,
    identity=st.sampled_from(["simplified", "original"]),
)
def test_sending_again_never_adds_an_event(events: list[Any], query: dict[str, str], identity: str) -> None:
    """Except those that came without an insert id."""
    simulator = make_simulator(identity=identity)
    counts = []

    for _ in range(2):
        post(simulator, events, query=query | {"project_id": "123"})
        counts.append(sum(1 for each in simulator.events() if each["properties"].get("$insert_id")))

    assert counts[0] == counts[1]
    assert simulator.stats()["events"]["raw"] >= 2 * counts[0]


@unhurried
@given(
    body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | JSON.map(json.dumps).map(str.encode),
    encoding=st.sampled_from(["gzip", "identity"]),
    media_type=st.sampled_from(["application/json", "application/x-ndjson"]),
)
def test_any_body_gets_an_answer(body: bytes, encoding: str, media_type: str) -> None:
    """Of JSON, and without a failure of the simulator."""
    reply = post(make_simulator(), body, headers={"Content-Encoding": encoding, "Content-Type": media_type})

    assert told(reply)["code"] == reply.status
    assert reply.status in {200, 400, 413}
