"""Containers at one queue in virtual time: records come back when the function said so, to any of them."""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import structs

from tests.fakes import FakeClock, Responder
from tests.world import VISIBILITY_S, World, handed_back
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import DeadLetter


@dataclass
class Fleet:
    """Some containers that share a clock, a queue, and whatever answers them.

    Args:
        respond: what Mixpanel answers.
        containers: how many.
        batch_size: records of an invocation, at most.
        seed: of all that is drawn.
    """

    respond: Responder
    containers: int = 1
    batch_size: int = 10_000
    seed: int = 1
    clock: FakeClock = field(default_factory=FakeClock)
    dead: list[tuple[float, DeadLetter]] = field(default_factory=list)
    third_receive_s: dict[str, float] = field(default_factory=dict)
    invocations: int = 0

    def __post_init__(self) -> None:
        seeds = range(self.seed * 100, self.seed * 100 + self.containers)
        self.worlds = [World(self.respond, clock=self.clock, seed=seed) for seed in seeds]
        self._rng = random.Random(self.seed)  # noqa: S311  (which container is next)

    def run(self, records: Sequence[Record], *, for_s: float = 72 * 3600.0) -> list[Record]:
        """Deliver until the queue is empty, or for so long; return what is still in the queue."""
        until_s = self.clock.monotonic_s() + for_s
        named = [structs.replace(record, receipt_handle=record.message_id) for record in records]
        queue = [(self.clock.monotonic_s(), number, record) for number, record in enumerate(named)]
        while queue and queue[0][0] <= until_s:
            self.clock.sleep(max(0.0, queue[0][0] - self.clock.monotonic_s()))
            batch: list[Record] = []
            while queue and queue[0][0] <= self.clock.monotonic_s() and len(batch) < self.batch_size:
                batch.append(heapq.heappop(queue)[2])
            for number, (due_s, record) in enumerate(self._invoke(batch)):
                heapq.heappush(queue, (due_s, self.invocations * 10_000 + number, record))
        return [record for *_, record in queue]

    def _invoke(self, batch: Sequence[Record]) -> list[tuple[float, Record]]:
        self.invocations += 1
        for record in batch:
            if record.receive_count == 3:
                self.third_receive_s[record.message_id] = self.clock.monotonic_s()
        world = self._rng.choice(self.worlds)
        began_s, dead_letters = self.clock.monotonic_s(), len(world.dead_letters.sent)
        world.pool.posted.clear()  # there may be a million
        report = world.deliver(*batch)
        now_s = self.clock.monotonic_s()
        self.dead += [(now_s, dead_letter) for dead_letter in world.dead_letters.sent[dead_letters:]]
        delays, world.queue.delays = world.queue.delays, {}
        return [
            (now_s + delays[r.receipt_handle] if r.receipt_handle in delays else began_s + VISIBILITY_S, r)
            for r in handed_back(batch, report)
        ]
