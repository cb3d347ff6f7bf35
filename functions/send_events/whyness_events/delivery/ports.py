"""What the core needs from outside, as protocols; the edges and the tests' fakes both keep them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from whyness_events.dead_letter import attributes_bytes
from whyness_events.log_entry import DeliveredRow, LogEntry, LogKey
from whyness_events.values import size_bytes

# How long one call to AWS can take at the worst: see aws/clients.py.
LONGEST_CALL_S = 10.0
# With less time than this none is begun: cut short, it could take effect and nobody would know.
SHORTEST_CALL_S = 0.2


def call_s(left_s: float) -> float:
    """Return how long a call may take that must be over in `left_s`; 0 where it is not to be begun."""
    return min(LONGEST_CALL_S, left_s) if left_s >= SHORTEST_CALL_S else 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request.

    Args:
        status: HTTP status; 0 where no whole answer came.
        body: as received, decompressed.
        retry_after: the header as received, `""` where there is none.
        error: why there is no answer (`timeout`, `connection`, ...); `""` where there is one.
    """

    status: int
    body: bytes = b""
    retry_after: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message for the dead-letter queue.

    Args:
        body: an envelope with the one event, or the body as it came.
        attributes: why, all of them text; fewer, or none, where the body leaves no room.
        key: where its Log row is.
    """

    body: str
    attributes: Mapping[str, str]
    key: LogKey

    @property
    def size_bytes(self) -> int:
        """What SQS counts: the body, and name, type and value of each attribute."""
        return size_bytes(self.body) + attributes_bytes(self.attributes)


class Clock(Protocol):
    """Time, which a simulation may make up."""

    def now_s(self) -> float:
        """Return seconds since the epoch."""

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SenderPool(Protocol):
    """Posts import requests side by side. It decides nothing: answers go to the one thread that waits."""

    def submit(self, ticket: int, events: Sequence[bytes], timeout_s: float) -> None:
        """Begin to post `events` (encoded) as one JSON array; `ticket` comes back with the answer."""

    def wait(self, timeout_s: float) -> list[tuple[int, Answer]]:
        """Wait at most `timeout_s`, also with nothing under way, and return what has come by then."""

    def abandon(self, ticket: int) -> None:
        """Cut the connection of `ticket`; its answer is never returned."""

    def refresh_credentials(self) -> bool:
        """Fetch the credentials afresh; False where there is nowhere to fetch them from.

        Raises:
            SetupFault: they cannot be had.
        """


# Of the ports to AWS: whatever hangs, they return by `deadline_s`, and say of what is cut off that it failed.


class DeadLetterQueue(Protocol):
    """The dead-letter queue."""

    def send(self, dead_letters: Sequence[DeadLetter], *, deadline_s: float) -> list[str | None]:
        """Return each one's message id at the queue, None where the queue did not confirm it."""


class Log(Protocol):
    """The Log table."""

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Return for each entry whether it is stored. Never raises for the table's failures."""

    def mark_delivered(self, rows: Sequence[DeliveredRow], *, now_ms: int, deadline_s: float) -> int:
        """Move the rows that are their event's to `delivered`; return for how many that is not known."""


class SourceQueue(Protocol):
    """The queue that the records come from."""

    def delay(self, delays: Sequence[tuple[str, int]], *, deadline_s: float) -> int:
        """Hide records, by receipt handle, for so many seconds; return for how many that is confirmed."""

    def delete(self, receipt_handles: Sequence[str], *, deadline_s: float) -> int:
        """Delete records; return for how many that is confirmed."""


class SetupFault(Exception):
    """Something that only an operator can put right; its text is safe and says what to do."""
