"""A file of JSON lines: each line an event, or named with what is wrong with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyness_ops.event_files import MESSAGE_BYTES, EventLine, WrongLine, pack, read_lines

NOW_MS = 1_800_000_000_000


def read(*lines: str) -> list[EventLine | WrongLine]:
    """Return what these lines are."""
    return list(read_lines(lines, now_ms=NOW_MS))


def test_what_a_line_leaves_out_is_filled_in() -> None:
    """Nobody, now, and an insert id that follows from the line."""
    [line] = read('{"event": "A"}')

    assert isinstance(line, EventLine)
    assert (line.event.user, line.event.time) == ("", NOW_MS)
    assert len(line.event.insert_id) == 36


def test_a_line_with_a_time_counts_once_however_often_it_is_sent() -> None:
    """Its insert id is the same in each reading; that of an equal line elsewhere in the file is another."""
    text = '{"event": "A", "time": 1790000000000}'

    ids = [line.event.insert_id for _ in range(2) for line in read(text, text) if isinstance(line, EventLine)]

    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "array"),
        ('{"user": "1"}', "event"),
        ('{"event": " "}', "blank"),
        ('{"event": "A", "user": 1}', "user"),
        ('{"event": "A", "time": "now"}', "time"),
        ('{"event": "A", "insert_id": ""}', "insert_id"),
        ("[" * 100_000, "JSON"),
        (json.dumps({"event": "A", "data": {str(n): ["x" * 255] * 200 for n in range(25)}}), "bytes"),
    ],
)
def test_a_line_that_is_not_an_event_is_named(text: str, why: str) -> None:
    """By its number, blank lines counted, without its content."""
    [wrong] = read("", text)

    assert isinstance(wrong, WrongLine)
    assert str(wrong).startswith("line 2: ")
    assert why in str(wrong)
    assert len(str(wrong)) < 300


@given(st.lists(st.integers(0, 40_000), max_size=40))
def test_messages_hold_each_event_once_in_order_and_fit(sizes: list[int]) -> None:
    """Whatever their sizes."""
    lines = read(*(f'{{"event": "A", "data": "{"x" * n}"}}' for n in sizes))
    events = [line for line in lines if isinstance(line, EventLine)]

    messages = list(pack(events))

    assert [event for message in messages for event in message] == events
    assert len(events) == len(sizes)
    assert all(len(m) == 1 or sum(len(e.encoded) for e in m) <= MESSAGE_BYTES for m in messages)
