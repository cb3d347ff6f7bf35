"""Records into items that are ready to be sent."""

from collections import Counter
from dataclasses import dataclass, field

from whyness_events import limits
from whyness_events.delivery.event_struct import SURE_BYTES
from whyness_events.delivery.items import Item, Record, RecordEvents
from whyness_events.delivery.mixpanel.translate import AnyEvent, Translator
from whyness_events.delivery.reading.decode import look_closer, read_record
from whyness_events.errors import EventTooLarge
from whyness_events.outcomes import Outcome, Reason


@dataclass(slots=True)
class Reader:
    """Reads the records of an invocation.

    Args:
        translator: the container's.
        default_identity: for messages without a stamp.
        strings_cut: strings over 255 bytes, cut.
        internal_faults: records that met a bug of ours, by its type; they stay in the queue.
    """

    translator: Translator
    default_identity: str
    strings_cut: int = 0
    internal_faults: Counter[str] = field(default_factory=Counter)

    def read(self, record: Record, *, now_ms: int) -> RecordEvents:
        """Return the record's items, each encoded for Mixpanel or with the outcome that says why not."""
        try:
            record_events = read_record(record, now_ms=now_ms, default_identity=self.default_identity)
            for item in record_events.items:
                if item.event is not None and item.outcome is None:
                    self._encode(item, item.event, now_ms)
        except Exception as bug:  # noqa: BLE001  (one record must not stop the others; counted, kept, alarmed)
            self.internal_faults[type(bug).__name__] += 1
            return waiting_whole(record, f"internal fault: {type(bug).__name__}")
        return record_events

    def _encode(self, item: Item, event: AnyEvent, now_ms: int) -> None:
        item.encoded, cut_count = self.translator.translate(event, item.identity)
        self.strings_cut += cut_count
        if len(item.encoded) > SURE_BYTES:  # it may hold too much
            look_closer(item, now_ms=now_ms)
        if len(item.encoded) > limits.EVENT_BYTES:
            fault = EventTooLarge(len(item.encoded), limits.EVENT_BYTES)
            item.outcome = Outcome(Reason.OVERSIZED, str(fault))


def waiting_whole(record: Record, detail: str) -> RecordEvents:
    """Return an unread record that stays in the queue; it counts as one event."""
    return RecordEvents(record, [Item(record, 0, outcome=Outcome(Reason.RETRY, detail))], whole=True)
