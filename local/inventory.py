"""Look what there is in a local stack: at Mixpanel, in the queue, in the dead letters, in the Log table."""

import json
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from local.stack import LocalStack
from whyness_events.dead_letter import from_sqs_attributes

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_TIMEOUT_S = 60
# Longer than anybody looks: a dead letter must not come twice.
_HIDDEN_S = 3_600


class DeadLetterMessage(NamedTuple):
    """A message of the dead-letter queue: its body, and its attributes as text."""

    body: str
    attributes: dict[str, str]


def events_at_mixpanel(stack: LocalStack) -> list[dict[str, Any]]:
    """Return each event once, as a query at Mixpanel would count it."""
    return [json.loads(line) for line in ask(f"{stack.simulator_url}/_simulator/events").splitlines()]


def counts_at_mixpanel(stack: LocalStack) -> dict[str, int]:
    """Return how many copies (`raw`) and how many events (`unique`) have arrived."""
    counts: dict[str, int] = json.loads(ask(f"{stack.simulator_url}/_simulator/stats"))["events"]
    return counts


def change_mixpanel(stack: LocalStack, **settings: object) -> None:
    """Change settings of the simulator."""
    ask(f"{stack.simulator_url}/_simulator/settings", "PATCH", json.dumps(settings).encode())


def queued_message_count(stack: LocalStack) -> int:
    """Return how many messages are in the queue, visible or not."""
    names: Any = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
    answer = stack.account.client("sqs").get_queue_attributes(
        QueueUrl=stack.resources.queue_url, AttributeNames=names
    )
    return sum(map(int, answer["Attributes"].values()))


def queued_messages(stack: LocalStack) -> list[tuple[str, str]]:
    """Return id and body of each message in the queue; of hidden ones too, which only an emulator can do."""
    query = f"account={stack.account.access_key}&QueueUrl={stack.resources.queue_url}"
    found = json.loads(ask(f"{stack.account.endpoint}/_ministack/sqs/messages?{query}"))["messages"]
    queues = (queue for regions in found.values() for region in regions.values() for queue in region.values())
    return [(message["MessageId"], message["Body"]) for queue in queues for message in queue]


def dead_letters(stack: LocalStack) -> Iterator[DeadLetterMessage]:
    """Receive all dead letters; when all have been taken they are visible again."""
    sqs, queue_url = stack.account.client("sqs"), stack.resources.dead_letter_queue_url
    receipts: list[str] = []
    while messages := sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=_HIDDEN_S,
        MessageAttributeNames=["All"],
    ).get("Messages"):
        receipts += [message["ReceiptHandle"] for message in messages]
        yield from map(_dead_letter, messages)
    for receipt in receipts:
        sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=receipt, VisibilityTimeout=0)


def log_keys(stack: LocalStack) -> list[str]:
    """Return the keys of the rows in the Log table, as dead letters name them."""
    pages = (
        stack.account.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=stack.resources.log_table_name, ProjectionExpression="pk, sk")
    )
    return [f"{row['pk']['S']}/{row['sk']['S']}" for page in pages for row in page["Items"]]


def _dead_letter(message: "MessageTypeDef") -> DeadLetterMessage:
    return DeadLetterMessage(message["Body"], from_sqs_attributes(message.get("MessageAttributes")))


def ask(url: str, method: str = "GET", body: bytes | None = None) -> str:
    """Return the text of what a page of a local part answers.

    Raises:
        URLError: it does not answer, or not with success.
    """
    request = urllib.request.Request(url, body, method=method)  # noqa: S310  (our own, on loopback)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310  (as above)
        text: str = answer.read().decode()
        return text
