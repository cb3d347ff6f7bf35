"""A Deliverer with fakes all around it, and what a test wants to know of them afterwards."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import structs

from tests.fakes import (
    FakeClock,
    FakeDeadLetterQueue,
    FakeLog,
    FakePool,
    FakeSourceQueue,
    Late,
    Posted,
    Responder,
    accept,
)
from whyness_events.delivery.deliver import Deliverer
from whyness_events.delivery.invocation_report import Report
from whyness_events.delivery.items import Record
from whyness_events.delivery.mixpanel.useragent import describe_useragent
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.settling.redelivery import Redelivery

VISIBILITY_S = 725.0


def handed_back(records: Sequence[Record], report: Report) -> list[Record]:
    """Return the records that come back after an invocation, as they come back."""
    failed = set(report.settled.failed_message_ids)
    return [structs.replace(r, receive_count=r.receive_count + 1) for r in records if r.message_id in failed]


@dataclass
class World:
    """One container in virtual time; `deliver` is one invocation.

    Args:
        respond: what Mixpanel answers.
        threads: requests at once.
        timeout_s: what Lambda gives an invocation.
        identity: the function's own setting.
        clock: time, which several may share.
        seed: of all that is drawn.
    """

    respond: Responder = accept
    threads: int = 4
    timeout_s: float = 120.0
    identity: str = "distinct_id"
    clock: FakeClock = field(default_factory=FakeClock)
    seed: int = 1

    def __post_init__(self) -> None:
        self.pool = FakePool(self.clock, self._respond)
        self.dead_letters = FakeDeadLetterQueue(self.clock)
        self.log = FakeLog(self.clock)
        self.queue = FakeSourceQueue(clock=self.clock)
        rng = random.Random(self.seed)  # noqa: S311  (jitter)
        self.deliverer = Deliverer(
            pool=self.pool,
            dead_letters=self.dead_letters,
            log=self.log,
            redelivery=Redelivery(self.queue, rng),
            clock=self.clock,
            rng=rng,
            describe_useragent=describe_useragent,
            default_identity=self.identity,
            threads=self.threads,
            answer_timeout_s=30.0,
        )

    def _respond(self, posted: Posted) -> Answer | Late:
        return self.respond(posted)  # a test may change it between invocations

    def deliver(self, *records: Record) -> Report:
        """Run one invocation; it must be over in time."""
        return self._deliver(records)

    def _deliver(self, records: Sequence[Record]) -> Report:
        deadline_s = self.clock.monotonic_s() + self.timeout_s
        report = self.deliverer.deliver(records, run_id="run-1", deadline_s=deadline_s)
        assert self.clock.monotonic_s() <= deadline_s, "the handler did not return in time"
        return report

    def deliver_until_settled(self, *records: Record, at_most: int) -> list[Report]:
        """Run invocations with what the one before handed back, as the queue does; `at_most` so many."""
        left = list(records)
        reports: list[Report] = []
        while left:
            assert len(reports) < at_most, f"{len(left)} records are still handed back"
            reports.append(self._deliver(left))
            left = handed_back(left, reports[-1])
            self.clock.sleep(VISIBILITY_S)
        return reports

    @property
    def delivered_ids(self) -> list[str]:
        """Insert ids of all events posted, in order, whatever was answered."""
        return [insert_id for posted in self.pool.posted for insert_id in posted.insert_ids]
