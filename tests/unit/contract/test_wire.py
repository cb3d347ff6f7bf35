"""The message body: both shapes, its version, its characters."""

import json
from typing import Any

import pytest

from tests.builders import large_properties, make_event, make_raw
from tests.corpus import BAD_BODIES, MARKER, BadBody, deep_text, event_text
from whyness_events import (
    Event,
    EventTooLarge,
    UnknownVersion,
    UnreadableMessage,
    decode_message,
    encode_event,
    encode_message,
    limits,
)
from whyness_events.wire import Message, join_message, to_sqs_json


def test_single_event_is_a_message() -> None:
    """Anybody with a command line can publish one object."""
    raw = make_raw()

    message = decode_message(json.dumps(raw))

    assert message == Message(1, None, [raw], {}, is_envelope=False)


def test_single_event_may_be_stamped() -> None:
    """Version and identity may stand beside the event's own fields."""
    message = decode_message(json.dumps(make_raw(schema_version=1, identity="simplified")))

    assert (message.schema_version, message.identity, len(message.raw_events)) == (1, "simplified", 1)


def test_envelope_is_a_message() -> None:
    """Its events are in order, of any type, and not yet checked."""
    body = json.dumps({"schema_version": 1, "identity": "distinct_id", "events": [make_raw(), 7, None]})

    message = decode_message(body)

    assert message == Message(1, "distinct_id", message.raw_events, {}, is_envelope=True)
    assert message.raw_events[1:] == [7, None]


@pytest.mark.parametrize(("size", "most"), [(300, 100), (6_059, 100), (6_060, 101), (9_000, 150)])
def test_more_events_than_a_body_has_room_for_are_no_events(size: int, most: int) -> None:
    """A hundred are always taken; beyond that, each needs 60 characters of the body."""
    body = json.dumps({"events": [0] * most}).ljust(size)
    assert len(decode_message(body).raw_events) == most

    with pytest.raises(UnreadableMessage) as caught:
        decode_message(json.dumps({"events": [0] * (most + 1)}, separators=(",", ":")).ljust(size))

    assert str(caught.value) == (
        f"events: found an array of {most + 1} elements in {size} characters; "
        f"allowed: at most {most}, because events are longer"
    )


def test_envelope_keeps_fields_it_does_not_know() -> None:
    """The fields of a newer producer are kept for the dead letter."""
    message = decode_message(json.dumps({"published_at": "now", "events": [1], "identity": None}))

    assert message.fields == {"published_at": "now"}
    assert message.identity is None


@pytest.mark.parametrize("identity", ["distinct_id", "simplified"])
def test_what_is_encoded_says_version_and_identity_first(identity: str) -> None:
    """A decoder may know an envelope by its beginning; all is compact."""
    event = make_event(insert_id="1")

    body = encode_message([event, event], identity=identity)

    one = encode_event(event)
    assert body == f'{{"schema_version":1,"identity":"{identity}","events":[{one},{one}]}}'
    assert body == join_message([one, one], identity=identity)
    assert " " not in body.replace("Audio upload", "")


def test_what_says_nothing_is_not_encoded() -> None:
    """Bytes are what SQS bills."""
    event = make_event(insert_id="1", event="E", user="", time=limits.FUTURE_MS * 10_000)

    assert encode_event(event) == '{"insert_id":"1","event":"E","user":"","time":36000000000}'


@pytest.mark.parametrize("bad", BAD_BODIES, ids=lambda bad: bad.name)
def test_unreadable_body_says_what_was_found(bad: BadBody) -> None:
    """One safe sentence; the cause, whose text quotes the body, is not shown with it."""
    with pytest.raises(UnreadableMessage) as caught:
        decode_message(bad.body)

    assert str(caught.value) == caught.value.reason == bad.detail
    assert MARKER not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("version", [2, 3, 10**30])
@pytest.mark.parametrize("body", [{"events": [1]}, {}, {"insert_id": "1"}, {"events": "of another kind"}])
def test_newer_version_is_not_guessed_at(version: int, body: dict[str, Any]) -> None:
    """The version is checked first, because everything else may have another meaning in a newer one."""
    with pytest.raises(UnknownVersion) as caught:
        decode_message(json.dumps({"schema_version": version, **body}))

    assert caught.value.known == 1
    assert str(caught.value) == "schema_version: found a version above 1; allowed: 1 to 1"


