"""The outcomes, reasons and row states. The Lambda, the tools and the docs derive theirs from these lists."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Self


class Fate(Enum):
    """What happens to an event with a given outcome."""

    DELIVERED = auto()
    # Mixpanel cannot have imported it.
    DEAD_UNCOUNTED = auto()
    # Mixpanel may have imported it.
    DEAD_UNSURE = auto()
    WAITING = auto()


class Reason(StrEnum):
    """The outcomes of an event in the Lambda; `docs/reference/outcomes.md` explains each.

    `Reaction` in `delivery/mixpanel/answers.py` says which answer of Mixpanel leads to which;
    `delivery/sending/blame.py` does so for an event that is refused alone.
    """

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


# SQS itself moved the message, after too many receives.
CRASHED = "crashed"
# The dead letter has no reason: a person wrote it, or its body left no room for attributes.
UNKNOWN = "unknown"
# The reason of the Log's rows about redrives.
AUDIT = "redrive"

DEAD_REASONS = (*(str(reason) for reason in Reason if reason.is_dead), CRASHED, UNKNOWN)
WAITING_REASONS = tuple(str(reason) for reason in Reason if reason.is_waiting)
FAILURE_REASONS = (*DEAD_REASONS, *WAITING_REASONS)
LOG_REASONS = (*FAILURE_REASONS, AUDIT)
# With any other reason Mixpanel may have imported the event of a dead letter.
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
        http_status: Mixpanel's HTTP status; 0 if it did not answer.
        wait_s: shortest wait in seconds, asked for by Mixpanel or until the event's time; 0 for none.
        may_count: Mixpanel may have imported the event, even if `reason.fate` says that it cannot have.
        soon: the event can be sent again at once.
    """

    reason: Reason
    detail: str = ""
    http_status: int = 0
    wait_s: float = 0.0
    may_count: bool = False
    soon: bool = False


DELIVERED = Outcome(Reason.DELIVERED)
