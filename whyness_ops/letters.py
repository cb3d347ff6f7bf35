"""Pure: a dead letter as SQS hands it out, and what can be said about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from whyness_events import Message, UnknownVersion, UnreadableMessage, decode_message, valid_insert_id
from whyness_events.log_entry import LogKey, log_key
from whyness_ops.moments import known_ms, moment, parse_moment

# No attribute `reason`, and SQS says from which queue it moved the message: it was received too often.
CRASHED = "crashed"
# No attribute `reason` and no source: written by hand, or a letter so large that no attribute had room.
UNKNOWN = "unknown"
# Reasons after which the event cannot have been counted by Mixpanel ...
_NEVER_COUNTED = frozenset({"rejected", "oversized", "unreadable"})
# ... unless it was refused alone by an answer that explains nothing, which may have come after the import.
_UNEXPLAINED_STATUSES = frozenset({"200", "400"})
_REFUSED_ALONE = "to this event alone"


@dataclass(frozen=True)
class DeadLetter:
    """One message of the dead-letter queue.

    Args:
        message_id: in that queue.
        body: as it is.
        attributes: the message attributes that are text, such as `reason`.
        sent_ms: SQS's SentTimestamp; of a `crashed` one, when it was first published.
        source_arn: the queue SQS moved it from, `""` where it was sent here.
        receipt_handle: of this receive.
    """

    message_id: str
    body: str
    attributes: Mapping[str, str]
    sent_ms: int = 0
    source_arn: str = ""
    receipt_handle: str = ""

    @property
    def reason(self) -> str:
        """Why it is here: the attribute, or `crashed`, or `unknown`."""
        return self.attributes.get("reason") or (CRASHED if self.source_arn else UNKNOWN)

    @property
    def may_count(self) -> bool:
        """Whether Mixpanel may count its event already."""
        detail = self.attributes.get("detail", "")
        is_named = bool(detail) and not detail.endswith(_REFUSED_ALONE)
        is_unclear = self.attributes.get("http_status") in _UNEXPLAINED_STATUSES and not is_named
        return self.reason not in _NEVER_COUNTED or is_unclear

    @cached_property
    def message(self) -> Message | None:
        """The decoded body; None where no event can be read from it."""
        try:
            return decode_message(self.body)
        except (UnreadableMessage, UnknownVersion, RecursionError):
            return None

    @property
    def raw_events(self) -> Sequence[object]:
        """The events in it, as decoded JSON of any kind; none where the body cannot be read."""
        return self.message.raw_events if self.message else ()

    @property
    def died_ms(self) -> int:
        """When it failed, epoch milliseconds; when it was sent, where that is not written on it."""
        return parse_moment(self.attributes.get("failed_at", "")) or self.sent_ms

    @property
    def log_key(self) -> LogKey | None:
        """Where its Log row is; None where nobody can tell, as for a message of several events."""
        if carried := LogKey.parse(self.attributes.get("log_key", "")):
            return carried
        if len(self.raw_events) != 1 or not valid_insert_id(_field(self.raw_events[0], "insert_id")):
            return None
        return log_key(self.raw_events[0], message_id=self.message_id, position=0)

    def values(self, name: str) -> list[object]:
        """Return a field of each event in it, None where an event has none."""
        found = [_field(raw, name) for raw in self.raw_events]
        carried = self.attributes.get("insert_id") if name == "insert_id" else None
        return [*found, carried] if carried else found

    @property
    def insert_id(self) -> str:
        """Return the insert id of its one event, `""` where it has none or several events."""
        ids = {str(value) for value in self.values("insert_id") if value and isinstance(value, str | int)}
        return ids.pop() if len(ids) == 1 else ""

    def describe(self) -> dict[str, Any]:
        """Return what a list shows: no payload."""
        return {
            "message_id": self.message_id,
            "reason": self.reason,
            "detail": self.attributes.get("detail", ""),
            "insert_id": self.insert_id,
            "event_count": len(self.raw_events),
            "sent_at": moment(self.sent_ms),
            "failed_at": moment(self.died_ms),
        }


def read_letter(received: Mapping[str, Any]) -> DeadLetter:
    """Return the letter that an element of ReceiveMessage's `Messages` is."""
    system = received.get("Attributes", {})
    texts = {n: a.get("StringValue") for n, a in received.get("MessageAttributes", {}).items()}
    return DeadLetter(
        message_id=received["MessageId"],
        body=received["Body"],
        attributes={name: text for name, text in texts.items() if text},
        sent_ms=known_ms(system.get("SentTimestamp")),
        source_arn=system.get("DeadLetterQueueSourceArn", ""),
        receipt_handle=received["ReceiptHandle"],
    )


def _field(raw: object, name: str) -> object:
    return raw.get(name) if isinstance(raw, dict) else None
