"""A stack as the audit asks it: what the Log has, what is dead, and how full the queue is."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.builders import make_body
from whyness_events import Event
from whyness_events.log_entry import LogEntry, log_key, to_dynamodb
from whyness_ops.audit.tracing import StackTrace
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

QUEUE_URL, DEAD_URL, TABLE = "https://queue", "https://dead", "Log"
PARTS = Stack(QUEUE_URL, DEAD_URL, TABLE, function="send-events")


@dataclass
class FakeStack:
    """Answers as SQS, DynamoDB and CloudWatch do.

    Args:
        visible, hidden: messages of the queue.
        age_s: of its oldest message, as CloudWatch has it.
        dead_hidden: dead letters that somebody else inspects.
        denied: names of operations, or URLs of queues, that are refused.
        code: of a refusal.
        rows: of the Log.
        dead: dead letters, as ReceiveMessage gives them.
        held: those that are hidden by us.
        calls: names of operations in order.
    """

    visible: int = 0
    hidden: int = 0
    age_s: float = 0.0
    dead_hidden: int = 0
    denied: frozenset[str] = frozenset()
    code: str = "AccessDenied"
    rows: list[LogEntry] = field(default_factory=list)
    dead: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def connect(self, stack: Stack = PARTS) -> tuple[Any, Stack]:
        """Return access to it."""
        return SimpleNamespace(sqs=self, dynamodb=self, cloudwatch=self), stack

    def trace(self, now_ms: int, stack: Stack = PARTS) -> StackTrace:
        """Return what looks for events in it."""
        return StackTrace(lambda: self.connect(stack), Stop(), now_ms)

    def log(self, event: Event, *, reason: str = "rejected", state: str = "dead", at_ms: int = 1) -> None:
        """Write a row of the Log about an event."""
        key = log_key(event.to_wire(), message_id="m", position=0)
        self.rows.append(LogEntry(key, reason, "why", event.event, last_failed_at_ms=at_ms, state=state))

    def bury(self, events: Iterable[Event], *, reason: str = "") -> None:
        """Put a message into the dead-letter queue; without a reason SQS moved it there."""
        self.add_dead(make_body(*events), reason)

    def add_dead(self, body: str, reason: str = "") -> None:
        """Put any body there."""
        name = f"dead-{len(self.dead)}"
        system = {"SentTimestamp": "1"} | ({} if reason else {"DeadLetterQueueSourceArn": "arn:queue"})
        attributes = {"reason": {"StringValue": reason}} if reason else {}
        self.dead[name] = {
            "MessageId": name,
            "ReceiptHandle": name,
            "Body": body,
            "Attributes": system,
            "MessageAttributes": attributes,
        }

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803  (SQS's)
        """Return the counts."""
        self._called("get_queue_attributes", QueueUrl)
        counts = self.visible, self.hidden
        if QueueUrl == DEAD_URL:
            counts = len(self.dead.keys() - self.held), len(self.held) + self.dead_hidden
        found = dict(
            zip(
                ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"),
                map(str, counts),
                strict=True,
            )
        )
        return {"Attributes": {name: found[name] for name in AttributeNames if name in found}}

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Hand out dead letters, and hide them."""
        self._called("receive_message", QueueUrl)
        assert QueueUrl == DEAD_URL
        given = sorted(self.dead.keys() - self.held)[:MaxNumberOfMessages]
        self.held |= set(given)
        return {"Messages": [self.dead[name] for name in given]}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        """Make them visible again."""
        self._called("change_message_visibility_batch", QueueUrl)
        self.held -= {entry["ReceiptHandle"] for entry in Entries if entry["VisibilityTimeout"] == 0}
        return {}

    def query(self, *, TableName: str, ExpressionAttributeValues: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Return the rows of a partition key."""
        self._called("query", TableName)
        wanted = ExpressionAttributeValues[":pk"]["S"]
        return {"Items": [to_dynamodb(row.to_item()) for row in self.rows if row.key.pk == wanted]}

    def get_metric_data(self, **_: Any) -> dict[str, Any]:
        """Return the age of the oldest message."""
        self._called("get_metric_data", "")
        return {"MetricDataResults": [{"Id": "queue", "Values": [self.age_s] if self.age_s else []}]}

    def _called(self, name: str, where: str) -> None:
        self.calls.append(name)
        if {name, where} & self.denied:
            raise ClientError({"Error": {"Code": self.code, "Message": json.dumps({})}}, name)
