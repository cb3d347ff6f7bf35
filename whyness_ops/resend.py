"""Pure: what is sent for a dead letter."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from whyness_events.dead_letter import LOG_KEY, attributes_bytes, fit, to_sqs_attributes
from whyness_events.log_entry import LogKey
from whyness_events.values import size_bytes
from whyness_ops.dead_letter_message import DeadLetter, event_key
from whyness_ops.snapshot import marks

# A group of its own for SQS's fair queues: redriven events must not delay today's events.
MESSAGE_GROUP = "redrive"


@dataclass(frozen=True, slots=True)
class Resend:
    """A dead letter and the body that is sent for it, which an edit may have changed."""

    dead_letter: DeadLetter
    body: str

    def entry(self) -> dict[str, Any]:
        """Return it as SendMessageBatch takes it, without an id."""
        entry = {"MessageBody": self.body, "MessageGroupId": MESSAGE_GROUP}
        if not self._attributes:
            return entry
        return {**entry, "MessageAttributes": to_sqs_attributes(self._attributes)}

    @property
    def message_id(self) -> str:
        """Of the dead letter."""
        return self.dead_letter.message_id

    @property
    def marks(self) -> set[str]:
        """What identifies it if it comes back."""
        return marks(self.dead_letter) | marks(self._edited)

    @property
    def size_bytes(self) -> int:
        """What SQS counts: body and attributes."""
        return size_bytes(self.body) + attributes_bytes(self._attributes)

    @property
    def edited_key(self) -> LogKey | None:
        """The key of the event that is sent; None if it is the key of its row."""
        key = event_key(self._edited.raw_events)
        return None if key == self.dead_letter.log_key else key

    @property
    def _edited(self) -> DeadLetter:
        is_edited = self.body != self.dead_letter.body
        return replace(self.dead_letter, body=self.body) if is_edited else self.dead_letter

    @property
    def _attributes(self) -> Mapping[str, str]:
        key = self.dead_letter.log_key
        return fit({LOG_KEY: str(key)}, size_bytes(self.body)) if key else {}
