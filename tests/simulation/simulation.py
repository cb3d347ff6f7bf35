"""One run: seeded, in virtual time, in one thread; every invariant is checked by counting events.

Whatever runs (invocations side by side, requests on their way, people at work) waits at each of its port
calls, and the scheduler says who goes on. Faults are windows of time, and so the same for all of them.
"""

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.builders import NOW_MS
from tests.fakes import Late
from tests.simulation.bounds import Bounds
from tests.simulation.checks import problems
from tests.simulation.container import Container
from tests.simulation.dead_letter_checks import DeadLetterChecks
from tests.simulation.event_source import WINDOW_S, EventSource
from tests.simulation.ledger import Ledger, Watch, is_newer
from tests.simulation.log_model import LogModel
from tests.simulation.mixpanel import PROJECT, SimulatedMixpanel
from tests.simulation.operator import Operator
from tests.simulation.queue_model import QueueModel, Received
from tests.simulation.result import Result
from tests.simulation.scenario import Scenario
from tests.simulation.scheduler import Scheduler
from tests.simulation.traffic import DAY_S, Publication
from tests.simulation.trouble import REDRIVES, Trouble
from whyness_events.dead_letter import DeadLetterAttributes
from whyness_events.delivery.invocation_report import Report
from whyness_events.delivery.ports import Answer, DeadLetter
from whyness_events.outcomes import Reason

if TYPE_CHECKING:
    from whyness_events.log_entry import LogKey

START_S = NOW_MS / 1000
VISIBILITY_S = 725.0
# Nothing of a day's trouble outlasts this much calm: a poison that was redriven comes 40 times more.
_CALM_S = 3 * DAY_S
_INSERT_ID = re.compile(rb'"\$insert_id":"([^"]+)"')


