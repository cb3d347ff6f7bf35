"""How Lambda reads the queue in a run: batches, throttled invokes, invocations side by side, deletions."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from tests.simulation.container import Container, Home, Invocation
from tests.simulation.ledger import Ledger, is_newer
from tests.simulation.queue_model import MOST_PER_RECEIVE, Received, settle
from tests.simulation.result import Result
from tests.simulation.scenario import Scenario
from whyness_events.delivery.invocation_report import Report
from whyness_events.delivery.settling.exhaust import RECEIVES_TO_SPARE

NO_ANSWER = "no answer"  # the outcome of an invocation that died, or was throttled
NO_FAULT = "no fault"
WINDOW_S = 5.0
_ANSWERED_S = 0.5
_NEVER = float("inf")
_TWICE_PART = 0.3  # of the window's part


class Region(Home, Protocol):
    """What the mapping finds where it runs."""

    ledger: Ledger

    def passed_s(self) -> float:
        """Return seconds since the start."""

    def violate(self, text: str) -> None:
        """Write down a broken promise."""

    def ended(self, container: Container, batch: Sequence[Received], report: Report | None) -> None:
        """Hear of an invocation when it has run."""


class EventSource:
    """The event source mapping and the function's containers.

    Args:
        place: the run.
        scenario: its settings.
        result: where what happens is counted.
    """

    def __init__(self, place: Region, scenario: Scenario, result: Result) -> None:
        self._place, self._scenario, self._result = place, scenario, result
        self._warm: list[Container | None] = [None] * scenario.slots
        self._free = list(range(scenario.slots))
        self._look_s = _NEVER
        self._met: defaultdict[str, set[str]] = defaultdict(set)
        self._held: defaultdict[str, int] = defaultdict(int)
        self.unanswered: defaultdict[str, int] = defaultdict(int)

    def look_again(self, at_s: float) -> None:
        """See to it that the queue is read at `at_s`."""
        now_s = self._place.scheduler.now_s
        if at_s < self._look_s or self._look_s <= now_s:
            self._look_s = max(at_s, now_s + 0.1)
            if at_s < _NEVER:
                self._place.scheduler.at(self._look_s, self._dispatch)

    def meets(self, message_id: str, kind: str) -> None:
        """Remember what a message has met."""
        self._met[message_id].add(kind)

    def _dispatch(self) -> None:
        """Give what is visible to the free slots; look again when more can be there."""
        while self._free and (batch := self._receive()):
            self._note_twice(batch)
            if self._place.trouble.strikes("throttled invoke"):
                self._place.note(f"throttled: {len(batch)} messages wait for their visibility")
                self._count(batch, None, {"throttled invoke"})
                self._let_go(batch)
            else:
                self._invoke(self._free.pop(), batch)
        if self._free:
            self.look_again(self._place.queue.next_visible_s())

    def _receive(self) -> list[Received]:
        window = self._place.trouble.open("delivered twice")
        queue = self._place.queue
        queue.twice_part, queue.twice_window = (window.part * _TWICE_PART if window else 0.0), window
        batch: list[Received] = []
        while len(batch) < self._scenario.batch_size:
            messages = queue.receive(min(MOST_PER_RECEIVE, self._scenario.batch_size - len(batch)))
            if not messages:
                break
            batch += messages
        return batch

    def _note_twice(self, batch: Sequence[Received]) -> None:
        for message in batch:
            self._held[message.message_id] += 1
            if self._held[message.message_id] > 1:
                self.meets(message.message_id, "delivered twice")
                self._place.ledger.doubt.came_twice(self._place.ledger.keys(message.body))

    def _invoke(self, slot: int, batch: Sequence[Received]) -> None:
        container = self._container(slot)
        self._result.invocations += 1
        number = self._result.invocations
        ids = ", ".join(f"{m.message_id} (receive {m.receive_count})" for m in batch)
        self._place.note(f"invocation {number} in slot {slot}: {ids}")
        self._place.scheduler.start(lambda: self._run(number, slot, container, batch))

    def _run(self, number: int, slot: int, container: Container, batch: Sequence[Received]) -> None:
        done = container.invoke(batch, f"run-{number}")
        if done.bug:
            self._place.violate(f"invocation {number}: {done.bug}")
        if done.result.fault is not None:
            self._warm[slot] = None
        self._count(batch, done.report, self._struck(container, batch))
        self._place.ended(container, batch, done.report)
        scheduler = self._place.scheduler
        answered_s = scheduler.now_s + self._place.rng.random() * _ANSWERED_S
        scheduler.at(answered_s, lambda: self._settle(number, slot, batch, done))

    def _container(self, slot: int) -> Container:
        """Return the slot's warm container, or a new one where it died or another version is deployed."""
        passed_s = self._place.passed_s()
        version = self._scenario.version(self._place.trouble, passed_s)
        container = self._warm[slot]
        if container is None or container.version != version:
            container = Container(self._place, version, self._scenario.max_receive_count)
            self._warm[slot] = container
        return container

    def _struck(self, container: Container, batch: Sequence[Received]) -> set[str]:
        struck = set(container.process.struck)
        if self._place.trouble.open("newer reader") and container.version.reads_newer:
            struck.add("newer reader")
        if self._place.trouble.open("changed default"):
            struck.add("changed default")
        if not container.version.reads_newer and any(is_newer(m.body) for m in batch):
            struck.add("newer message")
        return struck

    def _count(self, batch: Sequence[Received], report: Report | None, struck: set[str]) -> None:
        """Count what came of the invocation together with every fault that its messages have met so far."""
        for message in batch:
            self._met[message.message_id] |= struck
            self._count_last(message, report, struck)
        met = set().union(*(self._met[message.message_id] for message in batch))
        for outcome in [NO_ANSWER] if report is None else [str(reason) for reason in report.outcomes]:
            for fault in met or {NO_FAULT}:
                self._result.pairs[outcome, fault] += 1

    def _count_last(self, message: Received, report: Report | None, struck: set[str]) -> None:
        """Count the last receives with which the function could not give a record up."""
        died = report is None and "poison" not in struck  # before what kills is touched, it gives up
        could_not = died or (report is not None and report.settled.dead_letters_refused > 0)
        is_last = message.receive_count >= self._scenario.max_receive_count - RECEIVES_TO_SPARE
        self.unanswered[message.message_id] += could_not and is_last

    def _settle(self, number: int, slot: int, batch: Sequence[Received], done: Invocation) -> None:
        deleted = settle(self._place.queue, batch, done.result, is_refused=self._is_refused)
        kept = len(batch) - len(deleted)
        told = done.result.fault or _told(done.report)
        self._place.note(f"invocation {number} over: {told}; {kept} messages stay")
        self._let_go(batch)
        self._free.append(slot)
        self.look_again(self._place.scheduler.now_s)

    def _is_refused(self, message: Received) -> bool:
        """Draw whether Lambda's own deletion fails: then the message comes again, settled as it is."""
        if not self._place.trouble.strikes("deletes refused"):
            return False
        self.meets(message.message_id, "deletes refused")
        self._place.ledger.doubt.came_twice(self._place.ledger.keys(message.body))
        return True

    def _let_go(self, batch: Sequence[Received]) -> None:
        for message in batch:
            self._held[message.message_id] -= 1


def _told(report: Report | None) -> str:
    outcomes = report.outcomes.items() if report else ()
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes)
