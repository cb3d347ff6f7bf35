"""Pure: where a missing event may still be, in the words of the report and the findings."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from whyness_events.outcomes import FAILURE_REASONS, UNKNOWN, State

# What an event is matched by: its name and its insert id.
Key = tuple[str, str]

NO_TRACE = "no trace"
NOT_TRACED = "not traced"
QUEUE_NOT_EMPTY = "queue not empty"
DEAD_LETTERS_HIDDEN = "dead letters hidden"
# Those with which the maker of the expected events says that an event is still in the outbox.
OUTBOX_TRACES = ("parked", "pending")
# With these, nobody can say whether an event is missing.
UNDECIDED_TRACES = frozenset({QUEUE_NOT_EMPTY, DEAD_LETTERS_HIDDEN})
# A row of the Log whose state is none that this version knows.
_LOGGED = "logged"
_MEANINGS = {
    "parked": "missing events that are parked in the outbox",
    "pending": "missing events that wait in the outbox",
    State.DEAD: "missing events that are dead letters, for this reason",
    State.REDRIVEN: "missing events that were dead letters, and were sent again",
    State.DELIVERED: "missing events that were dead letters, and that Mixpanel confirmed later",
    State.WAITING: "missing events that wait in the queue, says the Log",
    _LOGGED: "missing events that the Log names",
    NO_TRACE: "missing events that are in no queue, and that the Log does not name",
    NOT_TRACED: "missing events that may be in a queue: it could not be asked",
    QUEUE_NOT_EMPTY: "undecided events that may be among those that wait in the queue",
    DEAD_LETTERS_HIDDEN: "undecided events that may be among the dead letters that somebody inspects",
}


class Asked(NamedTuple):
    """A missing event, and its time in epoch milliseconds."""

    event: str
    insert_id: str
    time_ms: int

    @property
    def key(self) -> Key:
        """What it is matched by."""
        return self.event, self.insert_id


def meaning(trace: str) -> str:
    """Return what a trace says, for people."""
    return _MEANINGS[trace.partition(": ")[0]]


def log_trace(event: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return state and reason of an event's newest row; `""` where it has none.

    Args:
        event: its name.
        rows: all of its insert id. One without a name is of an event that the function could not read.
    """
    own = [row for row in rows if row.get("event", "") in ("", event)]
    newest = max(own, key=lambda row: _number(row.get("last_failed_at")), default=None)
    if newest is None:
        return ""
    state = newest.get("state") if newest.get("state") in [*State] else _LOGGED
    return f"{state}: {_reason(newest.get('reason'))}"


def dead_trace(reason: str) -> str:
    """Return the trace of an event that was seen in the dead-letter queue."""
    return f"{State.DEAD}: {_reason(reason)}"


def _reason(given: object) -> str:
    """Return a reason of ours: anybody with access to the table or the queue may have written another."""
    return str(given) if given in FAILURE_REASONS else UNKNOWN


def _number(given: object) -> int:
    return given if isinstance(given, int) else 0
