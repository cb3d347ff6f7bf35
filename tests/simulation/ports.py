"""A container's ports: the tests' fakes over the models of a run, with the faults of the run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.fakes import FakeDeadLetters, FakeLog, FakePool
from tests.simulation.queue_model import NotInFlight, QueueModel
from whyness_events.delivery.letters import Letter
from whyness_events.delivery.ports import Answer
from whyness_events.log_entry import LogEntry


class Killed(BaseException):
    """The process ends here; a BaseException, for nothing in it may catch that."""


class Fate(Protocol):
    """What may happen at a port call, as the run decides it."""

    def port_call(self, name: str) -> None:
        """Let time stand, or raise Killed."""

    def strikes(self, kind: str) -> bool:
        """Tell whether a fault of this kind strikes now."""

    def note(self, text: str) -> None:
        """Write a line of the history."""


@dataclass
class SimulatedPool(FakePool):
    """The fake pool, where each call may be the process's last."""

    fate: Fate | None = None
    refresh: Callable[[], bool] = lambda: False

    def submit(self, ticket: int, events: Sequence[bytes], timeout_s: float) -> None:
        """Post, unless the process dies before."""
        self._call("submit")
        super().submit(ticket, events, timeout_s)
        self.posted.clear()
        self._call("submitted")

    def wait(self, timeout_s: float) -> list[tuple[int, Answer]]:
        """Wait; what has been answered may find nobody."""
        found = super().wait(timeout_s)
        self._call("wait")
        return found

    def refresh_credentials(self) -> bool:
        """Fetch the secret that is valid now."""
        self._call("refresh_credentials")
        return self.refresh()

    def _call(self, name: str) -> None:
        assert self.fate is not None
        self.fate.port_call(name)


@dataclass
class SimulatedDeadLetters(FakeDeadLetters):
    """The fake, writing to the run's one dead-letter queue."""

    fate: Fate | None = None
    queue: QueueModel | None = None

    def send(self, letters: Sequence[Letter], *, deadline_s: float) -> list[str | None]:
        """Send; the process may die between the sending and its confirmation."""
        assert self.fate is not None
        self.fate.port_call("dead_letters.send")
        found = super().send(letters, deadline_s=deadline_s)
        self.fate.port_call("dead_letters.sent")
        return found

    def _take(self, letter: Letter) -> str | None:
        assert self.fate is not None
        assert self.queue is not None
        self.fate.port_call("dead_letters.entry")
        if super()._take(letter) is None or self.fate.strikes("letters refused"):
            self.fate.note("  dead letter refused")
            return None
        found = self.queue.send(letter.body, letter.attributes)
        told = f"{letter.attributes.get('reason')}: {letter.attributes.get('detail')}"
        self.fate.note(f"  dead letter {found}: {told}: {letter.body[:160]}")
        return None if self.fate.strikes("letters unconfirmed") else found


@dataclass
class SimulatedLog(FakeLog):
    """The fake, where rows get lost and the process may die."""

    fate: Fate | None = None

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Write the rows."""
        assert self.fate is not None
        self.fate.port_call("log.write")
        return super().write(entries, deadline_s=deadline_s)

    def _put(self, entry: LogEntry, deadline_s: float) -> bool:
        assert self.fate is not None
        return not self.fate.strikes("rows lost") and super()._put(entry, deadline_s)


@dataclass
class SimulatedSourceQueue:
    """The SourceQueue port over the queue's model."""

    fate: Fate
    queue: QueueModel

    def delay(self, delays: Sequence[tuple[str, int]], *, deadline_s: float) -> int:
        """Hide the records for a while."""
        del deadline_s
        return sum(self._delay(handle, seconds) for handle, seconds in delays)

    def _delay(self, handle: str, seconds: int) -> bool:
        self.fate.port_call("source_queue.delay")
        if self.fate.strikes("delays refused"):
            return False
        try:
            self.queue.change_visibility(handle, seconds)
        except NotInFlight:  # it was handed out again meanwhile
            return False
        return True

    def delete(self, receipt_handles: Sequence[str], *, deadline_s: float) -> int:
        """Delete the records."""
        del deadline_s
        for handle in receipt_handles:
            self.fate.port_call("source_queue.delete")
            self.queue.delete(handle)
        return len(receipt_handles)
