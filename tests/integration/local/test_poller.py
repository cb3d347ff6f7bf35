import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.emulator import Account
from local.event_source_mapping import PAYLOAD_LIMIT_BYTES, EventSourceMapping
from local.invocation import Fault, InvocationResult
from local.poller import Poller
from local.poller_process import PollerConfig, polling
from local.processes import start
from tests.integration.local.support import make_function, wait_for

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[3]
DELETE_ALL = InvocationResult("null")


def mapping(batch_size: int = 10, window_s: int = 0, max_concurrency: int = 1) -> EventSourceMapping:
    """Return settings of an event source mapping."""
    return EventSourceMapping(batch_size, window_s, max_concurrency, reports_item_failures=True)


class Invoker:
    """Replaces the function: keeps the records of every call, and returns prepared answers."""

    def __init__(
        self, answer: Callable[[list[dict[str, Any]]], InvocationResult] = lambda _: DELETE_ALL
    ) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.sizes_bytes: list[int] = []
        self._answer = answer

    def invoke(self, event: bytes) -> InvocationResult:
        """Return the prepared answer."""
        self.sizes_bytes.append(len(event))
        self.batches.append(json.loads(event)["Records"])
        return self._answer(self.batches[-1])

    def stop(self) -> None:
        """Do nothing."""

    @property
    def bodies(self) -> list[str]:
        """All bodies received, in order."""
        return [record["body"] for batch in self.batches for record in batch]


