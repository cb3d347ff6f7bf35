"""Two queues in memory, as far as the tools use SQS, with the failures that an emulator does not have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.aws_stub.sqs_rules import digests

LIVE, DEAD = "live", "dead"


@dataclass
class FakeSqs:
    """Two queues.

    Args:
        messages: of the dead-letter queue, by id; as ReceiveMessage gives them.
        hidden: ids of those that somebody holds.
        sent: what the live queue took, in order.
        refuse: whether the live queue reports an entry as Failed.
        keep: whether the dead-letter queue reports a deletion as Failed.
        reappear: ids that become visible again by themselves after each receive.
        before: called with the name of each operation; may raise.
        calls: names of operations in order.
    """

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    refuse: Callable[[Mapping[str, Any]], bool] = lambda _: False
    keep: Callable[[str], bool] = lambda _: False
    reappear: set[str] = field(default_factory=set)
    before: Callable[[str], None] = lambda _: None
    calls: list[str] = field(default_factory=list)

    def bury(self, message_id: str, body: str, **attributes: str) -> None:
        """Put a letter into the dead-letter queue."""
        self.messages[message_id] = {
            "MessageId": message_id,
            "ReceiptHandle": message_id,
            "Body": body,
            "Attributes": {"SentTimestamp": "1795000000000"},
            "MessageAttributes": {n: {"StringValue": v} for n, v in attributes.items()},
        }

    @property
    def visible(self) -> set[str]:
        """Ids that anybody can receive from the dead-letter queue."""
        return set(self.messages) - self.hidden

    def receive_message(self, *, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:  # noqa: N803  (SQS's)
        """Hand out what is visible, and hide it."""
        self._called("receive")
        given = sorted(self.visible)[:MaxNumberOfMessages]
        self.hidden |= set(given)
        self.hidden -= self.reappear
        return {"Messages": [self.messages[i] for i in given]}

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        """Take what is not refused."""
        self._called("send")
        assert QueueUrl == LIVE
        assert 1 <= len(Entries) <= 10
        refused = [entry for entry in Entries if self.refuse(entry)]
        taken = [entry for entry in Entries if entry not in refused]
        self.sent += taken
        return {
            "Successful": [{"Id": e["Id"], "MessageId": "m", **digests(e)} for e in taken],
            "Failed": [{"Id": e["Id"], "Code": "InternalError", "SenderFault": False} for e in refused],
        }

    def delete_message_batch(self, *, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        """Delete what is not kept."""
        self._called("delete")
        assert QueueUrl == DEAD
        gone = [entry for entry in Entries if not self.keep(entry["ReceiptHandle"])]
        for entry in gone:
            self.messages.pop(entry["ReceiptHandle"], None)
        return {"Successful": [{"Id": entry["Id"]} for entry in gone]}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        """Make visible."""
        self._called("release")
        assert QueueUrl == DEAD
        assert all(entry["VisibilityTimeout"] == 0 for entry in Entries)
        self.hidden -= {entry["ReceiptHandle"] for entry in Entries}
        return {}

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        """Return ARN and counts."""
        self._called("attributes")
        counts = {
            "ApproximateNumberOfMessages": str(len(self.visible)),
            "ApproximateNumberOfMessagesNotVisible": str(len(self.hidden & set(self.messages))),
        }
        found = {"QueueArn": f"arn:{QueueUrl}", **counts}
        return {"Attributes": {name: found[name] for name in AttributeNames if name in found}}

    def list_message_move_tasks(self, **_: Any) -> dict[str, Any]:
        """Return no task."""
        return {"Results": []}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)


@dataclass
class FakeDynamoDb:
    """Takes each write and remembers it; `mark` may raise for an update of a row's state."""

    puts: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    mark: Callable[[], None] = lambda: None

    def put_item(self, **arguments: Any) -> None:
        """Take a row."""
        self.puts.append(arguments)

    def update_item(self, **arguments: Any) -> None:
        """Take an update."""
        if "ConditionExpression" in arguments:
            self.mark()
        self.updates.append(arguments)


@dataclass
class FakeAws:
    """What the tools take for AWS."""

    sqs: FakeSqs = field(default_factory=FakeSqs)
    dynamodb: FakeDynamoDb = field(default_factory=FakeDynamoDb)

    def caller(self) -> str:
        """Return somebody."""
        return "arn:aws:iam::123456789012:user/somebody"
