"""What the delivery code finds in a Django process instead of AWS: the outbox is the queue and the record."""

from collections.abc import Sequence

from whyness_events.dead_letter import DeadLetterAttributes
from whyness_events.delivery.ports import DeadLetter
from whyness_events.log_entry import DeliveredRow, LogEntry


class Kept:
    """The DeadLetterQueue port: keeps why each event is dead, until the caller has parked it.

    `reasons` has a safe sentence by the id of the event's record.
    """

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def send(self, dead_letters: Sequence[DeadLetter], *, deadline_s: float) -> list[str | None]:  # noqa: ARG002  (takes no time)
        """Keep the dead letters' reasons; see DeadLetterQueue."""
        return [self._keep(dead_letter) for dead_letter in dead_letters]

    def _keep(self, dead_letter: DeadLetter) -> str | None:
        # A dead letter whose body left no room for them has none: its event stays where it is.
        told = DeadLetterAttributes.decode(dead_letter.attributes)
        if not (told.source_message_id and told.reason):
            return None
        self.reasons[told.source_message_id] = f"{told.reason}: {told.detail or 'no detail'}"
        return told.source_message_id


class NoLog:
    """The Log port: nothing to write, for the outbox shows what waits and what is dead."""

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:  # noqa: ARG002  (as above)
        """Write nothing, and say that all is well."""
        return [True] * len(entries)

    def mark_delivered(self, rows: Sequence[DeliveredRow], *, now_ms: int, deadline_s: float) -> int:  # noqa: ARG002  (as above)
        """Mark nothing, and say that nothing is lost."""
        return 0


class NoQueue:
    """The SourceQueue port: nothing to hide or delete, for the outbox has leases of its own."""

    def delay(self, delays: Sequence[tuple[str, int]], *, deadline_s: float) -> int:  # noqa: ARG002  (as above)
        """Hide nothing, and say that all is hidden."""
        return len(delays)

    def delete(self, receipt_handles: Sequence[str], *, deadline_s: float) -> int:  # noqa: ARG002  (as above)
        """Delete nothing, and say that all is deleted."""
        return len(receipt_handles)
