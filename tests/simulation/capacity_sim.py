"""Pollers, concurrency, hidden messages and Mixpanel's limit in virtual time, message by message.

It shares with the model (whyness_ops.capacity) the time that an invocation takes, and nothing of lag and
drain: here messages arrive, are batched, refused, hidden for the handler's pauses, and come again. The
handler's own code is not run: at these rates its CPU would be that of the production.
"""

import heapq
import itertools
import math
import random
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from whyness_ops.capacity.load import (
    IN_FLIGHT,
    MIXPANEL_BYTES_PER_MIN,
    MIXPANEL_EVENTS_PER_S,
    SENDER_THREADS,
    WINDOW_S,
    Load,
)

_ARRIVE_S = 1.0
_MINUTE_S = 60.0
_BACKOFF_S = 2.0
_PAUSES_S = 15.0  # that an invocation spends asleep for refused requests


@dataclass(slots=True)
class Message:
    """One message: when it came, and how often it was received."""

    sent_s: float
    receives: int = 0


@dataclass(slots=True)
class Limiter:
    """Mixpanel's rolling minute."""

    per_minute: float
    _taken: deque[tuple[float, float]] = field(default_factory=deque)
    _sum: float = 0.0

    def take(self, now_s: float, events: float) -> bool:
        """Return whether so many events are within the limit now; count them if so."""
        while self._taken and self._taken[0][0] <= now_s - _MINUTE_S:
            self._sum -= self._taken.popleft()[1]
        if self._sum + events > self.per_minute:
            return False
        self._taken.append((now_s, events))
        self._sum += events
        return True


class CapacitySim:
    """One queue, one stack, one project.

    Args:
        load: as for the model.
        rate: events per second at a time.
        is_down: whether Mixpanel answers nothing at a time.
        seed: of the jitter.
    """

    def __init__(
        self, load: Load, rate: Callable[[float], float], is_down: Callable[[float], bool], seed: int = 1
    ) -> None:
        per_minute = min(MIXPANEL_EVENTS_PER_S * 60, MIXPANEL_BYTES_PER_MIN / load.mixpanel_bytes)
        self.load, self.rate, self.is_down = load, rate, is_down
        self.rng = random.Random(seed)  # noqa: S311  (jitter)
        self.now_s = 0.0
        self.lags: list[tuple[float, float]] = []  # sent when, and delivered how late
        self.waiting = 0
        self.of_outage = 0  # of these, sent while nothing was answered
        self._limiter = Limiter(per_minute)
        self._visible: deque[Message] = deque()
        self._in_flight = 0
        self._free = load.concurrency
        self._collecting = False
        self._owed = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._at(0.0, self._arrive)

    def run(self, until_s: float) -> None:
        """Run until then."""
        while self._due and self._due[0][0] <= until_s:
            self.now_s, _, action = heapq.heappop(self._due)
            action()

    def _at(self, at_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), action))

    def _arrive(self) -> None:
        self._owed += self.rate(self.now_s) * _ARRIVE_S / self.load.packed
        count, self._owed = int(self._owed), self._owed % 1
        self._visible.extend(Message(self.now_s) for _ in range(count))
        self.waiting += count
        self.of_outage += count * self.is_down(self.now_s)
        self._at(self.now_s + _ARRIVE_S, self._arrive)
        self._look()

    def _look(self) -> None:
        """Invoke for each full batch; let one begin to fill where there is less."""
        while self._free and len(self._visible) >= self.load.full_messages and self._room():
            self._invoke()
        if self._free and self._visible and self._room() and not self._collecting:
            self._collecting = True
            self._at(self.now_s + WINDOW_S, self._window_over)

    def _room(self) -> int:
        return IN_FLIGHT - self._in_flight

    def _window_over(self) -> None:
        self._collecting = False
        if self._free and self._visible and self._room():
            self._invoke()
        self._look()

    def _invoke(self) -> None:
        count = min(self.load.full_messages, len(self._visible), self._room())
        batch = [self._visible.popleft() for _ in range(count)]
        for message in batch:
            message.receives += 1
        self._in_flight += count
        self._free -= 1
        events = count * self.load.packed
        cpu_s = events * self.load.cpu_s_per_event / self.load.cpu_part
        requests = self.load.requests(events)
        parts = [batch[number::requests] for number in range(requests)]
        run = _Run(parts, open_threads=min(SENDER_THREADS, requests))
        for _ in range(run.open_threads):
            self._at(self.now_s + cpu_s, lambda: self._post_next(run))

    def _post_next(self, run: "_Run") -> None:
        if run.parts:
            self._post(run, run.parts.pop(), 1)
            return
        run.open_threads -= 1
        if run.open_threads == 0:
            self._free += 1
            self._look()

    def _post(self, run: "_Run", part: list[Message], tries: int) -> None:
        is_taken = not self.is_down(self.now_s) and self._limiter.take(
            self.now_s, len(part) * self.load.packed
        )
        self._at(self.now_s + self.load.answer_ms / 1000, lambda: self._answered(run, part, tries, is_taken))

    def _answered(self, run: "_Run", part: list[Message], tries: int, is_taken: bool) -> None:  # noqa: FBT001  (an answer)
        if is_taken:
            self.lags += [(message.sent_s, self.now_s - message.sent_s) for message in part]
            self.waiting -= len(part)
            self.of_outage -= sum(self.is_down(message.sent_s) for message in part)
            self._in_flight -= len(part)
            self._post_next(run)
            return
        pause_s = min(60.0, _BACKOFF_S * 2 ** (tries - 1)) + self.rng.uniform(1, 5)
        until_s = max(run.asleep_until_s, self.now_s + pause_s)
        added_s = until_s - max(run.asleep_until_s, self.now_s)
        if run.slept_s + added_s <= _PAUSES_S:
            run.slept_s, run.asleep_until_s = run.slept_s + added_s, until_s
            self._at(self.now_s + pause_s, lambda: self._post(run, part, tries + 1))
            return
        for message in part:
            self._hide(message)
        self._post_next(run)

    def _hide(self, message: Message) -> None:
        pause_s = min(900.0, 15.0 * 2.0 ** (message.receives - 1)) * self.rng.uniform(0.8, 1.2)
        self._at(self.now_s + pause_s, lambda: self._show(message))

    def _show(self, message: Message) -> None:
        self._in_flight -= 1
        self._visible.append(message)
        self._look()


