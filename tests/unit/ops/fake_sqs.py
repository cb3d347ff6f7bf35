"""Two queues in memory, as far as the tools use SQS, with the failures that an emulator does not have."""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from tests.aws_stub.sqs_rules import digests

LIVE, DEAD = "live", "dead"
OPENED_MS = 1_795_000_100_400  # not at the beginning of a second
_CALL_MS = 20
_LONG_POLL_MS = 1_000


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
        die_again: what the consumer makes of a message it was sent: dead letters, each a body and attributes.
        dies_after: so many calls later they are in the dead-letter queue.
        now_ms: SQS's own clock.
        tells_time: whether its answers have a `Date`.
        calls: names of operations in order.
    """

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    refuse: Callable[[Mapping[str, Any]], bool] = lambda _: False
    keep: Callable[[str], bool] = lambda _: False
    reappear: set[str] = field(default_factory=set)
    before: Callable[[str], None] = lambda _: None
    die_again: Callable[[Mapping[str, Any]], Iterable[tuple[str, Mapping[str, str]]]] = lambda _: ()
    dies_after: int = 0
    now_ms: int = OPENED_MS
    tells_time: bool = True
    under_way: list[tuple[int, str, Mapping[str, str]]] = field(default_factory=list)
    born: int = 0
    calls: list[str] = field(default_factory=list)

    def bury(self, message_id: str, body: str, *, sent_ms: object = 1795000000000, **attributes: str) -> None:
        """Put a dead letter into the dead-letter queue."""
        self.messages[message_id] = {
            "MessageId": message_id,
            "ReceiptHandle": message_id,
            "Body": body,
            "Attributes": {"SentTimestamp": str(sent_ms)},
            "MessageAttributes": {n: {"StringValue": v} for n, v in attributes.items()},
        }

    @property
    def visible(self) -> set[str]:
        """Ids that anybody can receive from the dead-letter queue."""
        return set(self.messages) - self.hidden

    def receive_message(self, *, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:  # noqa: N803  (SQS's)
        """Hand out what is visible, and hide it."""
        self._called("receive")
        given = heapq.nsmallest(MaxNumberOfMessages, self.visible)
        self.now_ms += 0 if given else _LONG_POLL_MS
        self.hidden |= set(given)
        self.hidden -= self.reappear
        return {"Messages": [self.messages[i] for i in given], **self._metadata()}

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        """Take what is not refused."""
        self._called("send")
        assert QueueUrl == LIVE
        assert 1 <= len(Entries) <= 10
        refused = [entry for entry in Entries if self.refuse(entry)]
        taken = [entry for entry in Entries if entry not in refused]
        self.sent += taken
        for body, attributes in (dead_letter for entry in taken for dead_letter in self.die_again(entry)):
            self.under_way.append((len(self.calls) + self.dies_after, body, attributes))
        self._bury_due()
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
        return {"Attributes": {n: found[n] for n in AttributeNames if n in found}, **self._metadata()}

    def list_message_move_tasks(self, **_: Any) -> dict[str, Any]:
        """Return no task."""
        return {"Results": []}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.now_ms += _CALL_MS
        self._bury_due()
        self.before(name)

    def _bury_due(self) -> None:
        due = [dead_letter for dead_letter in self.under_way if dead_letter[0] <= len(self.calls)]
        self.under_way = [dead_letter for dead_letter in self.under_way if dead_letter[0] > len(self.calls)]
        for _, body, attributes in due:
            # Named so that it is handed out before those that were there.
            self.born += 1
            self.bury(f"back-{self.born:06}", body, sent_ms=self.now_ms, **attributes)

    def _metadata(self) -> dict[str, Any]:
        headers = {"date": formatdate(self.now_ms // 1000, usegmt=True)} if self.tells_time else {}
        return {"ResponseMetadata": {"HTTPHeaders": headers}}


@dataclass
class FakeDynamoDb:
    """Takes each write and remembers it.

    Args:
        items: what is there.
        mark: may raise for an update of a row's state.
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    puts: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    mark: Callable[[], None] = lambda: None

    def query(self, **asked: Any) -> dict[str, Any]:
        """Return what is there: of the index, as one day's, reason's and shard's."""
        ((key, value),) = asked["ExpressionAttributeValues"].items()
        return {"Items": self.items if key == ":pk" or value["S"].endswith("#rejected#0") else []}

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
