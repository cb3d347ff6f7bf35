"""One virtual clock for all that runs, in one thread: the earliest goes on, a seed decides between equals."""

import heapq
import itertools
import random
from collections.abc import Callable

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]  # it has no types


class Task:
    """Something that runs until it waits, and goes on when the scheduler says so."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.greenlet = greenlet(function)
        self.waits = 0


class Scheduler:
    """Runs actions and tasks in the order of virtual time.

    Args:
        start_s: epoch seconds.
        rng: which of equals goes first.
    """

    def __init__(self, start_s: float, rng: random.Random) -> None:
        self.now_s = start_s
        self.running: Task | None = None
        self._rng = rng
        self._hub = getcurrent()
        self._order = itertools.count()
        self._due: list[tuple[float, float, int, Callable[[], None]]] = []

    def at(self, at_s: float, action: Callable[[], None]) -> None:
        """Have `action` done at `at_s`, or now where that is past."""
        due_s = max(at_s, self.now_s)
        heapq.heappush(self._due, (due_s, self._rng.random(), next(self._order), action))

    def start(self, function: Callable[[], None]) -> None:
        """Run `function` as a task, from now to its first pause."""
        self._go_on(Task(function), 0)

    def pause(self, seconds: float) -> None:
        """Let the others run for so long, or until `wake`. Only in a task."""
        task = self.running
        assert task is not None, "nobody runs that could wait"
        task.waits += 1
        number = task.waits
        self.at(self.now_s + seconds, lambda: self._go_on(task, number))
        self._hub.switch()

    def wake(self, task: Task) -> None:
        """Let a task that waits go on now."""
        number = task.waits
        self.at(self.now_s, lambda: self._go_on(task, number))

    def run(self, until_s: float) -> None:
        """Run all that is due before `until_s`."""
        while self._due and self._due[0][0] < until_s:
            self.now_s, _, _, action = heapq.heappop(self._due)
            action()

    def _go_on(self, task: Task, number: int) -> None:
        if number == task.waits and not task.greenlet.dead:
            self.running = task
            task.greenlet.switch()
            self.running = None