class Simulation:
    """Runs a scenario once.

    Args:
        scenario: of a seed.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.result = Result(scenario.seed, events=sum(len(p.events) for p in scenario.publications))
        self.rng = random.Random(scenario.draws)  # noqa: S311  (a script)
        self.scheduler = Scheduler(START_S, self.rng)
        self.trouble = Trouble(scenario.windows, self.passed_s, self.rng)
        self.log = LogModel()
        self.mixpanel = SimulatedMixpanel(
            self.now_s,
            START_S,
            scenario.windows,
            unknown_project_status=scenario.unknown_project_status,
            seed=scenario.draws,
        )
        self.ledger = Ledger(self.mixpanel.counts, self.violate)
        bounds = Bounds(self, START_S)
        watch = Watch(self.ledger, "dead", arrived=bounds.moved)
        self.dead_letters = QueueModel("dead", self.now_s, self.rng, watcher=watch)
        self.queue = QueueModel(
            "message",
            self.now_s,
            self.rng,
            visibility_s=VISIBILITY_S,
            max_receive_count=scenario.max_receive_count,
            dead_letters=self.dead_letters,
            watcher=Watch(self.ledger, "message", arrived=bounds.sent, gone=bounds.gone),
        )
        self.source = EventSource(self, scenario, self.result)
        self._dead_letter_checks = DeadLetterChecks(self.ledger, scenario.max_receive_count)
        self._log_keys: defaultdict[str, set[LogKey]] = defaultdict(set)

    def run(self) -> Result:
        """Run to the end, and check."""
        for publication in self.scenario.publications:
            self._at(publication.at_s, lambda p=publication: self._publish(p))
        for window in self.scenario.windows:
            if window.kind in REDRIVES:
                operator = Operator(self, window.kind)
                self._at(window.from_s, lambda o=operator: self.scheduler.start(o.work))
        self.scheduler.run(START_S + self.scenario.days * DAY_S + _CALM_S)
        for problem in problems(self.ledger, self.mixpanel.counted, self.log, self._log_keys):
            self.violate(problem)
        if self.queue.forgotten_count:
            self.violate("the queue forgot messages")
        if len(self.queue):
            self.violate(f"{len(self.queue)} messages are still in the queue after days of calm")
        return self.result

    # --- what the others ask (Place)

    def now_s(self) -> float:
        """Return seconds since the epoch."""
        return self.scheduler.now_s

    def passed_s(self) -> float:
        """Return seconds since the start."""
        return self.scheduler.now_s - START_S

    def password(self) -> str:
        """Return the secret, which is fixed when a window of wrong credentials ends."""
        ends = [w.from_s + w.for_s for w in self.trouble.of("401")]
        return f"secret-{sum(end_s <= self.passed_s() for end_s in ends)}"

    def note(self, text: str) -> None:
        """Write a line of the history."""
        self.result.history.append((self.scheduler.now_s, text))

    def violate(self, text: str) -> None:
        """Write down a broken promise."""
        self.note(f"VIOLATION: {text}")
        self.result.violations.append(text)

    def post(self, container: Container, body: bytes) -> Answer | Late:
        """Answer a request."""
        project_id = container.version.project_id
        answer, fault = self.mixpanel.post(body, project_id=project_id, password=container.password)
        plain = answer.answer if isinstance(answer, Late) else answer
        if not fault and project_id != PROJECT:
            fault = "wrong project"
        elif not fault and plain.status == 401:
            fault = "401"
        insert_ids = _INSERT_ID.findall(body)
        if fault:
            container.process.struck.add(fault)
            self._doubt(insert_ids)
        self.note(f"  post {len(insert_ids)} events: {plain.status} {plain.error} {fault}")
        return answer

    def doubt_answer(self, body: bytes) -> None:
        """Hear that nobody waits for the answer to this request any more."""
        self._doubt(_INSERT_ID.findall(body))

    def ended(self, container: Container, batch: Sequence[Received], report: Report | None) -> None:
        """Hear of an invocation when it has run."""
        keys = [key for message in batch for key in self.ledger.keys(message.body)]
        if report is None:
            self.ledger.doubt.process_died(keys)
            return
        if not container.version.reads_newer:  # it cannot know what a newer one delivered of them
            newer = (message.body for message in batch if is_newer(message.body))
            self.ledger.doubt.unknown.update(key for body in newer for key in self.ledger.keys(body))
        if report.settled.dead_letters_refused:
            self.ledger.doubt.came_twice(keys)
        if report.settled.log_writes_lost:
            self.ledger.doubt.unlogged.update(keys)
        rowless = sum(key not in self.log.rows for key in container.dead_letters.confirmed)
        if rowless > report.settled.log_writes_lost:
            self.violate(f"{rowless} dead letters without a row, which no metric counts")

    def take_dead_letter(self, container: Container, dead_letter: DeadLetter) -> str:
        """Put a dead letter into its queue, and look at it."""
        message_id = self.dead_letters.send(dead_letter.body, dead_letter.attributes)
        told = DeadLetterAttributes.decode(dead_letter.attributes)
        self.note(f"  dead letter {message_id}: {told.reason}: {told.detail}: {dead_letter.body[:160]}")
        keys = self.ledger.keys(dead_letter.body)
        if told.reason == Reason.EXHAUSTED:  # an earlier receive may have delivered it
            self.ledger.doubt.unknown.update(keys)
        for key in keys:
            self.ledger.dead_letters[key] += 1
            if len(keys) == 1:
                self._log_keys[key].add(dead_letter.key)
        for problem in self._dead_letter_checks.problems(dead_letter, container):
            self.violate(problem)
        return message_id

    def redriven(self, kind: str, message_id: str) -> None:
        """Hear that a dead letter is in the queue again, under this id."""
        self.source.meets(message_id, kind)
        self.source.look_again(self.now_s() + self.rng.random() * WINDOW_S)

    # --- what happens

    def _at(self, passed_s: float, action: object) -> None:
        self.scheduler.at(START_S + passed_s, action)  # type: ignore[arg-type]  # lambdas with a default

    def _publish(self, publication: Publication) -> None:
        self.ledger.publish(publication.body, publication.events)
        message_id = self.queue.send(publication.body)
        self.note(f"publish {message_id}: {len(publication.events)} events: {publication.body[:120]}")
        self.source.look_again(self.now_s() + self.rng.random() * WINDOW_S)

    def _doubt(self, insert_ids: Sequence[bytes]) -> None:
        for insert_id in insert_ids:
            self.ledger.doubt.unknown |= self.ledger.by_insert_id[insert_id.decode()]


def line(at_s: float, text: str) -> str:
    """Return a line of the history as people read it."""
    return f"{datetime.fromtimestamp(at_s, UTC):%d %H:%M:%S} {text}"
