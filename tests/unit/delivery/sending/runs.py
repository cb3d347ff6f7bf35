"""Runs of the sender over a fake pool, for the tests of this folder."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any

from msgspec import structs

from tests.builders import make_event, make_record
from tests.fakes import FakeClock, FakePool, Posted, Responder, accept
from whyness_events.delivery.items import Item
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.sending.container_state import ContainerState, RequestSize
from whyness_events.delivery.sending.in_flight import InFlight
from whyness_events.delivery.sending.pacing import Concurrency
from whyness_events.delivery.sending.sender import Sender
from whyness_events.delivery.sending.setup_breaker import SetupBreaker
from whyness_events.outcomes import Reason

UNAUTHORISED = Answer(401, b'{"code":401,"error":"Invalid credentials","status":"Unauthorized"}')


TOO_MANY = Answer(429, b'{"code":429,"status":"Too Many Requests"}')


DISLIKED = Answer(403, b"<html>Forbidden</html>")


TOO_LARGE = Answer(413, b'{"code":413,"status":"Request Entity Too Large"}')


DOWN = Answer(503, b"upstream connect error")


class Seconds:
    """The rng port with the jitter fixed: the shortest, or the longest."""

    def __init__(self, part: float) -> None:
        self._part = part

    def uniform(self, low: float, high: float) -> float:
        """Return the point between."""
        return low + self._part * (high - low)

    def shuffle(self, found: list[Any]) -> None:
        """Keep the order."""


def make_item(*, size_bytes: int = 0) -> Item:
    """Return an event ready to be posted, of exactly `size_bytes` where that is more than it needs."""
    event = make_event()
    document = {"event": event.event, "properties": {"$insert_id": event.insert_id, "x": ""}}
    missing = size_bytes - len(json.dumps(document))
    document["properties"] = {"$insert_id": event.insert_id, "x": "x" * max(0, missing)}
    return Item(make_record(event), 0, event, "distinct_id", json.dumps(document).encode())


def make_batches(count: int, *, events: int = 1) -> list[list[Item]]:
    """Return batches that are one request each."""
    return [[make_item() for _ in range(events)] for _ in range(count)]


@dataclass
class Run:
    """Runs of Sending over a fake pool, in one container."""

    respond: Responder = accept
    threads: int = 4
    budget_s: float = 90.0
    jitter: float = 0.5
    size: RequestSize = field(default_factory=RequestSize)
    breaker: SetupBreaker = field(default_factory=SetupBreaker)
    clock: FakeClock = field(default_factory=FakeClock)
    pool: FakePool | None = None

    def __post_init__(self) -> None:
        self.pool = self.pool or FakePool(self.clock, self.respond)
        self.container_state = ContainerState(Concurrency(self.threads), self.breaker, self.size)

    def send(self, batches: Sequence[Sequence[Item]]) -> "Run":
        """Run it; every event must have its outcome in time."""
        self.batches = batches
        self._run(batches)
        return self

    def send_again(self) -> "Run":
        """Run it once more with what waits, as it comes back."""
        waiting = [[item for item in batch if item.result.reason.is_waiting] for batch in self.batches]
        for item in chain(*waiting):
            item.outcome = None
            item.record = structs.replace(item.record, receive_count=item.record.receive_count + 1)
        self._run([batch for batch in waiting if batch])
        return self

    def _run(self, batches: Sequence[Sequence[Item]]) -> None:
        assert self.pool is not None
        self.in_flight = InFlight(self.pool, self.clock, answer_timeout_s=30.0)
        jitter: Any = Seconds(self.jitter)  # a random.Random of which two methods are used
        deadline_s = self.clock.monotonic_s() + self.budget_s
        Sender(self.in_flight, self.clock, jitter, self.container_state).run(batches, deadline_s=deadline_s)
        assert self.clock.monotonic_s() <= deadline_s, "it did not return in time"

    @property
    def posted(self) -> list[Posted]:
        """The requests, in order."""
        assert self.pool is not None
        return self.pool.posted

    @property
    def outcomes(self) -> Counter[Reason]:
        """How many events had which outcome."""
        return Counter(item.result.reason for batch in self.batches for item in batch)

    @property
    def pauses_s(self) -> list[float]:
        """The seconds between the starts of the requests."""
        return [after.started_s - before.started_s for before, after in pairwise(self.posted)]


def ids(items: Sequence[Item]) -> list[str]:
    """Return their insert ids."""
    return [item.insert_id for item in items]
