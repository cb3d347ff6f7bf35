"""Pure: JSON lines into events, each valid, or into a sentence that names the line."""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from whyness_events import Event, EventTooLarge, InvalidEvent, UnreadableEvent, encode_event, parse_event

# Of insert ids that are made here: the same line of the same text has the same id, and counts once.
_NAMESPACE = uuid.UUID("5f2b9d4e-3d0c-5d43-9a0e-7d4f1c7a6b21")
# Half of what SQS takes at once, so that its other limits are far.
MESSAGE_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line that is not an event, and why."""

    number: int
    why: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.why}"


@dataclass(frozen=True, slots=True)
class EventLine:
    """A line that is an event, as it travels."""

    event: Event
    encoded: str


def read_lines(lines: Iterable[str], *, now_ms: int) -> Iterator[EventLine | WrongLine]:
    """Yield each line that is not blank.

    A missing `time` is now. A missing `insert_id` is made from line and number, so that a file that is sent
    twice counts once; a line without a time of its own is a new event each time.
    """
    for number, text in enumerate(lines, start=1):
        if text.strip():
            yield _read(text.strip(), number, now_ms)


def pack(events: Iterable[EventLine]) -> Iterator[list[EventLine]]:
    """Yield the events of one message each."""
    held: list[EventLine] = []
    held_bytes = 0
    for event in events:
        size_bytes = len(event.encoded.encode())
        if held and held_bytes + size_bytes > MESSAGE_BYTES:
            yield held
            held, held_bytes = [], 0
        held.append(event)
        held_bytes += size_bytes
    if held:
        yield held


def _read(text: str, number: int, now_ms: int) -> EventLine | WrongLine:
    try:
        raw: Any = json.loads(text)
        if isinstance(raw, dict):
            raw = {"user": "", "time": now_ms, **raw}
            raw.setdefault("insert_id", str(uuid.uuid5(_NAMESPACE, f"{number}:{raw['time']}:{text}")))
        event = parse_event(raw, now_ms=now_ms)
        return EventLine(event, encode_event(event))
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError):
            return WrongLine(number, f"not JSON: {error.msg} at character {error.pos}")
        return WrongLine(
            number, "JSON that cannot be read" if isinstance(error, RecursionError) else str(error)
        )
    except (InvalidEvent, UnreadableEvent, EventTooLarge) as error:
        return WrongLine(number, str(error))
