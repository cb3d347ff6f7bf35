import json

from hypothesis import given
from hypothesis import strategies as st

from whyness_events import limits
from whyness_events.wire import join_message
from whyness_mixpanel.publishing import messages

ENVELOPE_BYTES = len(join_message([], identity="distinct_id"))


def event_of(size_bytes: int, *, letter: str = "x") -> str:
    """Return a JSON text of that size, in place of an encoded event."""
    return json.dumps(letter * ((size_bytes - 2) // len(letter.encode())), ensure_ascii=False)


def sizes(packed: list[messages.Packed]) -> list[int]:
    """Return the number of events in each message."""
    return [message.event_count for message in packed]


def test_events_travel_together() -> None:
    """A handful of events is one message, in order."""
    packed = messages.pack(['"a"', '"b"', '"c"'], identity="simplified")

    assert packed == [
        messages.Packed('{"schema_version":1,"identity":"simplified","events":["a","b","c"]}', 3)
    ]


def test_nothing_packs_into_nothing() -> None:
    """No events, no message, no call."""
    assert messages.calls(messages.pack([], identity="distinct_id")) == []


def test_a_message_is_full_at_the_exact_byte() -> None:
    """One byte more, and the last event goes into the next message."""
    first = event_of(1_000)
    room_bytes = messages.MESSAGE_BYTES - ENVELOPE_BYTES - 1_000 - len(",")

    exact = messages.pack([first, event_of(room_bytes)], identity="distinct_id")
    above = messages.pack([first, event_of(room_bytes + 1)], identity="distinct_id")

    assert sizes(exact) == [2]
    assert len(exact[0].body) == messages.MESSAGE_BYTES < limits.BILLED_BYTES
    assert sizes(above) == [1, 1]


def test_size_is_counted_in_bytes() -> None:
    """A Chinese character is three bytes to SQS."""
    packed = messages.pack([event_of(40_000, letter="語")] * 2, identity="distinct_id")

    assert sizes(packed) == [1, 1]


def test_an_event_larger_than_a_message_should_be_travels_alone() -> None:
    """It is still taken by SQS, and its neighbours keep their order."""
    large = event_of(limits.EVENT_BYTES)

    packed = messages.pack(['"a"', large, '"b"'], identity="distinct_id")

    assert sizes(packed) == [1, 1, 1]
    assert len(packed[1].body) <= messages.CALL_BYTES


def test_a_call_takes_ten_messages() -> None:
    """The eleventh needs a call of its own."""
    packed = [messages.Packed("x", 1)] * 21

    assert [len(call) for call in messages.calls(packed)] == [10, 10, 1]


def test_a_call_is_full_at_the_exact_byte() -> None:
    """All messages of a call together are at most CALL_BYTES, which SQS takes."""
    half = messages.CALL_BYTES // 2

    exact = messages.calls([messages.Packed("x" * half, 1), messages.Packed("x" * half, 1)])
    above = messages.calls([messages.Packed("x" * half, 1), messages.Packed("x" * (half + 1), 1)])

    assert [len(call) for call in exact] == [2]
    assert [len(call) for call in above] == [1, 1]
    assert messages.CALL_BYTES < limits.BATCH_BYTES


@given(st.lists(st.integers(2, 200_000), max_size=120))
def test_packing_loses_repeats_and_reorders_nothing(event_sizes: list[int]) -> None:
    """Whatever the sizes: the same events in the same order, and every limit met."""
    encoded = [event_of(size) for size in event_sizes]

    calls = messages.calls(messages.pack(encoded, identity="distinct_id"))

    unpacked = [
        json.dumps(event)
        for call in calls
        for message in call
        for event in json.loads(message.body)["events"]
    ]
    assert unpacked == encoded
    for call in calls:
        assert len(call) <= limits.BATCH_ENTRIES
        assert sum(len(message.body) for message in call) <= messages.CALL_BYTES
        assert all(
            len(message.body) <= messages.MESSAGE_BYTES or message.event_count == 1 for message in call
        )
    assert sum(message.event_count for call in calls for message in call) == len(encoded)
