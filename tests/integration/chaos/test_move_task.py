"""The proxy's message move task, over the emulator that has none."""

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.emulator import Account

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class Queues:
    """A queue and its dead-letter queue."""

    sqs: "SQSClient"
    url: str
    dead_url: str

    def arn(self, url: str) -> str:
        """Return a queue's ARN."""
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def bury(self, count: int) -> None:
        """Put dead letters into the dead-letter queue."""
        attributes: Any = {"log_key": {"DataType": "String", "StringValue": "a/b"}}
        for number in range(count):
            self.sqs.send_message(
                QueueUrl=self.dead_url, MessageBody=str(number), MessageAttributes=attributes
            )

    def start(self, **more: Any) -> str:
        """Start a task from the one to the other."""
        source, destination = self.arn(self.dead_url), self.arn(self.url)
        return self.sqs.start_message_move_task(SourceArn=source, DestinationArn=destination, **more)[
            "TaskHandle"
        ]

    def newest(self) -> Any:
        """Return the newest task."""
        return self.sqs.list_message_move_tasks(SourceArn=self.arn(self.dead_url))["Results"][0]

    def wait_for_end(self) -> Any:
        """Return the newest task once it does not run any more."""
        give_up_at = time.monotonic() + 20
        while (task := self.newest())["Status"] == "RUNNING":
            assert time.monotonic() < give_up_at, "the task does not end"
            time.sleep(0.05)
        return task


@pytest.fixture
def queues(account: Account) -> Queues:
    """Both, empty."""
    sqs = account.client("sqs")
    dead_url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    url = sqs.create_queue(QueueName="events", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    return Queues(sqs, url, dead_url)


def test_all_messages_are_moved_with_their_attributes(queues: Queues) -> None:
    """The task counts them, ends, and does not show its handle any more."""
    queues.bury(13)

    queues.start()
    task = queues.wait_for_end()

    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 13)
    assert "TaskHandle" not in task
    received = queues.sqs.receive_message(
        QueueUrl=queues.url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )["Messages"]
    assert len(received) == 10
    assert {m["MessageAttributes"]["log_key"]["StringValue"] for m in received} == {"a/b"}
    assert {m["Attributes"]["ApproximateReceiveCount"] for m in received} == {"1"}
    assert "Messages" not in queues.sqs.receive_message(QueueUrl=queues.dead_url)


def test_one_task_runs_at_a_time_and_can_be_cancelled(queues: Queues) -> None:
    """A second start is refused, a cancelled task moves no more, and a second cancel finds none."""
    queues.bury(30)
    handle = queues.start(MaxNumberOfMessagesPerSecond=1)

    with pytest.raises(ClientError, match="UnsupportedOperation"):
        queues.start()
    queues.sqs.cancel_message_move_task(TaskHandle=handle)

    task = queues.wait_for_end()
    assert task["Status"] == "CANCELLED"
    assert task["ApproximateNumberOfMessagesMoved"] < 30
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        queues.sqs.cancel_message_move_task(TaskHandle=handle)


def test_a_queue_that_is_nobodys_dead_letter_queue_is_refused(queues: Queues) -> None:
    """As by SQS."""
    source, destination = queues.arn(queues.url), queues.arn(queues.dead_url)

    with pytest.raises(ClientError, match="InvalidParameterValue"):
        queues.sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
