"""The outcomes an event can have, and what each does to its record."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The closed list; `docs/architecture.md` has the table."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    OVERSIZED = "oversized"
    UNREADABLE = "unreadable"
    EXHAUSTED = "exhausted"
    RETRY = "retry"
    THROTTLED = "throttled"
    SETUP = "setup"

    @property
    def is_dead(self) -> bool:
        """Whether the event goes to the dead-letter queue."""
        return self in _DEAD

    @property
    def is_waiting(self) -> bool:
        """Whether the event stays in the queue."""
        return self in _WAITING


_DEAD = frozenset({Reason.REJECTED, Reason.OVERSIZED, Reason.UNREADABLE, Reason.EXHAUSTED})
_WAITING = frozenset({Reason.RETRY, Reason.THROTTLED, Reason.SETUP})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event.

    Args:
        reason: the outcome.
        detail: a safe sentence for people.
        http_status: Mixpanel's answer, 0 where there was none.
        wait_s: how long Mixpanel asked to wait, 0 where it did not.
        soon: it waits for nothing but its next try.
    """

    reason: Reason
    detail: str = ""
    http_status: int = 0
    wait_s: float = 0.0
    soon: bool = False


DELIVERED = Outcome(Reason.DELIVERED)
