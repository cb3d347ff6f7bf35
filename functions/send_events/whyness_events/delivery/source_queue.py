"""Edge: the queue that the records come from."""

from collections.abc import Callable, Sequence
from typing import Any

from whyness_events import limits
from whyness_events.delivery.aws import LazyClient
from whyness_events.delivery.ports import LONGEST_CALL_S, Clock


class SqsSourceQueue:
    """The SourceQueue port over SQS.

    Args:
        queue_url: of the source queue.
        make_client: returns an SQS client; called when the first record is handed back.
        clock: for the deadline.
    """

    def __init__(self, queue_url: str, make_client: Callable[[], Any], clock: Clock) -> None:
        self._queue_url = queue_url
        self._sqs = LazyClient(make_client)
        self._clock = clock

    def delay(self, delays: Sequence[tuple[str, int]], *, deadline_s: float) -> int:
        """Hide records for a while; see SourceQueue. No call is begun after the deadline."""
        confirmed = 0
        for start in range(0, len(delays), limits.BATCH_ENTRIES):
            if self._clock.monotonic_s() >= deadline_s:
                break
            confirmed += self._delay_some(delays[start : start + limits.BATCH_ENTRIES])
        return confirmed

    def _delay_some(self, delays: Sequence[tuple[str, int]]) -> int:
        entries = [
            {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for index, (handle, seconds) in enumerate(delays)
        ]
        answer = self._sqs.attempt(
            "change_message_visibility_batch", LONGEST_CALL_S, QueueUrl=self._queue_url, Entries=entries
        )
        return len((answer or {}).get("Successful", []))
