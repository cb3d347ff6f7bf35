"""Inspect a local stack: where its events are, and the rows of its Log table."""

import json
from typing import Any

from local.accounting import DeadLetter, Fate, Snapshot, Waiting, key_at_mixpanel, keys_in
from local.control import ask
from local.stack import LocalStack
from whyness_ops.letters import DeadLetter as DeadLetterMessage
from whyness_ops.letters import read_letter

# Longer than any inspection: a dead letter must not be received twice.
_HIDDEN_S = 3_600


def take_snapshot(stack: LocalStack) -> Snapshot:
    """Return where the events are. No message is deleted."""
    return Snapshot(
        at_mixpanel=[key_at_mixpanel(event) for event in stack.mixpanel.events()],
        dead_letters=[_accountable(letter) for letter in dead_letters(stack)],
        waiting=_waiting(stack),
    )


def dead_letters(stack: LocalStack) -> list[DeadLetterMessage]:
    """Receive all dead letters, and make them visible again."""
    sqs, queue_url = stack.account.client("sqs"), stack.resources.dead_letter_queue_url
    letters: list[DeadLetterMessage] = []
    while messages := sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=_HIDDEN_S,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    ).get("Messages"):
        letters += map(read_letter, messages)
    for letter in letters:
        sqs.change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=letter.receipt_handle, VisibilityTimeout=0
        )
    return letters


def queued_message_count(stack: LocalStack) -> int:
    """Return how many messages are in the queue, visible or not."""
    names: Any = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
    answer = stack.account.client("sqs").get_queue_attributes(
        QueueUrl=stack.resources.queue_url, AttributeNames=names
    )
    return sum(map(int, answer["Attributes"].values()))


def log_keys(stack: LocalStack) -> list[str]:
    """Return the keys of the rows in the Log table, as dead letters name them."""
    pages = (
        stack.account.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=stack.resources.log_table_name, ProjectionExpression="pk, sk")
    )
    return [f"{row['pk']['S']}/{row['sk']['S']}" for page in pages for row in page["Items"]]


def _accountable(letter: DeadLetterMessage) -> DeadLetter:
    told = letter.told
    fate = Fate(told.source_message_id, letter.reason, bool(told.http_status))
    return DeadLetter(fate, str(told.log_key or ""), keys_in(letter.body))


def _waiting(stack: LocalStack) -> list[Waiting]:
    """Read the queue's messages, hidden ones too, by a page that only the emulator has."""
    query = f"account={stack.account.access_key}&QueueUrl={stack.resources.queue_url}"
    answer = json.loads(ask(f"{stack.account.endpoint}/_ministack/sqs/messages?{query}"))["messages"]
    queues = (
        queue for regions in answer.values() for region in regions.values() for queue in region.values()
    )
    return [Waiting(message["MessageId"], keys_in(message["Body"])) for queue in queues for message in queue]
