"""The protocols through which the core reaches the outside; the edges and the tests' fakes implement them.

`tests/contract/test_ports.py` tries each implementation; `handler.build` chooses those of the Lambda.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from whyness_events.dead_letter import attributes_bytes
from whyness_events.log_entry import DeliveredRow, LogEntry, LogKey
from whyness_events.values import size_bytes

# The longest time that one call to AWS can take: see aws/clients.py.
LONGEST_CALL_S = 10.0
# With less time than this no call is begun: one that is cut off may take effect without our knowing.
SHORTEST_CALL_S = 0.2


def call_s(left_s: float) -> float:
    """Return the time limit in seconds for a call with `left_s` seconds left; 0 if it must not begin."""
    return min(LONGEST_CALL_S, left_s) if left_s >= SHORTEST_CALL_S else 0.0


class Answer(Struct, frozen=True):
    """The answer to one request.

    Args:
        status: HTTP status; 0 if there was no complete answer.
        body: decompressed.
        retry_after: the Retry-After header; `""` if there is none.
        error: why there was no complete answer, a safe text; `""` if there was one.
    """

    status: int
    body: bytes = b""
    retry_after: str = ""
    error: str = ""


class DeadLetter(Struct, frozen=True):
    """One message for the dead-letter queue.

    Args:
        body: an envelope with the one event, or the record's body as received.
        attributes: see `whyness_events.dead_letter`; fewer, or none, if the body leaves no room.
        key: of its row in the Log table.
    """

    body: str
    attributes: Mapping[str, str]
    key: LogKey

    @property
    def size_bytes(self) -> int:
        """The size that SQS counts: the body, and name, type and value of each attribute."""
        return size_bytes(self.body) + attributes_bytes(self.attributes)


class Clock(Protocol):
    """Time, which tests and simulations replace."""

    def now_s(self) -> float:
        """Return seconds since the epoch."""

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Block for so many seconds."""


class SenderPool(Protocol):
    """Posts import requests in parallel. One thread submits them and waits for their answers."""

    def submit(self, ticket: int, events: Sequence[bytes], timeout_s: float) -> None:
        """Begin to post `events` (encoded) as one JSON array; `wait` returns `ticket` with the answer.

        Raises:
            SetupFault: there are no credentials.
        """

    def wait(self, timeout_s: float) -> list[tuple[int, Answer]]:
        """Wait for answers and return them; return none after `timeout_s`, even if nothing is in flight."""

    def abandon(self, ticket: int) -> None:
        """Cut the connection of `ticket`; its answer is never returned."""

    def refresh_credentials(self) -> bool:
        """Fetch the credentials again; return False if they cannot change.

        Raises:
            SetupFault: they cannot be fetched.
        """


# The ports to AWS return by `deadline_s` (monotonic clock) even if a call hangs, which then counts as failed.


class DeadLetterQueue(Protocol):
    """The dead-letter queue."""

    def send(self, dead_letters: Sequence[DeadLetter], *, deadline_s: float) -> list[str | None]:
        """Send the dead letters; return the message id of each, None if the queue did not confirm it."""


class Log(Protocol):
    """The Log table."""

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Write the rows; return for each whether it is stored. Never raises for a failure of the table."""

    def mark_delivered(self, rows: Sequence[DeliveredRow], *, now_ms: int, deadline_s: float) -> int:
        """Set the state `delivered` in rows that belong to their event; return how many are unconfirmed."""


class SourceQueue(Protocol):
    """The queue that the records come from."""

    def delay(self, delays: Sequence[tuple[str, int]], *, deadline_s: float) -> int:
        """Hide records, given as receipt handle and seconds; return for how many the queue confirmed it."""

    def delete(self, receipt_handles: Sequence[str], *, deadline_s: float) -> int:
        """Delete records; return for how many the queue confirmed it."""


class SetupFault(Exception):
    """A fault that only an operator can fix. Its text is safe and says what to fix."""
