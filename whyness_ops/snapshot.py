"""Pure: which letters were in the dead-letter queue when a look at it began, and which came later."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from whyness_events import valid_insert_id
from whyness_events.log_entry import log_key
from whyness_ops.letters import DeadLetter

# The clocks of AWS's hosts differ by less, and `Date` has whole seconds.
_SKEW_MS = 2_000
_LATE_MS = 1_000 + _SKEW_MS
# Some 100 MB. What was sent beyond them and comes back is known by its time alone.
_MOST_MARKS = 1_000_000


class Place(Enum):
    """Where a letter was when the look began."""

    THERE = "in the queue"
    SENT_AGAIN = "sent again by this run, and back"
    ELSEWHERE = "not in the queue yet"


@dataclass(slots=True)
class Snapshot:
    """When the look began, and what has been sent since.

    A letter's time and this moment are both AWS's, so a wrong clock of this host does not matter. Letters of
    the same few seconds are told apart by what was sent.

    Args:
        opened_ms: by AWS's clock, epoch milliseconds; None until it is open, and where AWS did not say: then
            only what was sent is told apart.
        total: letters in the queue then, by its own approximate count.
        sent: marks of what has been sent since.
    """

    opened_ms: int | None = None
    total: int = 0
    sent: set[str] = field(default_factory=set)

    def open(self, now_ms: int | None, total: int) -> None:
        """Let it begin now, unless it has begun."""
        if self.opened_ms is None:
            self.opened_ms, self.total = now_ms, total

    def place(self, letter: DeadLetter, *, now_ms: int | None) -> Place:
        """Return where the letter was.

        Args:
            letter: as received.
            now_ms: AWS's time of that answer: no letter can be later; None where it did not say.
        """
        latest_ms = letter.sent_ms if now_ms is None else now_ms + _LATE_MS
        opened_ms = self.opened_ms if 0 < letter.sent_ms <= latest_ms else None
        if opened_ms is not None and letter.sent_ms < opened_ms - _SKEW_MS:
            return Place.THERE
        if not self.sent.isdisjoint(marks(letter)):
            return Place.SENT_AGAIN
        is_later = opened_ms is not None and letter.sent_ms > opened_ms + _LATE_MS
        return Place.ELSEWHERE if is_later else Place.THERE

    def note_sent(self, some: Iterable[str]) -> None:
        """Remember the marks of what was sent."""
        if len(self.sent) < _MOST_MARKS:
            self.sent.update(some)


def marks(letter: DeadLetter) -> set[str]:
    """Return by what the letter is known again when it comes back, whole or event by event."""
    found = {body_mark(letter.body), *map(_event_mark, letter.raw_events)}
    return (found | {str(letter.log_key)} if letter.log_key else found) - {""}


def body_mark(body: str) -> str:
    """Return by what this very body is known again."""
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _event_mark(raw: object) -> str:
    insert_id = raw.get("insert_id") if isinstance(raw, dict) else None
    if valid_insert_id(insert_id):
        return str(log_key(raw, message_id="", position=0))
    try:
        return body_mark(json.dumps(raw, sort_keys=True))
    except RecursionError:
        return ""
