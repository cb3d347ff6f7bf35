"""A container's way to Mixpanel: requests on their way, answers that come back, whoever waits for them.

Answers come late, twice, and when nobody has asked.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tests.fakes import Late
from tests.simulation.process import Process
from tests.simulation.traffic import DIES_ANSWERED, DIES_SENDING
from whyness_events.delivery.ports import Answer

if TYPE_CHECKING:
    from tests.simulation.scheduler import Task

_NETWORK_S = 0.05
_DRIPPING_PART = 0.5
# Each third answer comes once more, when others may be waited for, and nobody asked for it.
_DOUBLED_EVERY = 3
_DOUBLED_AFTER_S = 0.04
_NEVER = float("inf")
_POISON, _LATE_POISON = DIES_SENDING.encode(), DIES_ANSWERED.encode()

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
        self._answers = 0

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
        while not (answered := self._take()) and (left_s := give_up_s - self._process.now_s()) > 0:
            self._waiting = self._process.place.scheduler.running
            self._process.let_pass(left_s)
            self._waiting = None
        return answered

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
        answer = self._respond(body)
        late = answer if isinstance(answer, Late) else Late(answer, 0.02)
        if late.after_s == _NEVER:
            return
        at_s = self._process.now_s() + late.after_s
        # A server that drips keeps a socket's own timeout from ever being over.
        if at_s > until_s and self._process.place.rng.random() > _DRIPPING_PART:
            at_s, late = until_s, Late(Answer(0, error="no answer in time"), 0.0)
        self._at(at_s, lambda: self._come(ticket, body, late.answer))
        self._answers += 1
        if self._answers % _DOUBLED_EVERY == 0:
            # In a process that is frozen it is found when that goes on.
            self._at(at_s + _DOUBLED_AFTER_S, lambda: self._arrived.append((ticket, body, late.answer)))

    def _come(self, ticket: int, body: bytes, answer: Answer) -> None:
        if self._process.is_frozen:
            self._process.at_thaw(lambda: self._come(ticket, body, answer))
            return
        self._arrived.append((ticket, body, answer))
        if self._waiting is not None:
            self._process.place.scheduler.wake(self._waiting)

    def _take(self) -> list[tuple[int, Answer]]:
        answered = [(t, answer) for t, body, answer in self._arrived if self._is_awaited(t, body)]
        self._arrived.clear()
        for ticket, _ in answered:
            if _LATE_POISON in self._busy.pop(ticket, b""):  # an answer may come twice
                self._process.die("poison", "answered")
        return answered

    def _is_awaited(self, ticket: int, body: bytes) -> bool:
        return self._busy.get(ticket) is body
