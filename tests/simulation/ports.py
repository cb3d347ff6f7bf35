"""A container's ports over the models of a run: at each call the others may run, and the process may die."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from tests.fakes import Late
from tests.simulation.process import Process
from tests.simulation.queue_model import NotInFlight
from tests.simulation.traffic import DIES_SENDING
from whyness_events import limits
from whyness_events.delivery.letters import Letter, pack_entries
from whyness_events.delivery.ports import LONGEST_CALL_S, Answer
from whyness_events.log_entry import LogEntry, LogKey

if TYPE_CHECKING:
    from tests.simulation.scheduler import Task

_NETWORK_S = 0.05
_DRIPPING_PART = 0.5
_NEVER = float("inf")
_POISON = DIES_SENDING.encode()
_AWS_CALL_S = 0.02

EntryT = TypeVar("EntryT")
Respond = Callable[[bytes], Answer | Late]


class SimulatedPool:
    """The SenderPool port. A request reaches Mixpanel, and its answer comes back, whoever waits for it.

    Args:
        process: that it belongs to.
        respond: Mixpanel.
        refresh: fetches the secret.
    """

    def __init__(self, process: Process, respond: Respond, refresh: Callable[[], bool]) -> None:
        self._process, self._respond, self._refresh = process, respond, refresh
        self._busy: dict[int, bytes] = {}
        self._arrived: list[tuple[int, bytes, Answer]] = []
        self._waiting: Task | None = None

    def submit(self, ticket: int, events: Sequence[bytes], timeout_s: float) -> None:
        """Post."""
        self._process.port_call("submit")
        # A new object each time: by it an answer is known to be of this request.
        body = bytes(bytearray(b"[" + b",".join(events) + b"]"))
        if _POISON in body:
            self._process.die("poison", "sending")
        self._busy[ticket] = body
        late_s = self._process.place.rng.random() * _NETWORK_S
        until_s = self._process.now_s() + timeout_s
        self._at(self._process.now_s() + late_s, lambda: self._post(ticket, body, until_s))
        self._process.port_call("submitted")

    def wait(self, timeout_s: float) -> list[tuple[int, Answer]]:
        """Wait for answers."""
        give_up_s = self._process.now_s() + timeout_s
        self._process.port_call("wait", 0.0)
        while not (found := self._take()) and (left_s := give_up_s - self._process.now_s()) > 0:
            self._waiting = self._process.place.scheduler.running
            self._process.sleep(left_s)
            self._waiting = None
        return found

    def abandon(self, ticket: int) -> None:
        """Cut the connection; the answer may be on its way already."""
        body = self._busy.pop(ticket)
        self._process.place.doubt_answer(body)

    def abandon_all(self) -> None:
        """Cut all connections."""
        for ticket in list(self._busy):
            self.abandon(ticket)

    def refresh_credentials(self) -> bool:
        """Fetch the secret that is valid now."""
        self._process.port_call("refresh_credentials", 0.1)
        return self._refresh()

    def _at(self, at_s: float, action: Callable[[], None]) -> None:
        self._process.place.scheduler.at(at_s, action)

    def _post(self, ticket: int, body: bytes, until_s: float) -> None:
        found = self._respond(body)
        late = found if isinstance(found, Late) else Late(found, 0.02)
        if late.after_s == _NEVER:
            return
        at_s = self._process.now_s() + late.after_s
        # A server that drips keeps a socket's own timeout from ever being over.
        if at_s > until_s and self._process.place.rng.random() > _DRIPPING_PART:
            at_s, late = until_s, Late(Answer(0, error="no answer in time"), 0.0)
        self._at(at_s, lambda: self._come(ticket, body, late.answer))

    def _come(self, ticket: int, body: bytes, answer: Answer) -> None:
        if self._process.is_frozen:
            self._process.at_thaw(lambda: self._come(ticket, body, answer))
            return
        self._arrived.append((ticket, body, answer))
        if self._waiting is not None:
            self._process.place.scheduler.wake(self._waiting)

    def _take(self) -> list[tuple[int, Answer]]:
        found = [(t, answer) for t, body, answer in self._arrived if self._is_awaited(t, body)]
        self._arrived.clear()
        for ticket, _ in found:
            self._busy.pop(ticket, None)
        return found

    def _is_awaited(self, ticket: int, body: bytes) -> bool:
        return self._busy.get(ticket) is body


class SimulatedDeadLetters:
    """The DeadLetters port over the run's one dead-letter queue."""

    def __init__(self, process: Process, take: Callable[[Letter], str]) -> None:
        self._process, self._take_letter = process, take
        self.confirmed: list[LogKey] = []

    def send(self, letters: Sequence[Letter], *, deadline_s: float) -> list[str | None]:
        """Send; the process may die between the sending and its confirmation."""
        found: list[str | None] = []
        for call in pack_entries(letters):
            in_time = self._process.now_s() < deadline_s
            found += self._send_call(call) if in_time else [None] * len(call)
        return found

    def _send_call(self, letters: Sequence[Letter]) -> list[str | None]:
        self._process.port_call("dead_letters.send", _AWS_CALL_S)
        if self._process.strikes("letters throttled"):
            self._process.sleep(LONGEST_CALL_S)
            return [None] * len(letters)
        found = [self._take(letter) for letter in letters]
        self._process.port_call("dead_letters.sent", _AWS_CALL_S)
        return found

    def _take(self, letter: Letter) -> str | None:
        if self._process.strikes("letters refused"):
            self._process.place.note("  dead letter refused")
            return None
        found = self._take_letter(letter)
        if self._process.strikes("letters unconfirmed"):
            return None
        self.confirmed.append(letter.key)
        return found


class SimulatedLog:
    """The Log port over the run's one table."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Write the rows."""
        is_up = self._call("log.write", deadline_s)
        return [self._put(entry, deadline_s) if is_up else self._lose(entry.key) for entry in entries]

    def mark_delivered(self, keys: Sequence[LogKey], *, now_ms: int, deadline_s: float) -> int:
        """Set rows to delivered; return how many of the updates were lost."""
        del now_ms
        is_up = self._call("log.mark_delivered", deadline_s)
        return sum(not (self._mark(key) if is_up else self._lose(key)) for key in keys)

    def _call(self, name: str, deadline_s: float) -> bool:
        """Tell whether the table takes calls."""
        self._process.port_call(name, _AWS_CALL_S)
        if self._process.strikes("rows throttled"):
            self._process.sleep(max(0.0, min(LONGEST_CALL_S, deadline_s - self._process.now_s())))
            return False
        return True

    def _put(self, entry: LogEntry, deadline_s: float) -> bool:
        if self._process.strikes("rows lost") or self._process.now_s() >= deadline_s:
            return self._lose(entry.key)
        self._process.place.log.put(entry)
        return True

    def _mark(self, key: LogKey) -> bool:
        if self._process.strikes("rows lost"):
            return self._lose(key)
        self._process.place.log.mark_delivered([key])
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
