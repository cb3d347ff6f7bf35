"""Edge: the dead-letter queue. Messages that are received and not deleted become visible again at the end."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from whyness_events import limits, sqs_batch
from whyness_events.dead_letter import to_sqs_attributes
from whyness_ops.aws import clock_ms, explained
from whyness_ops.dead_letter_message import DeadLetter, read_dead_letter
from whyness_ops.errors import Refused, SetupFault
from whyness_ops.snapshot import Place, Snapshot, body_mark
from whyness_ops.stop import Stop

# Longer than it takes to inspect all that can be in flight. After a `kill -9` messages stay hidden so long.
HIDDEN_S = 600
# SQS hides at most 120,000 messages of a queue, and others may inspect it at the same time.
HELD_MOST = 100_000
_WAIT_S = 1
_EMPTY_RECEIVES = 2
# After this many receives without a dead letter of the start, nothing is left of them ...
_IDLE_RECEIVES = 20
# ... plus one for this many that were received: they reappear when HIDDEN_S is over.
_RECEIVED_PER_IDLE = 10


@dataclass(frozen=True, slots=True)
class Depth:
    """The number of messages in a queue, by SQS's own approximate count."""

    visible: int
    hidden: int


def depth(sqs: Any, url: str) -> Depth:
    """Return the number of messages in a queue.

    Raises:
        SetupFault: SQS refuses or cannot be reached.
    """
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    with explained(f"queue {url}"):
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return Depth(int(found[names[0]]), int(found[names[1]]))


class DeadLetterQueue:
    """The queue at `url`.

    Raises:
        SetupFault: from each method, if SQS refuses or cannot be reached.
    """

    def __init__(self, sqs: Any, url: str) -> None:
        if not url:
            raise SetupFault(
                "The dead-letter queue is not set. "
                "Give --stack, --env or --dead-letter-queue-url, or set DEAD_LETTER_QUEUE_URL."
            )
        self.sqs = sqs
        self.url = url

    def arn(self) -> str:
        """Return its ARN."""
        return queue_arn(self.sqs, self.url)

    def depth(self) -> Depth:
        """Return the number of its messages."""
        return depth(self.sqs, self.url)

    def hold(self, stop: Stop, snapshot: Snapshot | None = None) -> "Hold":
        """Return a context in which the messages that are in the queue now can be inspected.

        Args:
            stop: ends it between two calls.
            snapshot: of an earlier inspection that this one continues.

        Raises:
            Refused: this is not a dead-letter queue.
        """
        snapshot = snapshot or Snapshot()
        self.open(snapshot)
        return Hold(self, stop, snapshot)

    def open(self, snapshot: Snapshot) -> None:
        """Start the snapshot.

        Raises:
            Refused: this is the function's own queue; inspecting its messages would hide them from it.
        """
        names = ["RedrivePolicy", "ApproximateNumberOfMessages"]
        with explained(f"dead-letter queue {self.url}"):
            answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        attributes = answer.get("Attributes", {})
        if attributes.get("RedrivePolicy"):
            raise Refused(
                f"The two queues are swapped: {self.url} has a dead-letter queue of its own. "
                "Check --queue-url and --dead-letter-queue-url."
            )
        snapshot.open(clock_ms(answer), int(attributes.get("ApproximateNumberOfMessages", 0)))


