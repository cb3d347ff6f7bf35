"""What a standard queue does, kept by the simulation's model and by the emulator alike.

The simulation stands on the model: where it is kinder than a queue, it proves nothing. What only AWS or only
chance can do (a message handed out twice at once, days of retention) is at the end, for the model alone.
"""

import json
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from botocore.exceptions import ClientError

from local.emulator import MINISTACK, Emulator
from local.invocation import Fault, InvocationResult
from tests.fakes import FakeClock
from tests.simulation.queue_model import NotInFlight, QueueModel, Received, settle

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

VISIBILITY_S = 1
MAX_RECEIVE_COUNT = 3
KINDS = ["model", "emulator"]


class Queue(Protocol):
    """A queue of either kind, with a visibility of VISIBILITY_S."""

    def send(self, body: str, attributes: dict[str, str] | None = None) -> str:
        """Store a message; return its id."""

    def receive(
        self, at_most: int = 10, *, wait_s: int = 0, visibility_s: int | None = None
    ) -> list[Received]:
        """Return what is there, or comes within `wait_s`."""

    def delete(self, receipt_handle: str) -> None:
        """Delete a message."""

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        """Hide a message for `seconds` from now on."""

    def counts(self) -> tuple[int, int]:
        """Return how many are visible, and how many are not."""


class WaitingModel:
    """The model, with the long polling of a real queue."""

    def __init__(self, clock: FakeClock, model: QueueModel) -> None:
        self.clock, self.model = clock, model
        self.send, self.delete = model.send, model.delete
        self.change_visibility, self.counts = model.change_visibility, model.counts

    def receive(
        self, at_most: int = 10, *, wait_s: int = 0, visibility_s: int | None = None
    ) -> list[Received]:
        """Let time pass until something can be received, or `wait_s` are over."""
        due_s = self.model.next_visible_s() - self.clock.now_s()
        self.clock.sleep(min(max(due_s, 0.0), wait_s))
        return self.model.receive(at_most, visibility_s=visibility_s)


class EmulatedQueue:
    """A queue of the emulator."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs, self._url = sqs, url

    def send(self, body: str, attributes: dict[str, str] | None = None) -> str:
        """Send a message."""
        described: Any = {
            name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()
        }
        sent = self._sqs.send_message(QueueUrl=self._url, MessageBody=body, MessageAttributes=described)
        return sent["MessageId"]

    def receive(
        self, at_most: int = 10, *, wait_s: int = 0, visibility_s: int | None = None
    ) -> list[Received]:
        """Receive by long polling."""
        visibility: Any = {} if visibility_s is None else {"VisibilityTimeout": visibility_s}
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=at_most,
            WaitTimeSeconds=wait_s,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            **visibility,
        )
        return [_received(message) for message in answer.get("Messages", [])]

    def delete(self, receipt_handle: str) -> None:
        """Delete a message."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=receipt_handle)

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        """Change it; a number that SQS refuses is a ValueError."""
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
        except ClientError as error:
            raise ValueError(str(error)) from error

    def counts(self) -> tuple[int, int]:
        """Read both numbers."""
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])["Attributes"]
        hidden = int(found["ApproximateNumberOfMessagesNotVisible"])
        return int(found["ApproximateNumberOfMessages"]), hidden


def _received(message: Any) -> Received:
    attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
    system = message["Attributes"]
    return Received(
        message["MessageId"],
        message["ReceiptHandle"],
        message["Body"],
        attributes,
        int(system["ApproximateReceiveCount"]),
        int(system["SentTimestamp"]),
    )


Pair = tuple[Queue, Queue]


def model(clock: FakeClock, name: str = "queue", **options: Any) -> QueueModel:
    """Return a queue whose order is the same at each run."""
    return QueueModel(name, clock.now_s, random.Random(1), **options)  # noqa: S311  (order, no secret)


