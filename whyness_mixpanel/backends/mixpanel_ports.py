"""The ports of the delivery code in a Django process, where the outbox replaces AWS."""

from collections.abc import Sequence

from whyness_events.dead_letter import DeadLetterAttributes
from whyness_events.delivery.ports import DeadLetter
from whyness_events.log_entry import DeliveredRow, LogEntry


class Kept:
    """The DeadLetterQueue port: keeps the reason of each dead event until the caller has parked it.

    `reasons` are free of values, by the id of the event's record.
    """

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def send(self, dead_letters: Sequence[DeadLetter], *, deadline_s: float) -> list[str | None]:  # noqa: ARG002  (takes no time)
        """Keep the dead letters' reasons; see DeadLetterQueue."""
        return [self._keep(dead_letter) for dead_letter in dead_letters]

    def _keep(self, dead_letter: DeadLetter) -> str | None:
        # Without attributes (the body left no room for them), the event stays in the outbox.
        told = DeadLetterAttributes.decode(dead_letter.attributes)
        if not (told.source_message_id and told.reason):
            return None
        self.reasons[told.source_message_id] = f"{told.reason}: {told.detail or 'no detail'}"
        return told.source_message_id


class NoLog:
    """The Log port: writes nothing, because the outbox shows what waits and what is dead."""

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:  # noqa: ARG002  (as above)
        """Write nothing, and confirm all."""
        return [True] * len(entries)

    def mark_delivered(self, rows: Sequence[DeliveredRow], *, now_ms: int, deadline_s: float) -> int:  # noqa: ARG002  (as above)
        """Mark nothing, and report no failure."""
        return 0


class NoQueue:
    """The SourceQueue port: hides and deletes nothing, because the outbox has its own leases."""

    def delay(self, delays: Sequence[tuple[str, int]], *, deadline_s: float) -> int:  # noqa: ARG002  (as above)
        """Hide nothing, and confirm all."""
        return len(delays)

    def delete(self, receipt_handles: Sequence[str], *, deadline_s: float) -> int:  # noqa: ARG002  (as above)
        """Delete nothing, and confirm all."""
        return len(receipt_handles)