def test_newer_version_may_have_identities_of_its_own() -> None:
    """A version that is not known is told apart from an identity that is not."""
    with pytest.raises(UnknownVersion):
        decode_message('{"schema_version":2,"identity":"by_name","events":[1]}')


def test_number_too_long_for_python_spoils_only_its_event() -> None:
    """5,000 digits are read as infinity, which validation then names."""
    message = decode_message(f'{{"events":[{event_text({"time": "9" * 5_000})},{event_text()}]}}')

    first, second = message.raw_events
    assert isinstance(first, dict)
    assert first["time"] == float("inf")
    assert second == json.loads(event_text())


def test_numbers_python_can_read_are_read_exactly() -> None:
    """Integers of up to 4,000 digits are read exactly."""
    message = decode_message(f'{{"n":{"9" * 4_000},"m":-{"9" * 3_999}}}')

    assert message.raw_events == [{"n": 10**4_000 - 1, "m": -(10**3_999 - 1)}]


def test_nesting_is_read_or_refused_but_never_crashes() -> None:
    """Moderate nesting is for validation to judge; no nesting is fatal."""
    assert decode_message(f'{{"events":[{deep_text(200)}]}}').raw_events
    with pytest.raises(UnreadableMessage):
        decode_message(f'{{"events":[{deep_text(200_000)}]}}')


def test_only_what_sqs_refuses_is_escaped() -> None:
    """UTF-8 is a third of the size of escapes for Chinese, and SQS bills and limits bytes."""
    text = "é漢🎧\u007f\u0085\ue000\ufffd\U0001fffe\U0010ffff"

    assert to_sqs_json({"a": text}) == f'{{"a":"{text}"}}'
    assert to_sqs_json("\x00\x1f\ufffe\uffff\ud800\udfff") == '"\\u0000\\u001f\\ufffe\\uffff\\ud800\\udfff"'


def _event_of(size_bytes: int, char: str) -> Event:
    room = size_bytes - len(encode_event(make_event(insert_id="1", properties={"": 0}))) + len('{"":0}')
    return make_event(insert_id="1", properties=large_properties(room, char))


@pytest.mark.parametrize("char", ["x", "é", "漢", "🎧"])
def test_event_is_at_most_a_million_bytes_of_json(char: str) -> None:
    """The limit is exact to the byte of the wire JSON; the error has both numbers and nothing else."""
    assert len(encode_event(_event_of(1_000_000, char)).encode()) == 1_000_000

    with pytest.raises(EventTooLarge) as caught:
        encode_message([make_event(), _event_of(1_000_001, char)], identity="distinct_id")

    assert (caught.value.size_bytes, caught.value.limit_bytes) == (1_000_001, 1_000_000)


_TOO_LONG = "é" * 600_000


@pytest.mark.parametrize(
    "fields",
    [
        {"ip": _TOO_LONG},
        {"useragent": _TOO_LONG},
        {"data": _TOO_LONG},
        {"data": {"form": [_TOO_LONG]}},
        {"properties": {"text": _TOO_LONG}},
        {"properties": {"list": [{"deep": _TOO_LONG}]}},
        {"properties": {"list": [{_TOO_LONG: 1}]}},
    ],
)
def test_event_is_too_large_only_where_it_is_so_with_its_strings_cut(fields: dict[str, Any]) -> None:
    """Strings that Mixpanel would cut do not make an event too large; deduplication fields are unchanged."""
    event = make_event(**fields)

    wire = json.loads(encode_event(event))

    assert {**wire, **dict.fromkeys(fields)} == {**event.to_wire(), **dict.fromkeys(fields)}
    assert "é" * 127 in str(wire)
    assert "é" * 128 not in str(wire)


def test_strings_of_an_event_that_fits_travel_as_they_are() -> None:
    """The reader sees more of a header than Mixpanel keeps, and a dead letter holds what was published."""
    event = make_event(useragent="u" * 900, data={"k": "x" * 300}, properties={"p": "é" * 400_000})

    assert json.loads(encode_event(event)) == event.to_wire()
