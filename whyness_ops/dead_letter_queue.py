"""Edge: the dead-letter queue. What is received and not deleted is made visible again, whatever happens."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from whyness_events import limits, sqs_batch
from whyness_events.dead_letter import to_sqs_attributes
from whyness_ops.aws import clock_ms, explained
from whyness_ops.errors import Refused, SetupFault
from whyness_ops.letters import DeadLetter, read_letter
from whyness_ops.snapshot import Place, Snapshot, body_mark
from whyness_ops.stop import Stop

# Longer than looking at all that may be in flight takes; so long it stays hidden after a `kill -9`.
HIDDEN_S = 600
# SQS hides at most 120,000 messages of a queue, and others may look at the same time.
HELD_MOST = 100_000
_WAIT_S = 1
_EMPTY_RECEIVES = 2
# So many receives may bring nothing of the start before it is believed that nothing is left of it ...
_IDLE_RECEIVES = 20
# ... and one more for so many that it brought: they reappear when HIDDEN_S is over.
_LETTERS_PER_IDLE = 10

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue has, by its own approximate count."""

    visible: int
    hidden: int


class DeadLetterQueue:
    """The queue at `url`.

    Raises:
        SetupFault: from each method, where the queue cannot be asked.
    """

    def __init__(self, sqs: Any, url: str) -> None:
        if not url:
            raise SetupFault(
                "The dead-letter queue is not set. "
                "Give --dead-letter-queue-url, or set DEAD_LETTER_QUEUE_URL."
            )
        self.sqs = sqs
        self.url = url

    def arn(self) -> str:
        """Return its ARN."""
        return queue_arn(self.sqs, self.url)

    def depth(self) -> Depth:
        """Return how many messages it has."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with explained(f"dead-letter queue {self.url}"):
            found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return Depth(int(found[names[0]]), int(found[names[1]]))

    def hold(self, stop: Stop, snapshot: Snapshot | None = None) -> "Hold":
        """Return a context in which the messages can be looked at that are there now.

        Args:
            stop: ends it between two calls.
            snapshot: when it began, where this is the continuation of an earlier look.

        Raises:
            Refused: this is no dead-letter queue.
        """
        snapshot = snapshot or Snapshot()
        self.open(snapshot)
        return Hold(self, stop, snapshot)

    def open(self, snapshot: Snapshot) -> None:
        """Let the snapshot begin.

        Raises:
            Refused: this is a queue that others work from: to look at its messages hides them.
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
    """What was received in it is visible to others again at its end, save what was deleted.

    It works on the letters that were there when it began: whoever sends letters again may have them back
    while it lasts, and would never end.

    Attributes:
        snapshot: tells which they are, and is told what is sent.
        there_count: how many of them were handed out.
        came_back: letters that were sent since the snapshot began, and are dead again.
        arrived_since: other letters that came after it began.
        not_released: how many messages could not be made visible; they are after HIDDEN_S.
        is_full: whether it ended because more may not be held at once.
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
        """Yield what was there and not seen yet, up to ten at a time, until there is nothing more or a stop.

        Where a receive brought only letters that came since, the list is empty.
        """
        empty = idle = 0
        while empty < _EMPTY_RECEIVES and idle <= _IDLE_RECEIVES + self._known_count // _LETTERS_PER_IDLE:
            self.is_full = len(self._handles) >= HELD_MOST
            if self._stop.is_set() or self.is_full:
                return
            received, now_ms = self._receive()
            new = [letter for letter in received if letter.message_id not in self._handles]
            again = [letter for letter in received if letter.message_id in self._done]
            self._handles |= {letter.message_id: letter.receipt_handle for letter in received}
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
        """How many letters there were of those that can end: of what others add there may be no end."""
        return self.there_count + self.came_back

    def _there(self, letters: Sequence[DeadLetter], now_ms: int | None) -> list[DeadLetter]:
        """Return those that were there at the beginning, and count the others."""
        placed = [(letter, self.snapshot.place(letter, now_ms=now_ms)) for letter in letters]
        places = Counter(place for _, place in placed)
        self.there_count += places[Place.THERE]
        self.came_back += places[Place.SENT_AGAIN]
        self.arrived_since += places[Place.ELSEWHERE]
        return [letter for letter, place in placed if place is Place.THERE]

    def delete(self, letters: Sequence[DeadLetter]) -> int:
        """Delete up to ten letters; return how many SQS did not confirm. They may come again."""
        self._done |= {letter.message_id for letter in letters}
        entries = sqs_batch.numbered([{"ReceiptHandle": self._handles[each.message_id]} for each in letters])
        with explained(f"dead-letter queue {self._queue.url}"):
            answer = self._queue.sqs.delete_message_batch(QueueUrl=self._queue.url, Entries=entries)
        deleted = [letters[index] for index in sqs_batch.read(answer, entries).confirmed]
        for letter in deleted:
            self._handles[letter.message_id] = ""
        return len(letters) - len(deleted)

    def put(self, body: str, attributes: Mapping[str, str]) -> None:
        """Put a letter into the queue; it is not handed out here."""
        texts = to_sqs_attributes(attributes)
        self.snapshot.note_sent([body_mark(body)])
        with explained(f"dead-letter queue {self._queue.url}"):
            self._queue.sqs.send_message(QueueUrl=self._queue.url, MessageBody=body, MessageAttributes=texts)

    def _receive(self) -> tuple[list[DeadLetter], int | None]:
        """Return letters, and AWS's time."""
        with explained(f"dead-letter queue {self._queue.url}"):
            answer = self._queue.sqs.receive_message(
                QueueUrl=self._queue.url,
                MaxNumberOfMessages=limits.BATCH_ENTRIES,
                WaitTimeSeconds=_WAIT_S,
                VisibilityTimeout=HIDDEN_S,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return [read_letter(received) for received in answer.get("Messages", [])], clock_ms(answer)

    def _release(self) -> None:
        handles = [handle for handle in self._handles.values() if handle]
        for done, some in enumerate(chunks(handles)):
            entries = sqs_batch.numbered(
                [{"ReceiptHandle": handle, "VisibilityTimeout": 0} for handle in some]
            )
            try:
                # What it reports as failed is visible already: its time was up.
                self._queue.sqs.change_message_visibility_batch(QueueUrl=self._queue.url, Entries=entries)
            except (BotoCoreError, ClientError):
                self.not_released = len(handles) - done * limits.BATCH_ENTRIES
                return


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the values as calls of SQS take them, ten at a time."""
    for start in range(0, len(values), limits.BATCH_ENTRIES):
        yield values[start : start + limits.BATCH_ENTRIES]


def queue_arn(sqs: Any, url: str) -> str:
    """Return the ARN of a queue."""
    with explained(f"queue {url}"):
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])