@dataclass(slots=True)
class _Run:
    """One invocation: what is left to post."""

    parts: list[list[Message]]
    open_threads: int
    slept_s: float = 0.0
    asleep_until_s: float = 0.0


def simulated_drain_s(load: Load, until_s: float = 86_400.0) -> float:
    """Return how long after an outage in the busy hours none of its events waits, nor a backlog."""
    outage_s = load.outage_hours * 3_600
    sim = CapacitySim(load, lambda s: busy_then_rest(load, s), lambda s: s < outage_s)
    sim.run(outage_s)
    while sim.now_s < until_s:
        sim.run(sim.now_s + 10.0)
        usual = 2 * (WINDOW_S + load.duration_s(load.full_events)) * busy_then_rest(load, sim.now_s)
        if sim.of_outage == 0 and sim.waiting * load.packed <= usual:
            return sim.now_s - outage_s
    return math.inf


def simulated_lag_s(load: Load) -> float:
    """Return how late the events of the busy hours' last minute are, by their median."""
    sim = CapacitySim(load, lambda s: busy_then_rest(load, s), lambda _: False)
    sim.run(load.peak_s)
    while sim.waiting * load.packed > load.mean_per_s * _MINUTE_S:
        sim.run(sim.now_s + _MINUTE_S)
    return statistics.median(lag for sent_s, lag in sim.lags if 0 <= load.peak_s - sent_s < _MINUTE_S)


def busy_then_rest(load: Load, at_s: float) -> float:
    """Return the events per second at a time: the busy hours first."""
    return load.peak_per_s if at_s % 86_400 < load.peak_s else load.rest_per_s
