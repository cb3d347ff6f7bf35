"""Pure: which dead letters were in the queue when its inspection started, and which arrived later."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from whyness_events import valid_insert_id
from whyness_events.log_entry import log_key
from whyness_ops.dead_letter_message import DeadLetter

# The clocks of AWS's hosts differ by less than this; `Date` has whole seconds.
_SKEW_MS = 2_000
_LATE_MS = 1_000 + _SKEW_MS
# About 100 MB. Later ones that come back are recognised by their time alone.
_MOST_MARKS = 1_000_000


class Place(Enum):
    """Where a dead letter was at the start."""

    THERE = "in the queue"
    SENT_AGAIN = "sent again by this run, and back"
    ELSEWHERE = "not in the queue yet"


@dataclass(slots=True)
class Snapshot:
    """When the inspection started, and what has been sent since.

    Both times are AWS's, so a wrong clock of this host does not matter. Dead letters of the same few seconds
    are told apart by what was sent.

    Args:
        opened_ms: by AWS's clock, in epoch milliseconds; None before the start, and if AWS did not say: then
            only what was sent is recognised.
        total: dead letters in the queue then, by its own approximate count.
        sent: marks of what has been sent since.
    """

    opened_ms: int | None = None
    total: int = 0
    sent: set[str] = field(default_factory=set)

    def open(self, now_ms: int | None, total: int) -> None:
        """Start now, unless it has started."""
        if self.opened_ms is None:
            self.opened_ms, self.total = now_ms, total

    def place(self, dead_letter: DeadLetter, *, now_ms: int | None) -> Place:
        """Return where the dead letter was.

        Args:
            dead_letter: as received.
            now_ms: AWS's time of that answer: no dead letter can be later; None if it did not say.
        """
        since_ms = self._since_ms(dead_letter.sent_ms, now_ms)
        if since_ms < -_SKEW_MS:
            return Place.THERE
        if not self.sent.isdisjoint(marks(dead_letter)):
            return Place.SENT_AGAIN
        return Place.ELSEWHERE if since_ms > _LATE_MS else Place.THERE

    def _since_ms(self, sent_ms: int, now_ms: int | None) -> int:
        """Return how long after the start it was sent; 0 if unknown."""
        is_possible = sent_ms > 0 and (now_ms is None or sent_ms <= now_ms + _LATE_MS)
        return sent_ms - self.opened_ms if is_possible and self.opened_ms is not None else 0

    def note_sent(self, some: Iterable[str]) -> None:
        """Remember the marks of what was sent."""
        if len(self.sent) < _MOST_MARKS:
            self.sent.update(some)


def marks(dead_letter: DeadLetter) -> set[str]:
    """Return what identifies the dead letter if it comes back, whole or event by event."""
    of_parts = {body_mark(dead_letter.body), *map(_event_mark, dead_letter.raw_events)}
    return (of_parts | {str(dead_letter.log_key)} if dead_letter.log_key else of_parts) - {""}


def body_mark(body: str) -> str:
    """Return what identifies this body."""
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _event_mark(raw: object) -> str:
    insert_id = raw.get("insert_id") if isinstance(raw, dict) else None
    if valid_insert_id(insert_id):
        return str(log_key(raw, message_id="", position=0))
    try:
        return body_mark(json.dumps(raw, sort_keys=True))
    except RecursionError:
        return ""
