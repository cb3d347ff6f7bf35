"""The process of a container: one clock for all its ports, and a life that any port call may end."""

import random
from collections.abc import Callable
from typing import NoReturn, Protocol

from tests.simulation.log_model import LogModel
from tests.simulation.queue_model import QueueModel
from tests.simulation.scheduler import Scheduler
from tests.simulation.trouble import Trouble

_STALLS_S = (5.0, 40.0, 300.0)
_NEVER = float("inf")


class Killed(BaseException):
    """The process ends here; a BaseException, for nothing in it may catch that."""


class Place(Protocol):
    """What a process finds where it runs."""

    scheduler: Scheduler
    rng: random.Random
    trouble: Trouble
    queue: QueueModel
    log: LogModel

    def note(self, text: str) -> None:
        """Write a line of the history."""

    def doubt_answer(self, body: bytes) -> None:
        """Hear that nobody waits for the answer to this request any more."""


class Process:
    """The Clock port, and what every other port asks first.

    Args:
        place: the run.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.struck: set[str] = set()
        self.kill_at_s = _NEVER
        self._frozen = False
        self._thawed_s = 0.0
        self._held: list[Callable[[], None]] = []

    def now_s(self) -> float:
        """Return seconds since the epoch."""
        return self.place.scheduler.now_s

    monotonic_s = now_s

    def sleep(self, seconds: float) -> None:
        """Wait, as the code under test asks for it."""
        self.port_call("clock.sleep", 0.0)
        self.let_pass(seconds)

    def let_pass(self, seconds: float) -> None:
        """Wait; the process may not live to see the end."""
        now_s = self.now_s()
        self.place.scheduler.pause(max(0.0, min(now_s + seconds, self.kill_at_s) - now_s))
        if self.now_s() >= self.kill_at_s:
            self.place.note("  time is over")
            raise Killed

    @property
    def is_frozen(self) -> bool:
        """Whether nothing moves in it, threads included."""
        return self._frozen or self.now_s() < self._thawed_s

    def freeze(self) -> None:
        """Stand still until the next invocation."""
        self._frozen = True

    def thaw(self) -> None:
        """Go on; what came meanwhile is found a little later."""
        self._frozen = False
        held, self._held = self._held, []
        for action in held:
            self.place.scheduler.at(self.now_s() + self.place.rng.random(), action)

    def at_thaw(self, action: Callable[[], None]) -> None:
        """Have `action` done when it moves again."""
        if self._frozen:
            self._held.append(action)
        else:
            self.place.scheduler.at(self._thawed_s + self.place.rng.random() * 0.1, action)

    def die(self, kind: str, when: str) -> NoReturn:
        """End it."""
        self.struck.add(kind)
        self.place.note(f"  {kind} kills it when {when}")
        raise Killed

    def port_call(self, name: str, takes_s: float = 0.001) -> None:
        """Let the others run meanwhile; stall, or die."""
        if self.strikes("stall", rarely=True):
            self.place.note(f"  stalls at {name}")
            stall_s = self.place.rng.choice(_STALLS_S)
            self._thawed_s = self.now_s() + stall_s
            self.let_pass(stall_s)
        self.let_pass(takes_s * (1 + self.place.rng.random()))
        if self.strikes("kill", rarely=True):
            self.place.note(f"  killed at {name}")
            raise Killed

    def strikes(self, kind: str, *, rarely: bool = False) -> bool:
        """Draw whether a fault of this kind strikes now; `rarely` for what is asked at every call."""
        if self.place.trouble.strikes(kind, rarely=rarely):
            self.struck.add(kind)
            return True
        return False
