"""The one list of outcomes, reasons and row states; Lambda, tools and docs derive from it."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Self


class Fate(Enum):
    """What an outcome does to its event."""

    DELIVERED = auto()
    # Mixpanel cannot have imported it.
    DEAD_UNCOUNTED = auto()
    # Mixpanel may have imported it.
    DEAD_UNSURE = auto()
    WAITING = auto()


class Reason(StrEnum):
    """The outcomes an event can have in the Lambda; `docs/architecture.md` has the table."""

    fate: Fate

    DELIVERED = "delivered", Fate.DELIVERED
    REJECTED = "rejected", Fate.DEAD_UNCOUNTED
    OVERSIZED = "oversized", Fate.DEAD_UNCOUNTED
    UNREADABLE = "unreadable", Fate.DEAD_UNCOUNTED
    EXHAUSTED = "exhausted", Fate.DEAD_UNSURE
    RETRY = "retry", Fate.WAITING
    THROTTLED = "throttled", Fate.WAITING
    EARLY = "early", Fate.WAITING
    SETUP = "setup", Fate.WAITING

    def __new__(cls, name: str, fate: Fate) -> Self:  # noqa: D102  (as enum asks for it)
        reason = str.__new__(cls, name)
        reason._value_ = name
        reason.fate = fate
        return reason

    @property
    def is_dead(self) -> bool:
        """Whether the event goes to the dead-letter queue."""
        return self.fate in (Fate.DEAD_UNCOUNTED, Fate.DEAD_UNSURE)

    @property
    def is_waiting(self) -> bool:
        """Whether the event stays in the queue."""
        return self.fate is Fate.WAITING


# The Lambda did not write it: SQS moved the message after too many receives.
CRASHED = "crashed"
# Nothing says why: written by hand, or so large that no attribute had room.
UNKNOWN = "unknown"
# Of the Log's rows about people's redrives.
AUDIT = "redrive"

DEAD_REASONS = (*(str(reason) for reason in Reason if reason.is_dead), CRASHED, UNKNOWN)
WAITING_REASONS = tuple(str(reason) for reason in Reason if reason.is_waiting)
FAILURE_REASONS = (*DEAD_REASONS, *WAITING_REASONS)
LOG_REASONS = (*FAILURE_REASONS, AUDIT)
# Of a dead letter whose reason is none of these, Mixpanel may have imported the event.
UNCOUNTED_REASONS = frozenset(str(reason) for reason in Reason if reason.fate is Fate.DEAD_UNCOUNTED)


class State(StrEnum):
    """The states of a Log row about events."""

    DEAD = "dead"
    REDRIVEN = "redriven"
    DELIVERED = "delivered"
    WAITING = "waiting"


class AuditState(StrEnum):
    """The states of a Log row about a redrive."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event.

    Args:
        reason: the outcome.
        detail: a safe sentence for people.
        http_status: Mixpanel's answer, 0 where there was none.
        wait_s: how long it must wait at least: Mixpanel asked for it, or its time has not come. Else 0.
        may_count: Mixpanel may have imported the event, whatever the reason says in general.
        soon: it waits for nothing but its next try.
    """

    reason: Reason
    detail: str = ""
    http_status: int = 0
    wait_s: float = 0.0
    may_count: bool = False
    soon: bool = False


DELIVERED = Outcome(Reason.DELIVERED)
