import json

from hypothesis import given
from hypothesis import strategies as st

from whyness_events import limits
from whyness_events.wire import join_message
from whyness_mixpanel import packing

ENVELOPE_BYTES = len(join_message([], identity="distinct_id"))


def event_of(size_bytes: int, *, letter: str = "x") -> str:
    """Return a JSON text of that size, in place of an encoded event."""
    return json.dumps(letter * ((size_bytes - 2) // len(letter.encode())), ensure_ascii=False)


def sizes(packed: list[packing.Packed]) -> list[int]:
    """Return the number of events in each message."""
    return [message.event_count for message in packed]


def test_events_travel_together() -> None:
    """A handful of events is one message, in order."""
    packed = packing.pack(['"a"', '"b"', '"c"'], identity="simplified")

    assert packed == [
        packing.Packed('{"schema_version":1,"identity":"simplified","events":["a","b","c"]}', 3)
    ]


def test_nothing_packs_into_nothing() -> None:
    """No events, no message, no call."""
    assert packing.calls(packing.pack([], identity="distinct_id")) == []


def test_a_message_is_full_at_the_exact_byte() -> None:
    """One byte more, and the last event goes into the next message."""
    first = event_of(1_000)
    room_bytes = packing.MESSAGE_BYTES - ENVELOPE_BYTES - 1_000 - len(",")

    exact = packing.pack([first, event_of(room_bytes)], identity="distinct_id")
    above = packing.pack([first, event_of(room_bytes + 1)], identity="distinct_id")

    assert sizes(exact) == [2]
    assert len(exact[0].body) == packing.MESSAGE_BYTES < limits.BILLED_BYTES
    assert sizes(above) == [1, 1]


def test_size_is_counted_in_bytes() -> None:
    """A Chinese character is three bytes to SQS."""
    packed = packing.pack([event_of(40_000, letter="語")] * 2, identity="distinct_id")

    assert sizes(packed) == [1, 1]


def test_an_event_larger_than_a_message_should_be_travels_alone() -> None:
    """It is still taken by SQS, and its neighbours keep their order."""
    large = event_of(limits.EVENT_BYTES)

    packed = packing.pack(['"a"', large, '"b"'], identity="distinct_id")

    assert sizes(packed) == [1, 1, 1]
    assert len(packed[1].body) <= packing.CALL_BYTES


def test_a_call_takes_ten_messages() -> None:
    """The eleventh needs a call of its own."""
    messages = [packing.Packed("x", 1)] * 21

    assert [len(call) for call in packing.calls(messages)] == [10, 10, 1]


def test_a_call_is_full_at_the_exact_byte() -> None:
    """All messages of a call together are at most CALL_BYTES, which SQS takes."""
    half = packing.CALL_BYTES // 2

    exact = packing.calls([packing.Packed("x" * half, 1), packing.Packed("x" * half, 1)])
    above = packing.calls([packing.Packed("x" * half, 1), packing.Packed("x" * (half + 1), 1)])

    assert [len(call) for call in exact] == [2]
    assert [len(call) for call in above] == [1, 1]
    assert packing.CALL_BYTES < limits.BATCH_BYTES


@given(st.lists(st.integers(2, 200_000), max_size=120))
def test_packing_loses_repeats_and_reorders_nothing(event_sizes: list[int]) -> None:
    """Whatever the sizes: the same events in the same order, and every limit met."""
    encoded = [event_of(size) for size in event_sizes]

    calls = packing.calls(packing.pack(encoded, identity="distinct_id"))

    unpacked = [
        json.dumps(event)
        for call in calls
        for message in call
        for event in json.loads(message.body)["events"]
    ]
    assert unpacked == encoded
    for call in calls:
        assert len(call) <= limits.BATCH_ENTRIES
        assert sum(len(message.body) for message in call) <= packing.CALL_BYTES
        assert all(len(message.body) <= packing.MESSAGE_BYTES or message.event_count == 1 for message in call)
    assert sum(message.event_count for call in calls for message in call) == len(encoded)