def model_pair(clock: FakeClock) -> tuple[WaitingModel, WaitingModel]:
    """Return a queue and its dead-letter queue."""
    dead = model(clock, "dead", visibility_s=VISIBILITY_S)
    policy = {"max_receive_count": MAX_RECEIVE_COUNT, "dead_letters": dead}
    source = model(clock, "source", visibility_s=VISIBILITY_S, **policy)
    return WaitingModel(clock, source), WaitingModel(clock, dead)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator | None]:
    """One emulator for this file, None where it is not installed."""
    if not MINISTACK.exists():
        yield None
        return
    with Emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest, emulator: Emulator | None) -> Pair:
    """Return a queue whose redrive policy names the second one."""
    if request.param == "model":
        return model_pair(FakeClock())
    if emulator is None:
        pytest.skip(f"{MINISTACK} is missing: `make demo` installs it")
    sqs = emulator.new_account().client("sqs")
    attributes: Any = {"VisibilityTimeout": str(VISIBILITY_S)}
    dead = sqs.create_queue(QueueName="dead", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": str(MAX_RECEIVE_COUNT)}
    attributes |= {"RedrivePolicy": json.dumps(policy)}
    source = sqs.create_queue(QueueName="source", Attributes=attributes)["QueueUrl"]
    return EmulatedQueue(sqs, source), EmulatedQueue(sqs, dead)


def test_a_message_comes_as_it_was_sent(pair: Pair) -> None:
    """Id, body and attributes are those of the send; it is its first receive."""
    queue, _ = pair
    sent = queue.send("body", {"reason": "rejected"})

    (message,) = queue.receive()

    assert (message.message_id, message.body) == (sent, "body")
    assert message.attributes == {"reason": "rejected"}
    assert message.receive_count == 1
    assert message.sent_ms > 1_600_000_000_000


def test_an_empty_queue_gives_nothing(pair: Pair) -> None:
    """A receive without messages is an empty list."""
    queue, _ = pair

    assert queue.receive() == []


def test_at_most_ten_come_at_once_and_each_once(pair: Pair) -> None:
    """A receive takes up to its number; what it took is hidden from the next."""
    queue, _ = pair
    sent = {queue.send(str(n)) for n in range(12)}

    batches = [queue.receive(visibility_s=60), queue.receive(3, visibility_s=60), queue.receive()]

    found = [message.message_id for batch in batches for message in batch]
    assert all(len(batch) <= most for batch, most in zip(batches, [10, 3, 10], strict=True))
    assert sorted(found) == sorted(sent)


def test_a_hidden_message_comes_back_and_counts_the_receive(pair: Pair) -> None:
    """After its visibility timeout it is received again: same id, another handle, the count one up."""
    queue, _ = pair
    queue.send("body")
    (first,) = queue.receive()

    at_once = queue.receive()
    (again,) = queue.receive(wait_s=5)

    assert at_once == []
    assert (again.message_id, again.receive_count, again.sent_ms) == (first.message_id, 2, first.sent_ms)
    assert again.receipt_handle != first.receipt_handle


def test_a_deleted_message_does_not_come_back(pair: Pair) -> None:
    """A delete by the handle of its receive is the end of it."""
    queue, _ = pair
    queue.send("body")
    (message,) = queue.receive()

    queue.delete(message.receipt_handle)

    assert queue.counts() == (0, 0)
    assert queue.receive(wait_s=2) == []


def test_visibility_zero_shows_a_message_at_once(pair: Pair) -> None:
    """Changed to 0, it is received without waiting."""
    queue, _ = pair
    queue.send("body")
    (message,) = queue.receive(visibility_s=60)

    queue.change_visibility(message.receipt_handle, 0)

    assert [again.receive_count for again in queue.receive()] == [2]


def test_a_longer_visibility_holds_for_this_receive(pair: Pair) -> None:
    """Changed to a minute, it does not come when the queue's own timeout is over."""
    queue, _ = pair
    queue.send("body")
    (message,) = queue.receive()

    queue.change_visibility(message.receipt_handle, 60)

    assert queue.receive(wait_s=2) == []
    assert queue.counts() == (0, 1)


def test_a_changed_visibility_is_forgotten_at_the_next_receive(pair: Pair) -> None:
    """The receive after a change hides for the queue's own timeout again."""
    queue, _ = pair
    queue.send("body")
    (message,) = queue.receive(visibility_s=60)
    queue.change_visibility(message.receipt_handle, 0)
    queue.receive()

    assert [again.receive_count for again in queue.receive(wait_s=5)] == [3]


def test_counts_tell_visible_from_hidden(pair: Pair) -> None:
    """A received message moves from one number to the other."""
    queue, _ = pair
    for n in range(3):
        queue.send(str(n))

    queue.receive(1, visibility_s=60)

    assert queue.counts() == (2, 1)


def test_the_receive_after_the_last_moves_the_message(pair: Pair) -> None:
    """Received as often as the policy allows, it lies in the dead-letter queue at the next receive, whole."""
    queue, dead = pair
    sent = queue.send("body", {"reason": "none"})
    for _ in range(MAX_RECEIVE_COUNT):
        (message,) = queue.receive()
        queue.change_visibility(message.receipt_handle, 0)
    before = dead.receive()

    after = queue.receive()
    (moved,) = dead.receive(wait_s=2)

    assert (before, after) == ([], [])
    assert (moved.message_id, moved.body, moved.attributes) == (sent, "body", {"reason": "none"})
    assert queue.counts() == (0, 0)


# --- the model alone


def make_model(**options: Any) -> tuple[FakeClock, QueueModel]:
    """Return a clock and a queue on it."""
    clock = FakeClock()
    return clock, model(clock, **options)


def test_a_message_may_be_handed_out_twice_at_once() -> None:
    """At-least-once: a hidden message can be received again, and counts it."""
    _, queue = make_model(twice_part=1.0)
    queue.send("body")

    counts = [queue.receive()[0].receive_count for _ in range(2)]

    assert counts == [1, 2]
    assert queue.twice_count == 1


def test_a_copy_does_not_beget_others() -> None:
    """Whether a hidden message comes twice is drawn once for each window of trouble."""
    _, queue = make_model(twice_part=1.0, twice_window="first")
    queue.send("body")

    found = [len(queue.receive()) for _ in range(3)]
    queue.twice_window = "second"

    assert found == [1, 1, 0]
    assert len(queue.receive()) == 1


def test_a_moved_message_says_where_from() -> None:
    """As SQS's attribute DeadLetterQueueSourceArn; one that was sent there says nothing."""
    clock = FakeClock()
    dead = model(clock, "dead")
    queue = model(clock, dead_letters=dead, max_receive_count=1)
    queue.send("moved")
    dead.send("sent")
    queue.receive()
    clock.sleep(queue.visibility_s)

    queue.receive()

    assert {message.body: message.source for message in dead.receive()} == {"moved": queue.name, "sent": ""}


def test_a_watcher_hears_of_all_that_comes_and_goes() -> None:
    """Sent, deleted, moved, forgotten: at each moment somebody can count what is where."""
    heard: list[str] = []

    class Ear:
        def came(self, message_id: str, body: str) -> None:
            heard.append(f"{message_id} came: {body}")

        def left(self, message_id: str, body: str) -> None:
            heard.append(f"{message_id} left: {body}")

    clock, queue = make_model(watcher=Ear(), retention_s=100.0)
    first, second = queue.send("first"), queue.send("second")
    found = {message.body: message.receipt_handle for message in queue.receive()}

    queue.delete(found["first"])
    clock.sleep(100.0)
    queue.receive()

    assert heard == [
        f"{first} came: first",
        f"{second} came: second",
        f"{first} left: first",
        f"{second} left: second",
    ]


def test_a_deletion_that_is_refused_leaves_the_message() -> None:
    """Lambda's own deletion can fail: the message comes again although it was answered for."""
    _, queue = make_model()
    queue.send("body")
    batch = queue.receive()

    deleted = settle(queue, batch, InvocationResult('{"batchItemFailures":[]}'), is_refused=lambda _: True)

    assert (deleted, len(queue)) == ([], 1)


def test_an_older_handle_deletes_nothing() -> None:
    """SQS promises a delete for the handle of the last receive only: the model keeps the message."""
    _, queue = make_model(twice_part=1.0)
    queue.send("body")
    (first,), (second,) = queue.receive(), queue.receive()

    queue.delete(first.receipt_handle)
    kept = len(queue)
    queue.delete(second.receipt_handle)

    assert (kept, len(queue)) == (1, 0)


def test_messages_come_in_any_order() -> None:
    """A standard queue keeps no order."""
    _, queue = make_model()
    for n in range(10):
        queue.send(str(n))

    assert [message.body for message in queue.receive()] != [str(n) for n in range(10)]


def test_a_message_is_forgotten_after_its_retention() -> None:
    """A message that is not deleted is gone after its retention, and counted."""
    clock, queue = make_model(retention_s=100.0)
    queue.send("body")
    clock.sleep(100.0)

    assert queue.receive() == []
    assert queue.forgotten_count == 1


def test_the_visibility_of_a_message_not_in_flight_stays() -> None:
    """When a message is visible again, received again or deleted, SQS refuses the old handle."""
    clock, queue = make_model()
    queue.send("body")
    (message,) = queue.receive()
    clock.sleep(queue.visibility_s)

    with pytest.raises(NotInFlight):
        queue.change_visibility(message.receipt_handle, 60)


@pytest.mark.parametrize("seconds", [-1, 43_201])
def test_a_visibility_outside_twelve_hours_is_refused(seconds: int) -> None:
    """SQS takes 0 to 43,200 seconds; the emulator takes anything."""
    _, queue = make_model()
    queue.send("body")
    (message,) = queue.receive()

    with pytest.raises(ValueError, match="VisibilityTimeout"):
        queue.change_visibility(message.receipt_handle, seconds)


@pytest.mark.parametrize("at_most", [0, 11])
def test_a_receive_takes_one_to_ten(at_most: int) -> None:
    """SQS refuses other numbers."""
    _, queue = make_model()

    with pytest.raises(ValueError, match="MaxNumberOfMessages"):
        queue.receive(at_most)


@pytest.mark.parametrize(
    ("result", "left"),
    [
        (InvocationResult('{"batchItemFailures":[]}'), 0),
        (InvocationResult('{"batchItemFailures":[{"itemIdentifier":"queue-1"}]}'), 1),
        (InvocationResult('{"batchItemFailures":[{"itemIdentifier":""}]}'), 2),
        (InvocationResult('{"batchItemFailures":[{"itemIdentifier":"else"}]}'), 2),
        (InvocationResult("", Fault.CRASH), 2),
        (InvocationResult("", Fault.TIMEOUT), 2),
    ],
)
def test_an_answer_deletes_what_lambda_would_delete(result: InvocationResult, left: int) -> None:
    """All but the failures named; nothing after a faulty answer, a crash or a timeout."""
    _, queue = make_model()
    for _ in range(2):
        queue.send("body")
    batch = queue.receive()

    deleted = settle(queue, batch, result)

    assert len(queue) == left
    assert len(deleted) == 2 - left