class Queue:
    """A queue in the emulator, with a dead-letter queue after two receives."""

    def __init__(self, sqs: "SQSClient", visibility_timeout_s: int) -> None:
        self.sqs = sqs
        self.dead_letter_url = sqs.create_queue(QueueName="dead")["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=self.dead_letter_url, AttributeNames=["QueueArn"])
        redrive = {"deadLetterTargetArn": answer["Attributes"]["QueueArn"], "maxReceiveCount": 2}
        attributes: Any = {
            "VisibilityTimeout": str(visibility_timeout_s),
            "RedrivePolicy": json.dumps(redrive),
        }
        self.url = sqs.create_queue(QueueName="queue", Attributes=attributes)["QueueUrl"]

    def send(self, *bodies: str) -> None:
        """Send messages, ten at a time."""
        for first in range(0, len(bodies), 10):
            chunk = enumerate(bodies[first : first + 10])
            entries: Any = [{"Id": str(number), "MessageBody": body} for number, body in chunk]
            self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    def counts(self) -> tuple[int, int]:
        """Return how many messages are visible, and how many are in flight."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes: Any = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(attributes[names[0]]), int(attributes[names[1]])

    def is_empty(self) -> bool:
        """Return whether the queue is empty, hidden messages included."""
        return self.counts() == (0, 0)

    def dead_letters(self) -> set[str]:
        """Return the bodies now in the dead-letter queue, without taking them."""
        answer = self.sqs.receive_message(
            QueueUrl=self.dead_letter_url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return {message["Body"] for message in answer.get("Messages", [])}


@pytest.fixture
def sqs(account: Account) -> "SQSClient":
    """The test's own SQS."""
    return account.client("sqs")


@pytest.fixture
def queue(sqs: "SQSClient") -> Queue:
    """A queue whose messages stay hidden for long, once received."""
    return Queue(sqs, visibility_timeout_s=600)


def test_every_message_comes_once_and_is_deleted(queue: Queue) -> None:
    """Nothing is lost, repeated or left; batches go beyond SQS's own ten, up to the batch size."""
    bodies = [str(number) for number in range(1_000)]
    queue.send(*bodies)
    invoker = Invoker()

    with Poller(queue.sqs, queue.url, mapping(batch_size=250, window_s=300), [invoker]) as poller:
        wait_for(queue.is_empty)

    assert sorted(invoker.bodies, key=int) == bodies
    assert [len(batch) for batch in invoker.batches] == [250, 250, 250, 250]
    assert (poller.counters.records, poller.counters.deleted) == (1_000, 1_000)


def test_batch_goes_when_its_window_is_over(queue: Queue) -> None:
    """Messages that do not fill a batch are handled all the same."""
    queue.send("a", "b", "c")
    invoker = Invoker()

    with Poller(queue.sqs, queue.url, mapping(batch_size=250, window_s=1), [invoker]):
        wait_for(queue.is_empty)

    assert invoker.bodies == ["a", "b", "c"]


def test_without_a_window_messages_are_not_waited_for(queue: Queue) -> None:
    """With the default settings a lone message goes to the function at once."""
    queue.send("alone")
    invoker = Invoker()

    with Poller(queue.sqs, queue.url, mapping(), [invoker]):
        wait_for(queue.is_empty)

    assert invoker.bodies == ["alone"]


def test_batches_stay_within_six_megabytes(queue: Queue) -> None:
    """A batch ends before the event exceeds 6 MB; the other records wait for the next batch."""
    bodies = [str(number) + "x" * 999_000 for number in range(8)]
    for body in bodies:
        queue.send(body)
    invoker = Invoker()

    with Poller(queue.sqs, queue.url, mapping(batch_size=100, window_s=300), [invoker]):
        wait_for(lambda: invoker.batches)

    assert sorted(invoker.bodies) == bodies[:6]
    assert 5_900_000 < max(invoker.sizes_bytes) <= PAYLOAD_LIMIT_BYTES
    assert queue.counts() == (2, 0)


def test_record_carries_all_that_sqs_says(queue: Queue) -> None:
    """Attributes, message attributes and the fair-queue group arrive under Lambda's names."""
    queue.sqs.send_message(
        QueueUrl=queue.url,
        MessageBody="hello ü",
        MessageGroupId="live",
        MessageAttributes={
            "reason": {"DataType": "String", "StringValue": "rejected"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    )
    invoker = Invoker()

    with Poller(queue.sqs, queue.url, mapping(), [invoker]):
        wait_for(queue.is_empty)

    [[record]] = invoker.batches
    assert record["body"] == "hello ü"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(":queue")
    assert record["awsRegion"] == record["eventSourceARN"].split(":")[3]
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["MessageGroupId"] == "live"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])
    assert record["messageAttributes"]["reason"]["stringValue"] == "rejected"
    assert record["messageAttributes"]["raw"]["binaryValue"] == "AAE="


@pytest.mark.parametrize("answer", ["null", "{}", '{"batchItemFailures": []}'])
def test_answer_that_names_nobody_empties_the_queue(queue: Queue, answer: str) -> None:
    """An empty answer acknowledges all records, as in Lambda."""
    queue.send("a", "b")

    with Poller(queue.sqs, queue.url, mapping(), [Invoker(lambda _: InvocationResult(answer))]):
        wait_for(queue.is_empty)


@pytest.mark.parametrize(
    "answer",
    [
        InvocationResult('{"batchItemFailures": [{"itemIdentifier": "unknown"}]}'),
        InvocationResult('{"batchItemFailures": [{"itemIdentifier": ""}]}'),
        InvocationResult("not JSON"),
        InvocationResult("", Fault.ERROR),
        InvocationResult("", Fault.TIMEOUT),
        InvocationResult("", Fault.CRASH),
    ],
)
def test_malformed_answer_or_failure_leaves_all_in_the_queue(queue: Queue, answer: InvocationResult) -> None:
    """Nothing is deleted: the messages stay hidden until their visibility timeout is over."""
    queue.send("a", "b")

    with Poller(queue.sqs, queue.url, mapping(), [Invoker(lambda _: answer)]) as poller:
        wait_for(lambda: poller.counters.records == 2)

    assert queue.counts() == (0, 2)
    assert poller.counters.handed_back == 2


def test_named_messages_come_again_until_the_queue_gives_them_up(sqs: "SQSClient") -> None:
    """Good records are delivered once, bad ones as often as the redrive policy allows."""
    queue = Queue(sqs, visibility_timeout_s=1)
    queue.send("good 1", "bad 1", "good 2", "bad 2")
    invoker = Invoker(_name_the_bad)

    with Poller(sqs, queue.url, mapping(), [invoker]):
        wait_for(lambda: queue.dead_letters() == {"bad 1", "bad 2"})

    assert sorted(invoker.bodies) == ["bad 1", "bad 1", "bad 2", "bad 2", "good 1", "good 2"]
    assert queue.is_empty()


def _name_the_bad(records: list[dict[str, Any]]) -> InvocationResult:
    bad = [{"itemIdentifier": record["messageId"]} for record in records if "bad" in record["body"]]
    return InvocationResult(json.dumps({"batchItemFailures": bad}))


def test_as_many_invocations_run_at_once_as_there_are_runtimes(queue: Queue) -> None:
    """Both runtimes are busy at the same time, and each has one call at a time."""
    both_are_in = threading.Barrier(2, timeout=20)
    queue.send(*"abcdefghijklmnopqrst")

    def answer(_: object) -> InvocationResult:
        both_are_in.wait()
        return DELETE_ALL

    invokers = [Invoker(answer), Invoker(answer)]
    with Poller(queue.sqs, queue.url, mapping(max_concurrency=2), invokers):
        wait_for(queue.is_empty)

    assert [len(invoker.batches) for invoker in invokers] == [1, 1]


def test_stop_gives_back_what_was_not_handled(queue: Queue) -> None:
    """Messages that wait for their window are visible again as soon as the poller has stopped."""
    queue.send("a", "b", "c")
    invoker = Invoker()

    with Poller(queue.sqs, queue.url, mapping(window_s=300), [invoker]):
        wait_for(lambda: queue.counts() == (0, 3))

    assert invoker.batches == []
    assert queue.counts() == (3, 0)


class HangsUntilStopped(Invoker):
    """An invoker whose call ends only when it is stopped."""

    def __init__(self) -> None:
        super().__init__(self._hang)
        self.was_stopped = threading.Event()

    def stop(self) -> None:
        """Let the call end."""
        self.was_stopped.set()

    def _hang(self, _: object) -> InvocationResult:
        return InvocationResult("", Fault.UNREACHABLE) if self.was_stopped.wait(20) else DELETE_ALL


def test_error_ends_the_invocations_under_way(queue: Queue) -> None:
    """Ctrl-C does not wait for a running function; its messages are delivered again."""
    queue.send("a")
    invoker = HangsUntilStopped()

    def interrupt_the_call() -> None:
        wait_for(lambda: invoker.batches)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Poller(queue.sqs, queue.url, mapping(), [invoker]) as poller:
        interrupt_the_call()

    assert poller.counters.unreachable == 1
    assert queue.counts() == (0, 1)


@pytest.mark.usefixtures("rie_path")
def test_real_function_that_fails_in_every_way_loses_nothing(sqs: "SQSClient", tmp_path: Path) -> None:
    """Exception, timeout, crash and malformed answer have their own counters, and all messages return."""
    queue = Queue(sqs, visibility_timeout_s=2)
    queue.send("raise", "sleep", "exit", "garbage")
    function = make_function("obey", timeout_s=1)
    config = PollerConfig(queue.url, mapping(batch_size=1, max_concurrency=4), function, tmp_path)

    with polling(config, sqs) as poller:
        wait_for(lambda: len(queue.dead_letters()) == 4)

    counters = poller.counters
    assert (counters.errors, counters.timeouts, counters.crashes) == (2, 2, 2)
    assert (counters.records, counters.deleted, counters.handed_back) == (8, 0, 8)


@pytest.mark.usefixtures("rie_path")
def test_poller_in_a_process_of_its_own(queue: Queue, account: Account, tmp_path: Path) -> None:
    """It reads its settings from a file, says when it begins, and ends on SIGTERM with its counters."""
    function = make_function("settle")
    config = PollerConfig(queue.url, mapping(), function, tmp_path)
    config_path = tmp_path / "poller.json"
    config_path.write_text(config.to_json())
    command = [sys.executable, "-m", "local.poller_process", "--config", str(config_path)]
    queue.send("good", "bad")

    log_path = tmp_path / "poller.log"
    with start("poller", command, log_path=log_path, cwd=ROOT, env=account.environment) as process:
        began = process.wait_for_json_line(timeout_s=20)
        wait_for(lambda: queue.counts() == (0, 1))
        process._popen.send_signal(signal.SIGTERM)
        process._popen.wait(20)

    counters = json.loads(log_path.read_text().splitlines()[-1])
    assert began == {"polling": queue.url}
    assert counters["deleted"] == 1
    assert counters["handed_back"] == 1
    assert process._popen.returncode == 0
