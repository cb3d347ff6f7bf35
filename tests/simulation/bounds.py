"""How long a message may be in the queue, and which ones SQS may give up by itself."""

from typing import Protocol

from tests.simulation.event_source import EventSource
from tests.simulation.ledger import is_newer
from tests.simulation.traffic import POISONS
from tests.simulation.trouble import Trouble

# Without trouble a message is gone after this long, whatever its neighbours do: three receives at the queue's
# own timeout beside a poison, then some more as a suspect.
BOUND_S = 3 * 3_600.0
# One that ends each process: forty receives, some quarter of an hour and an invocation apart.
POISON_BOUND_S = 13 * 3_600.0
# So many receives SQS has to burn before Lambda's code could no more give a record up with a reason.
_UNANSWERED_MOST = 20


class Watched(Protocol):
    """What the bounds are checked against."""

    trouble: Trouble
    source: EventSource

    def now_s(self) -> float:
        """Return seconds since the epoch."""

    def note(self, text: str) -> None:
        """Write a line of the history."""

    def violate(self, text: str) -> None:
        """Write down a broken promise."""


class Bounds:
    """Looks at what comes into the queues and leaves them.

    Args:
        run: that it is part of.
        start_s: of the run, epoch seconds.
    """

    def __init__(self, run: Watched, start_s: float) -> None:
        self._run, self._start_s = run, start_s
        self._sent_s: dict[str, float] = {}

    def sent(self, message_id: str, body: str) -> None:
        """Hear of a message in the queue."""
        del body
        self._sent_s[message_id] = self._run.now_s()

    def gone(self, message_id: str, body: str) -> None:
        """Look at how long it was there while nothing was wrong."""
        if is_newer(body):
            return
        bound_s = POISON_BOUND_S if is_poison(body) else BOUND_S
        passed_s = self._run.now_s() - self._start_s
        calm_since_s = self._start_s + self._run.trouble.last_before(passed_s)
        waited_s = self._run.now_s() - max(self._sent_s[message_id], calm_since_s)
        if waited_s > bound_s:
            self._run.violate(f"{message_id} waited for {waited_s:.0f} s without any trouble")

    def moved(self, message_id: str, body: str) -> None:
        """Look at what comes into the dead-letter queue: under its old id, SQS itself moved it."""
        del body
        if not message_id.startswith("message"):
            return
        self._run.note(f"SQS moves {message_id} to the dead-letter queue")
        if self._run.source.unanswered[message_id] < _UNANSWERED_MOST:
            self._run.violate(f"SQS gave {message_id} up, and the function could have")


def is_poison(body: str) -> bool:
    """Whether a message ends each process that touches it."""
    return any(poison in body for poison in POISONS)