class Hold:
    """Inspects messages; at its end all that were not deleted are visible to others again.

    It inspects only the dead letters that were in the queue when it started: redriven ones may come back
    meanwhile, so that a redrive would never end.

    Attributes:
        snapshot: tells which those are; records what is sent.
        there_count: how many of those were yielded.
        came_back: dead letters that were sent since the start and have come back.
        arrived_since: other dead letters that arrived after the start.
        not_released: messages that could not be made visible; they reappear after HIDDEN_S.
        is_full: whether it ended because no more messages may be held at once.
    """

    def __init__(self, queue: DeadLetterQueue, stop: Stop, snapshot: Snapshot) -> None:
        self._queue = queue
        self._stop = stop
        self.snapshot = snapshot
        self.there_count = self.came_back = self.arrived_since = 0
        self._handles: dict[str, str] = {}
        self._done: set[str] = set()
        self.not_released = 0
        self.is_full = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def batches(self) -> Iterator[list[DeadLetter]]:
        """Yield the dead letters of the start, up to ten at a time, until none is left or until a stop.

        The list is empty if a receive returned only dead letters that arrived later.
        """
        empty = idle = 0
        while empty < _EMPTY_RECEIVES and idle <= _IDLE_RECEIVES + self._known_count // _RECEIVED_PER_IDLE:
            self.is_full = len(self._handles) >= HELD_MOST
            if self._stop.is_set() or self.is_full:
                return
            received, now_ms = self._receive()
            new = [dead_letter for dead_letter in received if dead_letter.message_id not in self._handles]
            again = [dead_letter for dead_letter in received if dead_letter.message_id in self._done]
            self._handles |= {dead_letter.message_id: dead_letter.receipt_handle for dead_letter in received}
            before = self._known_count
            there = self._there(new, now_ms)
            empty = 0 if received else empty + 1
            idle = 0 if self._known_count > before else idle + 1
            if again:
                self.delete(again)
            if new:
                yield there

    @property
    def _known_count(self) -> int:
        """The number received without those that others add, of which there may be no end."""
        return self.there_count + self.came_back

    def _there(self, dead_letters: Sequence[DeadLetter], now_ms: int | None) -> list[DeadLetter]:
        """Return those that were in the queue at the start; count the others."""
        places = [self.snapshot.place(dead_letter, now_ms=now_ms) for dead_letter in dead_letters]
        counts = Counter(places)
        self.there_count += counts[Place.THERE]
        self.came_back += counts[Place.SENT_AGAIN]
        self.arrived_since += counts[Place.ELSEWHERE]
        return [d for d, place in zip(dead_letters, places, strict=True) if place is Place.THERE]

    def delete(self, dead_letters: Sequence[DeadLetter]) -> int:
        """Delete up to ten dead letters; return how many SQS did not confirm. Those may come back."""
        ids = [dead_letter.message_id for dead_letter in dead_letters]
        self._done.update(ids)
        entries = sqs_batch.numbered([{"ReceiptHandle": self._handles[id_]} for id_ in ids])
        with explained(f"dead-letter queue {self._queue.url}"):
            answer = self._queue.sqs.delete_message_batch(QueueUrl=self._queue.url, Entries=entries)
        deleted = sqs_batch.read(answer, entries).confirmed
        self._handles.update((ids[index], "") for index in deleted)
        return len(ids) - len(deleted)

    def put(self, body: str, attributes: Mapping[str, str]) -> None:
        """Send a dead letter to the queue; `batches` does not yield it."""
        texts = to_sqs_attributes(attributes)
        self.snapshot.note_sent([body_mark(body)])
        with explained(f"dead-letter queue {self._queue.url}"):
            self._queue.sqs.send_message(QueueUrl=self._queue.url, MessageBody=body, MessageAttributes=texts)

    def _receive(self) -> tuple[list[DeadLetter], int | None]:
        """Return dead letters and AWS's time."""
        with explained(f"dead-letter queue {self._queue.url}"):
            answer = self._queue.sqs.receive_message(
                QueueUrl=self._queue.url,
                MaxNumberOfMessages=limits.BATCH_ENTRIES,
                WaitTimeSeconds=_WAIT_S,
                VisibilityTimeout=HIDDEN_S,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return [read_dead_letter(received) for received in answer.get("Messages", [])], clock_ms(answer)

    def _release(self) -> None:
        handles = [handle for handle in self._handles.values() if handle]
        self.not_released = len(handles)
        for call in sqs_batch.in_calls(handles):
            entries = sqs_batch.numbered(
                [{"ReceiptHandle": handle, "VisibilityTimeout": 0} for handle in call]
            )
            try:
                # Entries that SQS reports as failed are visible already: their time was up.
                self._queue.sqs.change_message_visibility_batch(QueueUrl=self._queue.url, Entries=entries)
            except (BotoCoreError, ClientError):
                return
            self.not_released -= len(call)


def queue_arn(sqs: Any, url: str) -> str:
    """Return the ARN of a queue."""
    with explained(f"queue {url}"):
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])
