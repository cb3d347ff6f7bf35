"""The pipeline in virtual time, and the metrics that CloudWatch would get from it.

The delivery code is the real one, a World for each container; queues, Mixpanel and Lambda are models, as
simple as metrics allow.
"""

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.builders import NOW_MS
from tests.fakes import Late, Posted
from tests.infra.cloudwatch import Metrics, series_key
from tests.world import World
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.telemetry import NAMESPACE, values

START_S = NOW_MS / 1000
MINUTE_S = 60.0
HOUR_S = 3_600.0
# Of the template; tests/infra/test_queues.py and test_function.py hold it to them.
VISIBILITY_S = 725.0
WINDOW_S = 5.0
MOST_PER_BATCH = 1_000
SLOTS = 4
# Source: SQS Developer Guide, available CloudWatch metrics, 2026-11.
_MOST_RECEIVES_WITH_AGE = 3
_DEATH_S = 1.0

FUNCTION = {"Ref": "SendEventsFunction"}
EVENT_QUEUE = {"Fn::GetAtt": ["EventQueue", "QueueName"]}
DEAD_LETTER_QUEUE = {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}

# What Mixpanel answers, so many seconds after the start.
Mixpanel = Callable[[Posted, float], Answer | Late]


@dataclass
class Message:
    """One message of a queue; times in seconds since the start."""

    message_id: str
    body: str
    sent_s: float
    visible_s: float
    receive_count: int = 0

    def to_record(self) -> Record:
        """Return it as the function gets it; its id serves as receipt handle."""
        sent_ms = int((START_S + self.sent_s) * 1000)
        return Record(self.message_id, self.body, self.receive_count, sent_ms, self.message_id)


@dataclass
class PipelineRun:
    """One run; `metrics` is what it is for.

    Args:
        mixpanel: answers.
        slots: how many invocations at once; 0: the event source mapping is disabled.
        reports_zero: whether SQS reports a count that is zero; its guide can be read both ways.
        kills: whether every invocation dies.
        refuses_letters: whether the dead-letter queue takes nothing.
        loses_rows: whether the Log table takes nothing.
    """

    mixpanel: Mixpanel
    slots: int = SLOTS
    reports_zero: bool = True
    kills: bool = False
    refuses_letters: bool = False
    loses_rows: bool = False
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        """Start the containers."""
        self._now_s = 0.0
        self._actions: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count(1)
        self._looks_at_s = float("inf")
        self.queue: dict[str, Message] = {}
        self.dead_letters: dict[str, Message] = {}
        self._free = [self._start_container() for _ in range(self.slots)]

    def publish(self, at_s: float, body: str) -> None:
        """Let the app publish a message."""
        self._at(at_s, lambda: self._publish(body))

    def run(self, for_s: float) -> Metrics:
        """Run for so long; return the metrics."""
        for minute in range(1, int(for_s / MINUTE_S) + 1):
            self._at(minute * MINUTE_S, self._sample_queues)
        while self._actions and self._actions[0][0] <= for_s:
            self._now_s, _, action = heapq.heappop(self._actions)
            action()
        return self.metrics

    def _start_container(self) -> World:
        world = World()
        world.respond = lambda posted: self.mixpanel(posted, world.clock.passed_s)
        world.dead_letters.refuse = lambda _: self.refuses_letters
        world.log.lose = lambda _: self.loses_rows
        return world

    def _at(self, at_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._actions, (at_s, next(self._numbers), action))

    def _send(self, queue: dict[str, Message], body: str) -> None:
        message = Message(f"message-{next(self._numbers)}", body, self._now_s, self._now_s)
        queue[message.message_id] = message

    def _publish(self, body: str) -> None:
        self._send(self.queue, body)
        self._put("AWS/SQS", "NumberOfMessagesSent", EVENT_QUEUE, 1)
        self._look(self._now_s + WINDOW_S)

    def _look(self, at_s: float) -> None:
        """Receive then, unless that happens sooner anyway."""
        if self.slots and at_s < self._looks_at_s:
            self._looks_at_s = at_s
            self._at(at_s, self._receive)

    def _receive(self) -> None:
        if self._now_s < self._looks_at_s:
            return  # a sooner look took its place, and has set the next
        self._looks_at_s = float("inf")
        visible = [m for m in self.queue.values() if m.visible_s <= self._now_s][:MOST_PER_BATCH]
        if self._free and visible:
            for message in visible:
                message.receive_count += 1
                message.visible_s = self._now_s + VISIBILITY_S
            self._invoke(self._free.pop(0), visible)
        if self._free and self.queue:
            next_s = min(message.visible_s for message in self.queue.values())
            self._look(max(next_s, self._now_s) + WINDOW_S)

    def _invoke(self, world: World, batch: Sequence[Message]) -> None:
        if self.kills:
            self._at(self._now_s + _DEATH_S, lambda: self._end(world, {}))
            return
        world.clock.passed_s = self._now_s  # it was frozen until now
        report = world.deliver(*[message.to_record() for message in batch])
        kept = set(report.settled.failed_message_ids)
        done = [message.message_id for message in batch if message.message_id not in kept]
        self._at(world.clock.passed_s, lambda: self._settle(world, done, values(report)))

    def _settle(self, world: World, done: Sequence[str], published: Mapping[str, float]) -> None:
        for message_id in [*done, *world.queue.deleted]:
            self.queue.pop(message_id, None)
        for message_id, seconds in world.queue.delays.items():
            if message_id in self.queue:
                self.queue[message_id].visible_s = self._now_s + seconds
        for letter in world.dead_letters.letters:
            self._send(self.dead_letters, letter.body)
        for told in (world.queue.deleted, world.queue.delays, world.dead_letters.letters):
            told.clear()
        self._end(world, published)

    def _end(self, world: World, published: Mapping[str, float]) -> None:
        self._free.append(world)
        for name, value in published.items():
            self._put(NAMESPACE, name, FUNCTION, value)
        self._put("AWS/Lambda", "Errors", FUNCTION, 0 if published else 1)
        self._put("AWS/Lambda", "Throttles", FUNCTION, 0)
        self._look(self._now_s)

    def _put(self, namespace: str, name: str, dimension: object, value: float) -> None:
        self.metrics.put(series_key(namespace, name, dimension), self._now_s, value)

    def _sample_queues(self) -> None:
        if self.reports_zero:
            self._put("AWS/SQS", "NumberOfMessagesSent", EVENT_QUEUE, 0)
        for queue, dimension in ((self.queue, EVENT_QUEUE), (self.dead_letters, DEAD_LETTER_QUEUE)):
            visible_count = sum(message.visible_s <= self._now_s for message in queue.values())
            for kind, count in (("Visible", visible_count), ("NotVisible", len(queue) - visible_count)):
                if count or self.reports_zero:
                    self._put("AWS/SQS", f"ApproximateNumberOfMessages{kind}", dimension, count)
            aged = [m for m in queue.values() if m.receive_count <= _MOST_RECEIVES_WITH_AGE]
            if aged:
                age_s = self._now_s - min(message.sent_s for message in aged)
                self._put("AWS/SQS", "ApproximateAgeOfOldestMessage", dimension, age_s)
