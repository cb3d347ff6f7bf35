"""One run: seeded, in virtual time, in one thread; every invariant is checked by counting events.

An invocation runs as a plain call on its container's own clock, and what it means for the queue happens when
that clock says; so several overlap. Faults are windows of time, and so the same for all of them.
"""

import heapq
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.invocation import InvocationResult
from tests.builders import NOW_MS
from tests.fakes import Late, Posted
from tests.simulation.container import Container, MakeContainer
from tests.simulation.mixpanel import OTHER_PROJECT, PROJECT, SimulatedMixpanel
from tests.simulation.ports import Killed
from tests.simulation.queue_model import QueueModel, Received, settle
from tests.simulation.traffic import DAY_S, Expected, Publication, canonical, make_traffic
from tests.simulation.trouble import Window, make_trouble
from whyness_events import UnreadableMessage, decode_message
from whyness_events.delivery.exhaust import EXHAUST_AFTER_S, Patience
from whyness_events.delivery.outcomes import Reason
from whyness_events.delivery.packing import REQUEST_BYTES
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.report import Report

START_S = NOW_MS / 1000
NO_ANSWER = "no answer"  # the outcome of an invocation that died, or was throttled
NO_FAULT = "no fault"
VISIBILITY_S = 725.0
_WINDOW_S = 5.0
_STALL_S = 300.0
_IMPATIENT_PART = 0.1
# Nothing of a day's trouble outlasts this much calm.
_CALM_S = DAY_S


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that a seed decides.

    Args:
        seed: where it came from.
        draws: seeds what is drawn on the way.
        days: of traffic and trouble.
        publications: by time.
        windows: of trouble.
        slots: how many invocations at once.
        request_bytes: what a new container begins with; a small one makes many requests of few events.
        batch_size: messages of an invocation.
        unknown_project_status: Mixpanel's answer to a wrong project id.
        exhaust_after_s: the function's setting: waiting this long, an event is dead-lettered.
    """

    seed: int
    draws: int
    days: float
    publications: Sequence[Publication]
    windows: Sequence[Window]
    slots: int
    request_bytes: int
    batch_size: int
    unknown_project_status: int
    exhaust_after_s: float


def make_scenario(seed: int, days: float) -> Scenario:
    """Return the scenario of a seed."""
    rng = random.Random(f"{seed}/{days}")  # noqa: S311  (a script)
    publications = make_traffic(rng, days)
    return Scenario(
        seed,
        seed,
        days,
        publications,
        make_trouble(rng, days, [publication.at_s for publication in publications]),
        slots=rng.randint(1, 4),
        request_bytes=rng.choice([REQUEST_BYTES, REQUEST_BYTES, 6_000, 1_500]),
        batch_size=rng.choice([10, 30, 100]),
        unknown_project_status=rng.choice([400, 401]),
        exhaust_after_s=1_800.0 if rng.random() < _IMPATIENT_PART else EXHAUST_AFTER_S,
    )


@dataclass
class Result:
    """What a run found: broken promises, what happened together, and what happened at all."""

    seed: int
    violations: list[str] = field(default_factory=list)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    history: list[str] = field(default_factory=list)
    invocations: int = 0
    events: int = 0


class Simulation:
    """Runs a scenario once.

    Args:
        scenario: of a seed.
        make_container: of the code under test.
    """

    def __init__(self, scenario: Scenario, make_container: MakeContainer = Container) -> None:
        self.scenario = scenario
        self.result = Result(scenario.seed, events=sum(len(p.events) for p in scenario.publications))
        self._make_container = make_container
        self._rng = random.Random(scenario.draws)  # noqa: S311  (a script)
        self._now_s = START_S
        self._actions: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._running: Container | None = None
        self._warm: list[Container | None] = [None] * scenario.slots
        self._struck: set[str] = set()
        self._free = list(range(scenario.slots))
        self._look_s = float("inf")
        self.dead_letters = QueueModel("dead", self._time, self._rng)
        self.queue = QueueModel(
            "message",
            self._time,
            self._rng,
            visibility_s=VISIBILITY_S,
            dead_letters=self.dead_letters,
        )
        self.mixpanel = SimulatedMixpanel(
            self._time,
            START_S,
            scenario.windows,
            unknown_project_status=scenario.unknown_project_status,
            seed=scenario.draws,
        )
        self._contents: dict[str, Sequence[Expected]] = {}
        self._dead: Counter[str] = Counter()
        self._letters_seen = 0
        self._blamable: set[str] = set()
        self._met: defaultdict[str, set[str]] = defaultdict(set)

    def run(self) -> Result:
        """Run to the end, and check."""
        for publication in self.scenario.publications:
            self._at(START_S + publication.at_s, lambda p=publication: self._publish(p))  # type: ignore[misc]  # a default binds the loop's value
        end_s = START_S + self.scenario.days * DAY_S + _CALM_S
        while self._actions and self._actions[0][0] < end_s:
            self._now_s, _, action = heapq.heappop(self._actions)
            action()
        self._check()
        return self.result

    # --- what the ports ask (Place)

    def password(self) -> str:
        """Return the secret: put right when a window of wrong credentials ends."""
        ends = [w.from_s + w.for_s for w in self.scenario.windows if w.kind == "401"]
        return f"secret-{sum(end_s <= self._passed_s() for end_s in ends)}"

    def port_call(self, name: str) -> None:
        """Stall or kill the process where its time or its luck is over."""
        container = self._running
        assert container is not None
        if self.strikes("stall", rarely=True):
            self.note(f"  stalls at {name}")
            container.clock.sleep(_STALL_S)
        if container.clock.monotonic_s() >= container.kill_at_s:
            self.note(f"  time is over at {name}")
            raise Killed
        if self.strikes("kill", rarely=True):
            self.note(f"  killed at {name}")
            raise Killed

    def strikes(self, kind: str, *, rarely: bool = False) -> bool:
        """Draw whether a fault of this kind strikes now; `rarely` for what is asked at every call."""
        passed_s = self._passed_s()
        for window in self.scenario.windows:
            if window.kind == kind and window.is_open(passed_s):
                part = window.part / 10 if rarely else window.part
                if self._rng.random() < part:
                    self._struck.add(kind)
                    return True
        return False

    def note(self, text: str) -> None:
        """Write a line of the history."""
        at = datetime.fromtimestamp(self._time(), UTC)
        self.result.history.append(f"{at:%d %H:%M:%S} {text}")

    # --- what happens

    def _time(self) -> float:
        return self._running.clock.now_s() if self._running else self._now_s

    def _passed_s(self) -> float:
        return self._time() - START_S

    def _at(self, at_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._actions, (at_s, next(self._order), action))

    def _publish(self, publication: Publication) -> None:
        message_id = self.queue.send(publication.body)
        self._contents[message_id] = publication.events
        self.note(f"publish {message_id}: {len(publication.events)} events: {publication.body[:120]}")
        self._look_again(self._now_s + self._rng.random() * _WINDOW_S)

    def _dispatch(self) -> None:
        """Give what is visible to the free slots; look again when more can be there."""
        while self._free and (batch := self._receive()):
            self._struck = {"delivered twice"} if self.queue.twice_part else set()
            if self.strikes("throttled invoke"):
                self._count(batch, None)
                self.note(f"throttled: {len(batch)} messages wait for their visibility")
            else:
                self._invoke(self._free.pop(), batch)
        if self._free:
            self._look_again(self.queue.next_visible_s())

    def _look_again(self, at_s: float) -> None:
        if at_s < self._look_s or self._look_s <= self._now_s:
            self._look_s = max(at_s, self._now_s + 0.1)
            if at_s < float("inf"):
                self._at(self._look_s, self._dispatch)

    def _receive(self) -> list[Received]:
        open_parts = [
            w.part / 10
            for w in self.scenario.windows
            if w.kind == "delivered twice" and w.is_open(self._passed_s())
        ]
        self.queue.twice_part = max(open_parts, default=0.0)
        batch: list[Received] = []
        while len(batch) < self.scenario.batch_size:
            found = self.queue.receive(min(10, self.scenario.batch_size - len(batch)))
            if not found:
                break
            batch += found
        return batch

    def _invoke(self, slot: int, batch: Sequence[Received]) -> None:
        container = self._container(slot)
        container.clock.passed_s = self._now_s - START_S
        self.result.invocations += 1
        number = self.result.invocations
        ids = ", ".join(f"{m.message_id} (receive {m.receive_count})" for m in batch)
        self.note(f"invocation {number} in slot {slot}: {ids}")
        self._running = container
        done = container.invoke(batch, f"run-{number}")
        self._running = None
        done_s = START_S + container.clock.passed_s
        if done.result.fault is not None:
            self._warm[slot] = None
        if done.bug:
            self._violate(f"invocation {number}: {done.bug}")
        self._count(batch, done.report)
        self._read_letters(self._now_s - START_S, container.clock.passed_s)
        self._at(done_s, lambda: self._settle(number, slot, batch, done.result))

    def _container(self, slot: int) -> Container:
        """Return the slot's warm container, or a new one where it died or another version is deployed."""
        wrong = any(w.kind == "wrong project" and w.is_open(self._passed_s()) for w in self.scenario.windows)
        project_id = OTHER_PROJECT if wrong else PROJECT
        found = self._warm[slot]
        if found is None or found.project_id != project_id:
            found = self._make_container(self, project_id, self._rng, self._respond)
            found.deliverer.learned.size.limit_bytes = self.scenario.request_bytes
            found.deliverer.patience = Patience(self.scenario.exhaust_after_s)
            self._warm[slot] = found
        return found

    def _respond(self, posted: Posted) -> Answer | Late:
        container = self._running
        assert container is not None
        answer, fault = self.mixpanel.post(
            posted, project_id=container.project_id, password=container.password
        )
        plain = answer.answer if isinstance(answer, Late) else answer
        if not fault and container.project_id != PROJECT:
            fault = "wrong project"
        elif not fault and plain.status == 401:
            fault = "401"
        if fault:
            self._struck.add(fault)
        self.note(f"  post {len(posted.events)} events: {plain.status} {plain.error} {fault}")
        return answer

    def _count(self, batch: Sequence[Received], report: Report | None) -> None:
        """Count what came of the invocation together with every fault that its messages have met so far."""
        for message in batch:
            self._met[message.message_id] |= self._struck
        met = set().union(*(self._met[message.message_id] for message in batch))
        for outcome in [NO_ANSWER] if report is None else [str(found) for found in report.outcomes]:
            for fault in met or {NO_FAULT}:
                self.result.pairs[outcome, fault] += 1

    def _settle(self, number: int, slot: int, batch: Sequence[Received], result: InvocationResult) -> None:
        deleted = settle(self.queue, batch, result)
        kept = len(batch) - len(deleted)
        self.note(f"invocation {number} over: {result.fault or 'answered'}; {kept} messages stay")
        self._free.append(slot)
        self._look_again(self._now_s)
        counted = set(self.mixpanel.counted)
        for message in deleted:
            for event in self._contents[message.message_id]:
                if event.fields not in counted and not self._dead[event.key]:
                    self._violate(f"{message.message_id} was acknowledged, and lost {event.key[:200]}")

    def _read_letters(self, from_s: float, to_s: float) -> None:
        """Look at the dead letters that are new, written between these seconds since the start."""
        blames = any(w.kind in self._struck and w.may_blame(from_s, to_s) for w in self.scenario.windows)
        letters = self.dead_letters.contents()
        for body, attributes in letters[self._letters_seen :]:
            is_exhausted = attributes.get("reason") == Reason.EXHAUSTED
            for key in _keys(body):
                self._dead[key] += 1
                if blames or (is_exhausted and self._has_waited(key, to_s)):
                    self._blamable.add(key)
        self._letters_seen = len(letters)

    def _has_waited(self, key: str, at_s: float) -> bool:
        since_s = at_s - self.scenario.exhaust_after_s
        sent = (p for p in self.scenario.publications if p.at_s <= since_s)
        return any(event.key == key for publication in sent for event in publication.events)

    # --- what must be true

    def _violate(self, text: str) -> None:
        self.note(f"VIOLATION: {text}")
        self.result.violations.append(text)

    def _check(self) -> None:
        expected = {event.key: event for p in self.scenario.publications for event in p.events}
        good = {event.fields for event in expected.values() if event.fields}
        counted = Counter(self.mixpanel.counted)
        for fields in [f for f, count in counted.items() if f not in good or count > 1]:
            self._violate(f"counted twice, or by other fields than the message's: {fields}")
        for event in expected.values():
            self._check_event(event, is_counted=event.fields in counted)
        for key in self._dead:
            if key not in expected:
                self._violate(f"a dead letter that nobody published: {key[:200]}")
        if self.queue.forgotten_count or self.queue.moved_count:
            self._violate("the queue gave messages up by itself")
        if len(self.queue):
            self._violate(f"{len(self.queue)} messages are still in the queue after a day of calm")

    def _check_event(self, event: Expected, *, is_counted: bool) -> None:
        is_dead = self._dead[event.key] > 0
        if not is_counted and not is_dead:
            self._violate(f"in neither place: {event.key[:200]}")
        if event.fields and is_dead and event.key not in self._blamable:
            self._violate(f"dead-lettered, and nothing is wrong with it: {event.key[:200]}")


def _keys(body: str) -> list[str]:
    try:
        return [canonical(raw) for raw in decode_message(body).raw_events]
    except UnreadableMessage:
        return [body]
