"""SQS's message move tasks for an emulator without them: receive, send, delete, at a rate.

A moved message is a new one, with a new id and a receive count from 1. Source: SQS API reference,
StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask; 2026-11-23.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.chaos.proxy.errors import AwsError
from whyness_events import sqs_batch

Call = Callable[[str, Mapping[str, Any]], dict[str, Any]]
OPERATIONS = ("StartMessageMoveTask", "ListMessageMoveTasks", "CancelMessageMoveTask")
_HIDDEN_S = 30
_BATCH = 10
_FASTEST_PER_S = 500
_ENTRY_FIELDS = ("StringValue", "BinaryValue", "DataType")


@dataclass(slots=True)
class _Task:
    source_arn: str
    destination_arn: str
    rate_per_s: int
    to_move: int
    handle: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    started_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    status: str = "RUNNING"
    moved: int = 0
    failure: str = ""

    def describe(self) -> dict[str, Any]:
        """Return it as SQS lists it; only a running task has its handle."""
        description: dict[str, Any] = {
            "Status": self.status,
            "SourceArn": self.source_arn,
            "DestinationArn": self.destination_arn,
            "MaxNumberOfMessagesPerSecond": self.rate_per_s,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": self.started_ms,
        }
        if self.status == "RUNNING":
            description["TaskHandle"] = self.handle
        if self.failure:
            description["FailureReason"] = self.failure
        return description


class MoveTasks:
    """All tasks; at most one runs for each source. Usable from any thread."""

    def __init__(self) -> None:
        self._tasks: list[_Task] = []
        self._lock = threading.Lock()

    def answer(self, operation: str, payload: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Answer one of OPERATIONS; `call` makes a call of SQS upstream, as the same caller.

        Raises:
            AwsError: as SQS would.
        """
        if operation == "StartMessageMoveTask":
            return self._start(payload, call)
        if operation == "ListMessageMoveTasks":
            with self._lock:
                tasks = [task.describe() for task in self._tasks if task.source_arn == payload["SourceArn"]]
            return {"Results": tasks[::-1][: payload.get("MaxResults", 1)]}
        return self._cancel(payload["TaskHandle"])

    def _start(self, payload: Mapping[str, Any], call: Call) -> dict[str, Any]:
        source = payload["SourceArn"]
        source_url = _url(source, call)
        if not _feeds(source, call):
            raise AwsError("InvalidParameterValue", "Source queue must be configured as a dead-letter queue")
        if not payload.get("DestinationArn"):
            raise AwsError("UnsupportedOperation", "this proxy moves to a named destination only")
        count = call(
            "GetQueueAttributes",
            {"QueueUrl": source_url, "AttributeNames": ["ApproximateNumberOfMessages"]},
        )["Attributes"]["ApproximateNumberOfMessages"]
        rate = payload.get("MaxNumberOfMessagesPerSecond", _FASTEST_PER_S)
        task = _Task(source, payload["DestinationArn"], rate, int(count))
        destination_url = _url(task.destination_arn, call)
        with self._lock:
            if any(other.status == "RUNNING" for other in self._tasks if other.source_arn == source):
                raise AwsError("UnsupportedOperation", "There is already a task running")
            self._tasks.append(task)
        threading.Thread(target=_run, args=(task, source_url, destination_url, call), daemon=True).start()
        return {"TaskHandle": task.handle}

    def _cancel(self, handle: str) -> dict[str, Any]:
        with self._lock:
            for task in self._tasks:
                if task.handle == handle and task.status == "RUNNING":
                    task.status = "CANCELLED"
                    return {"ApproximateNumberOfMessagesMoved": task.moved}
        raise AwsError("ResourceNotFoundException", "There is no such running task")


def _url(arn: str, call: Call) -> str:
    return str(call("GetQueueUrl", {"QueueName": arn.rpartition(":")[2]})["QueueUrl"])


def _feeds(source_arn: str, call: Call) -> bool:
    """Return whether any queue has this one as its dead-letter queue."""
    for url in call("ListQueues", {}).get("QueueUrls", []):
        attributes = call("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["RedrivePolicy"]})
        if source_arn in attributes.get("Attributes", {}).get("RedrivePolicy", ""):
            return True
    return False


def _run(task: _Task, source_url: str, destination_url: str, call: Call) -> None:
    try:
        while task.status == "RUNNING" and _move_some(task, source_url, destination_url, call):
            time.sleep(_BATCH / task.rate_per_s)
    except (AwsError, OSError) as error:
        task.failure = f"{type(error).__name__}: {error}"
        task.status = "FAILED"
        return
    if task.status == "RUNNING":
        task.status = "COMPLETED"


def _move_some(task: _Task, source_url: str, destination_url: str, call: Call) -> bool:
    wanted = {"MessageAttributeNames": ["All"], "MaxNumberOfMessages": _BATCH, "VisibilityTimeout": _HIDDEN_S}
    messages = call("ReceiveMessage", {"QueueUrl": source_url, **wanted}).get("Messages", [])
    if not messages:
        return False
    entries = sqs_batch.numbered([_entry(message) for message in messages])
    sent = call("SendMessageBatch", {"QueueUrl": destination_url, "Entries": entries})
    done = [messages[index] for index in sqs_batch.read(sent, entries).confirmed]
    if done:
        handles = sqs_batch.numbered([{"ReceiptHandle": message["ReceiptHandle"]} for message in done])
        call("DeleteMessageBatch", {"QueueUrl": source_url, "Entries": handles})
    task.moved += len(done)
    return True


def _entry(message: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"MessageBody": message["Body"]}
    if attributes := message.get("MessageAttributes"):
        entry["MessageAttributes"] = {
            name: {key: value[key] for key in _ENTRY_FIELDS if key in value}
            for name, value in attributes.items()
        }
    return entry
