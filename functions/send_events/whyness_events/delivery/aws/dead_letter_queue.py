"""Edge: the dead-letter queue."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from whyness_events import sqs_batch
from whyness_events.dead_letter import to_sqs_attributes
from whyness_events.delivery.aws.clients import LazyClient
from whyness_events.delivery.aws.queue_calls import attempt_batch
from whyness_events.delivery.ports import Clock, DeadLetter, call_s


class SqsDeadLetterQueue:
    """The DeadLetterQueue port over SQS.

    Args:
        queue_url: of the dead-letter queue.
        sqs: a client of SQS.
        clock: for the deadline.
    """

    def __init__(self, queue_url: str, sqs: LazyClient, clock: Clock) -> None:
        self._queue_url = queue_url
        self._sqs = sqs
        self._clock = clock

    def send(self, dead_letters: Sequence[DeadLetter], *, deadline_s: float) -> list[str | None]:
        """Send the dead letters; see DeadLetterQueue. Those that the deadline cuts off are not confirmed."""
        confirmed: list[str | None] = []
        for call in sqs_batch.in_calls(dead_letters, attrgetter("size_bytes")):
            seconds = call_s(deadline_s - self._clock.monotonic_s())
            confirmed += self._send_call(call, seconds) if seconds else [None] * len(call)
        return confirmed

    def _send_call(self, dead_letters: Sequence[DeadLetter], seconds: float) -> list[str | None]:
        entries = [_entry(dead_letter) for dead_letter in dead_letters]
        answered = attempt_batch(
            self._sqs, "send_message_batch", seconds, queue_url=self._queue_url, entries=entries
        )
        return [answered.confirmed.get(index, {}).get("MessageId") for index in range(len(dead_letters))]


def _entry(dead_letter: DeadLetter) -> dict[str, Any]:
    return {"MessageBody": dead_letter.body, "MessageAttributes": to_sqs_attributes(dead_letter.attributes)}
