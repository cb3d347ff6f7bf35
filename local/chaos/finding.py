"""Where the events of a stack are, each by its four deduplication fields."""

from typing import TYPE_CHECKING

from local import inventory
from local.chaos.account import Found, Letter
from local.reconcile import key_at_mixpanel, keys_in
from local.stack import LocalStack
from whyness_ops.dead_letter_message import read_dead_letter

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef


def find(stack: LocalStack) -> Found:
    """Return where the events are; the dead letters are gone afterwards."""
    return Found(
        at_mixpanel=[key_at_mixpanel(event) for event in inventory.events_at_mixpanel(stack)],
        letters=take_letters(stack),
        waiting=[key for _, body in inventory.queued_messages(stack) for key in keys_in(body)],
    )


def take_letters(stack: LocalStack) -> list[Letter]:
    """Receive and delete all dead letters; a reason is what `whyness-mixpanel` shows a person."""
    sqs, url = stack.account.client("sqs"), stack.resources.dead_letter_queue_url
    found: list[Letter] = []
    while received := sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    ).get("Messages"):
        letters = [read_dead_letter(message) for message in received]
        found += [Letter(letter.reason, keys_in(letter.body)) for letter in letters]
        entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
            {"Id": str(at), "ReceiptHandle": letter.receipt_handle} for at, letter in enumerate(letters)
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return found
