"""Edge: the dead-letter queue."""

from collections.abc import Callable, Sequence
from typing import Any

from whyness_events.delivery.aws import LazyClient
from whyness_events.delivery.letters import Letter, pack_entries
from whyness_events.delivery.ports import Clock, call_s


class SqsDeadLetters:
    """The DeadLetters port over SQS.

    Args:
        queue_url: of the dead-letter queue.
        make_client: returns an SQS client; called when the first letter goes.
        clock: for the deadline.
    """

    def __init__(self, queue_url: str, make_client: Callable[[], Any], clock: Clock) -> None:
        self._queue_url = queue_url
        self._sqs = LazyClient(make_client)
        self._clock = clock

    def send(self, letters: Sequence[Letter], *, deadline_s: float) -> list[str | None]:
        """Send the letters; see DeadLetters. What the deadline cuts off counts as not confirmed."""
        confirmed: list[str | None] = []
        for call in pack_entries(letters):
            seconds = call_s(deadline_s - self._clock.monotonic_s())
            confirmed += self._send_call(call, seconds) if seconds else [None] * len(call)
        return confirmed

    def _send_call(self, letters: Sequence[Letter], seconds: float) -> list[str | None]:
        entries = [_entry(str(index), letter) for index, letter in enumerate(letters)]
        answer = self._sqs.attempt("send_message_batch", seconds, QueueUrl=self._queue_url, Entries=entries)
        found = {entry["Id"]: entry["MessageId"] for entry in (answer or {}).get("Successful", [])}
        return [found.get(str(index)) for index in range(len(letters))]


def _entry(entry_id: str, letter: Letter) -> dict[str, Any]:
    attributes = {
        name: {"DataType": "String", "StringValue": value} for name, value in letter.attributes.items()
    }
    return {"Id": entry_id, "MessageBody": letter.body, "MessageAttributes": attributes}
