"""A model of SQS standard queues in virtual time, and of how Lambda deletes what a function has answered.

Where SQS promises nothing, the model does the worst that is allowed: no order, and now and then a message
that is handed out again while it is hidden.
Source: SQS Developer Guide (visibility timeout, dead-letter queues, at-least-once delivery), read 2026-11.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from local.event_source_mapping import ids_to_delete
from local.invocation import InvocationResult
from tests.simulation.messages import Message, Watcher

LONGEST_VISIBILITY_S = 43_200
MOST_PER_RECEIVE = 10


class NotInFlight(Exception):
    """The receipt handle is not that of a message in flight."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as one receive hands it out.

    Args:
        message_id: the same at each receive, and in the dead-letter queue.
        receipt_handle: another one at each receive.
        body: as sent.
        attributes: text attributes, as sent.
        receive_count: from 1.
        sent_ms: when it was sent, epoch milliseconds; kept when the redrive policy moves it.
        source: the queue that the redrive policy moved it from, `""` for one that was sent here.
    """

    message_id: str
    receipt_handle: str
    body: str
    attributes: Mapping[str, str]
    receive_count: int
    sent_ms: int
    source: str = ""


@dataclass(slots=True)
class QueueModel:
    """One queue.

    Args:
        name: begins its message ids.
        now_s: epoch seconds.
        rng: order, and what is handed out twice.
        visibility_s: how long a received message is hidden.
        retention_s: after so long since it was sent, a message is forgotten.
        max_receive_count: the receive after so many moves the message to `dead_letters`.
        dead_letters: where to; None for a queue without redrive policy.
        twice_part: chance that a hidden message is handed out again before its time.
        twice_window: in each of these, of any kind, that is drawn once for a message: the copies that SQS
            makes do not beget others.
        watcher: hears of what comes and goes.
    """

    name: str
    now_s: Callable[[], float]
    rng: random.Random
    visibility_s: float = 30.0
    retention_s: float = 14 * 86_400.0
    max_receive_count: int = 1_000
    dead_letters: "QueueModel | None" = None
    twice_part: float = 0.0
    twice_window: object = None
    watcher: Watcher | None = None
    forgotten_count: int = 0
    moved_count: int = 0
    twice_count: int = 0
    _sent_count: int = 0
    _receives: int = 0
    _messages: dict[str, Message] = field(default_factory=dict)

    def __len__(self) -> int:
        self._forget()
        return len(self._messages)

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> str:
        """Store a message; return its id."""
        self._sent_count += 1
        now_s = self.now_s()
        message = Message(f"{self.name}-{self._sent_count}", body, attributes or {}, now_s, now_s)
        self._add(message)
        return message.message_id

    def receive(
        self, at_most: int = MOST_PER_RECEIVE, *, visibility_s: float | None = None
    ) -> list[Received]:
        """Hide up to `at_most` (1 to 10) messages and return them, in any order."""
        if not 1 <= at_most <= MOST_PER_RECEIVE:
            raise ValueError(f"MaxNumberOfMessages {at_most}: allowed are 1 to {MOST_PER_RECEIVE}")
        self._forget()
        hidden_s = self.visibility_s if visibility_s is None else visibility_s
        received: list[Received] = []
        for message in self._candidates():
            if len(received) == at_most:
                break
            if self.dead_letters is not None and message.receive_count >= self.max_receive_count:
                self._move(message, self.dead_letters)
                continue
            received.append(self._hand_out(message, hidden_s))
        return received

    def delete(self, receipt_handle: str) -> None:
        """Delete the message of that receive; the handle of an older receive deletes nothing."""
        message = self._by_handle(receipt_handle)
        if message is not None:
            self._remove(message)

    def change_visibility(self, receipt_handle: str, seconds: float) -> None:
        """Hide the message for `seconds` from now on; 0 shows it at once.

        Raises:
            ValueError: not from 0 to 43,200.
            NotInFlight: it is deleted, visible again, or was received anew.
        """
        if not 0 <= seconds <= LONGEST_VISIBILITY_S:
            raise ValueError(f"VisibilityTimeout {seconds}: allowed are 0 to {LONGEST_VISIBILITY_S}")
        message = self._by_handle(receipt_handle)
        if message is None or message.visible_s <= self.now_s():
            raise NotInFlight(receipt_handle)
        message.visible_s = self.now_s() + seconds

    def counts(self) -> tuple[int, int]:
        """Return how many messages are visible, and how many are not."""
        visible = sum(message.visible_s <= self.now_s() for message in self._messages.values())
        return visible, len(self) - visible

    def next_visible_s(self) -> float:
        """Return when the next message can be received, epoch seconds; infinity for an empty queue."""
        return min((message.visible_s for message in self._messages.values()), default=float("inf"))

    def contents(self) -> list[tuple[str, Mapping[str, str]]]:
        """Return body and attributes of every message, in the order sent, without receiving anything."""
        return [(message.body, message.attributes) for message in self._messages.values()]

    def _candidates(self) -> list[Message]:
        now_s = self.now_s()
        visible = [m for m in self._messages.values() if m.visible_s <= now_s or self._comes_twice(m)]
        self.rng.shuffle(visible)
        return visible

    def _comes_twice(self, message: Message) -> bool:
        if not self.twice_part or message.drawn_in == self.twice_window:
            return False
        message.drawn_in = self.twice_window
        is_twice = self.rng.random() < self.twice_part
        self.twice_count += is_twice
        return is_twice

    def _hand_out(self, message: Message, hidden_s: float) -> Received:
        self._receives += 1
        message.receive_count += 1
        message.receipt_handle = f"{message.message_id}/{self._receives}"
        message.visible_s = self.now_s() + hidden_s
        return Received(
            message.message_id,
            message.receipt_handle,
            message.body,
            message.attributes,
            message.receive_count,
            int(message.sent_s * 1000),
            message.source,
        )

    def _move(self, message: Message, target: "QueueModel") -> None:
        self.moved_count += 1
        target._add(
            Message(
                message.message_id,
                message.body,
                message.attributes,
                message.sent_s,
                self.now_s(),
                source=self.name,
            )
        )
        self._remove(message)

    def _add(self, message: Message) -> None:
        self._messages[message.message_id] = message
        if self.watcher is not None:
            self.watcher.came(message.message_id, message.body)

    def _remove(self, message: Message) -> None:
        del self._messages[message.message_id]
        if self.watcher is not None:
            self.watcher.left(message.message_id, message.body)

    def _by_handle(self, receipt_handle: str) -> Message | None:
        message = self._messages.get(receipt_handle.partition("/")[0])
        return message if message and message.receipt_handle == receipt_handle else None

    def _forget(self) -> None:
        oldest_s = self.now_s() - self.retention_s
        for message in [m for m in self._messages.values() if m.sent_s <= oldest_s]:
            self.forgotten_count += 1
            self._remove(message)


def settle(
    queue: QueueModel,
    batch: Sequence[Received],
    result: InvocationResult,
    *,
    is_refused: Callable[[Received], bool] = lambda _: False,
) -> list[Received]:
    """Delete what Lambda deletes after `result`, unless SQS refuses; return what was deleted."""
    ids = ids_to_delete([m.message_id for m in batch], result, reports_item_failures=True)
    deleted = [message for message in batch if message.message_id in ids and not is_refused(message)]
    for message in deleted:
        queue.delete(message.receipt_handle)
    return deleted
