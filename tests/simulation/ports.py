"""A container's ports to AWS over the models of a run: at each call the process may wait, or die."""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import TypeVar

from tests.simulation.process import Process
from tests.simulation.queue_model import NotInFlight
from whyness_events import limits, sqs_batch
from whyness_events.delivery.ports import DeadLetter, call_s
from whyness_events.log_entry import DeliveredRow, LogEntry, LogKey

_AWS_CALL_S = 0.02

EntryT = TypeVar("EntryT")


class SimulatedDeadLetterQueue:
    """The DeadLetterQueue port over the run's one dead-letter queue."""

    def __init__(self, process: Process, take: Callable[[DeadLetter], str]) -> None:
        self._process, self._take_dead_letter = process, take
        self.confirmed: list[LogKey] = []

    def send(self, dead_letters: Sequence[DeadLetter], *, deadline_s: float) -> list[str | None]:
        """Send; the process may die between the sending and its confirmation."""
        message_ids: list[str | None] = []
        for call in sqs_batch.in_calls(dead_letters, attrgetter("size_bytes")):
            seconds = call_s(deadline_s - self._process.now_s())
            message_ids += self._send_call(call, seconds) if seconds else [None] * len(call)
        return message_ids

    def _send_call(self, dead_letters: Sequence[DeadLetter], seconds: float) -> list[str | None]:
        self._process.port_call("dead_letters.send", _AWS_CALL_S)
        if self._process.strikes("dead letters throttled"):
            self._process.let_pass(seconds)
            return [None] * len(dead_letters)
        message_ids = [self._take(dead_letter) for dead_letter in dead_letters]
        self._process.port_call("dead_letters.sent", _AWS_CALL_S)
        return message_ids

    def _take(self, dead_letter: DeadLetter) -> str | None:
        if self._process.strikes("dead letters refused"):
            self._process.place.note("  dead letter refused")
            return None
        message_id = self._take_dead_letter(dead_letter)
        if self._process.strikes("dead letters unconfirmed"):
            return None
        self.confirmed.append(dead_letter.key)
        return message_id


class SimulatedLog:
    """The Log port over the run's one table."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Write the rows."""
        is_up = self._call("log.write", deadline_s)
        return [self._put(entry, deadline_s) if is_up else self._lose(entry.key) for entry in entries]

    def mark_delivered(self, rows: Sequence[DeliveredRow], *, now_ms: int, deadline_s: float) -> int:
        """Set rows to delivered; return how many of the updates were lost."""
        del now_ms
        is_up = self._call("log.mark_delivered", deadline_s)
        return sum(not (self._mark(row) if is_up else self._lose(row.row)) for row in rows)

    def _call(self, name: str, deadline_s: float) -> bool:
        """Tell whether the table takes calls."""
        self._process.port_call(name, _AWS_CALL_S)
        if self._process.strikes("rows throttled"):
            self._process.let_pass(call_s(deadline_s - self._process.now_s()))
            return False
        return True

    def _put(self, entry: LogEntry, deadline_s: float) -> bool:
        if self._process.strikes("rows lost") or self._process.now_s() >= deadline_s:
            return self._lose(entry.key)
        self._process.place.log.put(entry)
        return True

    def _mark(self, row: DeliveredRow) -> bool:
        if self._process.strikes("rows lost"):
            return self._lose(row.row)
        self._process.place.log.mark_delivered([row])
        return True

    def _lose(self, key: LogKey) -> bool:
        self._process.place.log.doubtful.add(key)
        return False


class SimulatedSourceQueue:
    """The SourceQueue port over the queue's model."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def delay(self, delays: Sequence[tuple[str, int]], *, deadline_s: float) -> int:
        """Hide the records for a while."""
        calls = self._calls("delay", delays, deadline_s)
        return sum(self._delay(handle, seconds) for call in calls for handle, seconds in call)

    def delete(self, receipt_handles: Sequence[str], *, deadline_s: float) -> int:
        """Delete the records."""
        calls = self._calls("delete", receipt_handles, deadline_s)
        return sum(self._delete(handle) for call in calls for handle in call)

    def _calls(self, name: str, entries: Sequence[EntryT], deadline_s: float) -> Iterator[Sequence[EntryT]]:
        """Yield what each call carries, when it is its turn."""
        for start in range(0, len(entries), limits.BATCH_ENTRIES):
            if self._process.now_s() >= deadline_s:
                return
            self._process.port_call(f"source_queue.{name}", _AWS_CALL_S)
            yield entries[start : start + limits.BATCH_ENTRIES]
            self._process.port_call(f"source_queue.{name} done", _AWS_CALL_S)

    def _delay(self, handle: str, seconds: int) -> bool:
        if self._process.strikes("delays refused"):
            return False
        try:
            self._process.place.queue.change_visibility(handle, seconds)
        except NotInFlight:  # it was handed out again meanwhile
            return False
        return True

    def _delete(self, handle: str) -> bool:
        if self._process.strikes("deletes refused"):
            return False
        self._process.place.queue.delete(handle)
        return True
