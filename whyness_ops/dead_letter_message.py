"""Pure: a dead letter as SQS returns it, and what can be read from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from whyness_events import Message, UnknownVersion, UnreadableMessage, decode_message, valid_insert_id
from whyness_events.dead_letter import DeadLetterAttributes, from_sqs_attributes, moment
from whyness_events.log_entry import LogKey, log_key
from whyness_events.outcomes import CRASHED, UNKNOWN

# Of a moment before the year 10000; int() refuses thousands.
_MOST_DIGITS = 15


@dataclass(frozen=True)
class DeadLetter:
    """One message of the dead-letter queue.

    Args:
        message_id: in that queue.
        body: as it is.
        attributes: the message attributes that are text; `told` decodes them.
        sent_ms: SQS's SentTimestamp; of a `crashed` one, the time of its publication.
        source_arn: the queue from which SQS moved it, `""` if it was sent to the dead-letter queue.
        receipt_handle: of this receive.
    """

    message_id: str
    body: str
    attributes: Mapping[str, str]
    sent_ms: int = 0
    source_arn: str = ""
    receipt_handle: str = ""

    @cached_property
    def told(self) -> DeadLetterAttributes:
        """What the attributes say."""
        return DeadLetterAttributes.decode(self.attributes)

    @property
    def reason(self) -> str:
        """Why it is dead: its attribute, or `crashed`, or `unknown`."""
        return self.told.reason or (CRASHED if self.source_arn else UNKNOWN)

    @property
    def may_count(self) -> bool:
        """Whether Mixpanel may already count its event."""
        return self.told.may_count

    @cached_property
    def message(self) -> Message | None:
        """The decoded body; None if no event can be read from it."""
        try:
            return decode_message(self.body)
        except (UnreadableMessage, UnknownVersion, RecursionError):
            return None

    @property
    def raw_events(self) -> Sequence[object]:
        """Its events as decoded JSON of any kind; none if the body cannot be read."""
        return self.message.raw_events if self.message else ()

    @property
    def died_ms(self) -> int:
        """When it failed, in epoch milliseconds; if no attribute says so, when it was sent."""
        return self.told.failed_at_ms or self.sent_ms

    @property
    def log_key(self) -> LogKey | None:
        """The key of its Log row; None if unknown, as for a message of several events."""
        return self.told.log_key or event_key(self.raw_events)

    def values(self, name: str) -> list[object]:
        """Return a field of each of its events, None for an event without it."""
        values = [_field(raw, name) for raw in self.raw_events]
        carried = self.told.insert_id if name == "insert_id" else ""
        return [*values, carried] if carried else values

    @property
    def insert_id(self) -> str:
        """Return the insert id of its event, `""` if it has none, or several events."""
        ids = {str(value) for value in self.values("insert_id") if value and isinstance(value, str | int)}
        return ids.pop() if len(ids) == 1 else ""

    def describe(self) -> dict[str, Any]:
        """Return what a list shows; no payload."""
        return {
            "message_id": self.message_id,
            "reason": self.reason,
            "detail": self.told.detail,
            "insert_id": self.insert_id,
            "event_count": len(self.raw_events),
            "sent_at": moment(self.sent_ms),
            "failed_at": moment(self.died_ms),
        }


def read_dead_letter(received: Mapping[str, Any]) -> DeadLetter:
    """Return the dead letter in an element of ReceiveMessage's `Messages`."""
    system = received.get("Attributes", {})
    return DeadLetter(
        message_id=received["MessageId"],
        body=received["Body"],
        attributes=from_sqs_attributes(received.get("MessageAttributes")),
        sent_ms=_epoch_ms(str(system.get("SentTimestamp"))),
        source_arn=system.get("DeadLetterQueueSourceArn", ""),
        receipt_handle=received["ReceiptHandle"],
    )


def event_key(raw_events: Sequence[object]) -> LogKey | None:
    """Return the key of a message's event; None if it has several events, or no valid insert id."""
    if len(raw_events) != 1 or not valid_insert_id(_field(raw_events[0], "insert_id")):
        return None
    return log_key(raw_events[0], message_id="", position=0)


def _epoch_ms(text: str) -> int:
    """Return the time, 0 if unknown."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0


def _field(raw: object, name: str) -> object:
    return raw.get(name) if isinstance(raw, dict) else None
