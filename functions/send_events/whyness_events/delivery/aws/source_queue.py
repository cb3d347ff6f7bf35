"""Edge: the source queue."""

from collections.abc import Sequence
from typing import Any

from whyness_events import sqs_batch
from whyness_events.delivery.aws.clients import LazyClient
from whyness_events.delivery.aws.queue_calls import attempt_batch
from whyness_events.delivery.ports import Clock, call_s


class SqsSourceQueue:
    """The SourceQueue port over SQS.

    Args:
        queue_url: of the source queue.
        sqs: a client of SQS.
        clock: for the deadline.
    """

    def __init__(self, queue_url: str, sqs: LazyClient, clock: Clock) -> None:
        self._queue_url = queue_url
        self._sqs = sqs
        self._clock = clock

    def delay(self, delays: Sequence[tuple[str, int]], *, deadline_s: float) -> int:
        """Hide records, each for its number of seconds; see SourceQueue."""
        entries = [{"ReceiptHandle": handle, "VisibilityTimeout": seconds} for handle, seconds in delays]
        return self._in_calls("change_message_visibility_batch", entries, deadline_s)

    def delete(self, receipt_handles: Sequence[str], *, deadline_s: float) -> int:
        """Delete records; see SourceQueue."""
        entries = [{"ReceiptHandle": handle} for handle in receipt_handles]
        return self._in_calls("delete_message_batch", entries, deadline_s)

    def _in_calls(self, operation: str, entries: Sequence[dict[str, Any]], deadline_s: float) -> int:
        confirmed = 0
        for part in sqs_batch.in_calls(entries):
            seconds = call_s(deadline_s - self._clock.monotonic_s())
            if not seconds:
                break
            answered = attempt_batch(self._sqs, operation, seconds, queue_url=self._queue_url, entries=part)
            confirmed += len(answered.confirmed)
        return confirmed
