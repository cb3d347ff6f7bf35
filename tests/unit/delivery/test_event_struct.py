"""The rules as types: narrower than the contract or equal, never wider."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW_MS, make_body, make_event, make_raw, make_record, read_record
from tests.strategies import any_json, any_text, events
from whyness_events import Event, InvalidEvent, check_event, limits
from whyness_events.delivery import event_struct
from whyness_events.delivery.event_struct import EventStruct, are_surely_valid
from whyness_events.delivery.reading import decode

_fields = st.sampled_from(["insert_id", "event", "user", "ip", "useragent", "data", "prospect", "properties"])
_values = st.one_of(
    any_text,
    st.sampled_from(["0", "null", "-1", "p:", "p:0", "p:1", "$device:1", "$merge", " ", "a" * 62, "é" * 61]),
    st.dictionaries(st.sampled_from(["plan", "$os", "$city", "mp_x", "token", "", "data"]), any_json),
)


@given(events(), _fields, _values)
def test_what_is_surely_valid_is_valid(event: Event, name: str, value: object) -> None:
    """Otherwise events would be sent that the contract refuses."""
    text = json.dumps(event.to_wire() | {name: value})
    try:
        found = msgspec.json.decode(text, type=EventStruct)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return

    everyday = msgspec.json.decode(json.dumps(make_raw()), type=EventStruct)
    for group in ([found], [everyday, found], [found, everyday]):
        if are_surely_valid(group, now_ms=NOW_MS) and len(text) < event_struct.SURE_BYTES:
            check_event(Event(**msgspec.structs.asdict(found)), now_ms=NOW_MS)  # would raise


@pytest.mark.parametrize(
    "fields",
    [
        {"insert_id": "0" * 8 + "-0000-0000-0000-000000000000"},
        {"insert_id": "0"},
        {"insert_id": "a" * 37},
        {"user": "0"},
        {"user": "p:"},
        {"user": "$device:1"},
        {"event": "$identify"},
        {"event": "é" * 128},
        {"time": NOW_MS + limits.FUTURE_MS + 1},
        {"properties": {"$os": "x"}},
        {"properties": {"": "x"}},
    ],
)
def test_what_breaks_a_rule_is_looked_at_closer(fields: dict[str, Any]) -> None:
    """The types take these; the contract does not."""
    raw = make_raw(**fields)
    found = msgspec.json.decode(json.dumps(raw), type=EventStruct)

    assert not are_surely_valid([found], now_ms=NOW_MS)
    with pytest.raises(InvalidEvent):
        check_event(Event(**raw), now_ms=NOW_MS)


@pytest.mark.parametrize("field", ["insert_id", "user"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title, lambda text: text[:-1] + text[-1].upper()])
@pytest.mark.parametrize("neighbour", ["4711", "Ab-C", "ab\ncd", "zoë", "ZOË"])
def test_no_placeholder_is_surely_an_id(field: str, case: Callable[[str], str], neighbour: str) -> None:
    """In letters of any case, whatever the ids of the events beside it."""
    beside = msgspec.json.decode(json.dumps(make_raw(user=neighbour)), type=EventStruct)
    for placeholder in limits.PLACEHOLDERS:
        raw = make_raw(**{field: case(placeholder)})
        found = msgspec.json.decode(json.dumps(raw), type=EventStruct)

        assert not are_surely_valid([beside, found, beside], now_ms=NOW_MS)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"insert_id": "8c5dbe04-9a7e-4c6f-a84e-1a1e6a2f0c11"},
        {"insert_id": "4711"},
        {"user": "p:45"},
        {"properties": {"plan": "pro", "$city": "Zürich", "n": [1, {"a": None}]}},
        {"data": {"form": {"a": [1]}}},
    ],
)
def test_everyday_event_needs_no_closer_look(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise no event would take the fast path."""
    monkeypatch.setattr(decode, "check_event", None)  # would raise
    monkeypatch.setattr(decode, "decode_message", None)
    event = make_event(**({"insert_id": "1001"} | fields))

    record_events = read_record(make_record(make_body(event)), now_ms=NOW_MS, default_identity="simplified")

    assert [item.outcome for item in record_events.items] == [None]


def test_names_of_strangers_do_not_fill_memory() -> None:
    """The names that are kept are bounded in number and in length."""
    for number in range(2_000):
        properties = {f"name-{number}-{n}": 1 for n in range(5)} | {f"{number}" * 200: 1}
        event = msgspec.json.decode(json.dumps(make_raw(properties=properties)), type=EventStruct)
        assert are_surely_valid([event], now_ms=NOW_MS)

    kept = event_struct._property_names
    assert len(kept) <= event_struct._KEPT_NAMES + 5
    assert max(map(len, kept)) <= event_struct._KEPT_NAME_CHARS
