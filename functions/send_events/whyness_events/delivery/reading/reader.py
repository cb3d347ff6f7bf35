"""Read records: decode, check and encode their events."""

from collections import Counter
from dataclasses import dataclass, field

from whyness_events import limits
from whyness_events.delivery.event_struct import SURE_BYTES
from whyness_events.delivery.items import Item, Record, RecordEvents
from whyness_events.delivery.mixpanel.translate import AnyEvent, Translator
from whyness_events.delivery.reading.decode import check_item, read_record
from whyness_events.errors import EventTooLarge
from whyness_events.outcomes import Outcome, Reason


@dataclass(slots=True)
class Reader:
    """Reads the records of an invocation.

    Args:
        translator: the container's translator.
        default_identity: one of `wire.IDENTITIES`, for messages without a stamp.
        strings_cut: counts the strings that were cut to 255 bytes.
        internal_faults: counts the records that met a bug, by the exception's name; they stay in the queue.
    """

    translator: Translator
    default_identity: str
    strings_cut: int = 0
    internal_faults: Counter[str] = field(default_factory=Counter)

    def read(self, record: Record, *, now_ms: int) -> RecordEvents:
        """Return the record's items, each encoded for Mixpanel, or with an outcome if it cannot be sent."""
        try:
            record_events = read_record(record, now_ms=now_ms, default_identity=self.default_identity)
            for item in record_events.items:
                if item.event is not None and item.outcome is None:
                    self._encode(item, item.event, now_ms)
        except Exception as bug:  # noqa: BLE001  (one record must not stop the others; an alarm counts it)
            self.internal_faults[type(bug).__name__] += 1
            return waiting_whole(record, f"internal fault: {type(bug).__name__}")
        return record_events

    def _encode(self, item: Item, event: AnyEvent, now_ms: int) -> None:
        item.encoded, cut_count = self.translator.translate(event, item.identity)
        self.strings_cut += cut_count
        if len(item.encoded) > SURE_BYTES:  # a nested value may be too large
            check_item(item, now_ms=now_ms)
        if len(item.encoded) > limits.EVENT_BYTES:
            fault = EventTooLarge(len(item.encoded), limits.EVENT_BYTES)
            item.outcome = Outcome(Reason.OVERSIZED, str(fault))


def waiting_whole(record: Record, detail: str) -> RecordEvents:
    """Return a record that stays in the queue unread, for the reason in `detail`; it counts as one event."""
    return RecordEvents(record, [Item(record, 0, outcome=Outcome(Reason.RETRY, detail))], whole=True)
