"""Edge: one batch call to SQS, and its answer matched to the entries."""

from collections.abc import Mapping, Sequence
from typing import Any

from whyness_events import sqs_batch
from whyness_events.delivery.aws.clients import LazyClient


def attempt_batch(
    sqs: LazyClient, operation: str, seconds: float, *, queue_url: str, entries: Sequence[Mapping[str, Any]]
) -> sqs_batch.Answered:
    """Call `operation` with at most ten entries, for `seconds` at most; what fails is not confirmed."""
    numbered = sqs_batch.numbered(entries)
    answer = sqs.attempt(operation, seconds, QueueUrl=queue_url, Entries=numbered)
    answered = sqs_batch.read(answer, numbered)
    if answer is not None:
        others = [index for index in range(len(entries)) if index not in answered.confirmed]
        sqs.refused_entries(operation, [answered.code(index) for index in others], answer)
    return answered
