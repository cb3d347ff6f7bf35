"""Records into items that are ready to be sent."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from whyness_events import limits
from whyness_events.delivery.decode import read_record
from whyness_events.delivery.items import Item, Parcel, Record
from whyness_events.delivery.outcomes import Outcome, Reason
from whyness_events.delivery.translate import DescribeUseragent, translate
from whyness_events.errors import EventTooLarge

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Reader:
    """Reads the records of an invocation.

    Args:
        describe_useragent: the parser.
        default_identity: for messages without a stamp.
        strings_cut: strings over 255 bytes, cut.
        internal_faults: records that met a bug of ours, by its type; they stay in the queue.
    """

    describe_useragent: DescribeUseragent
    default_identity: str
    strings_cut: int = 0
    internal_faults: Counter[str] = field(default_factory=Counter)

    def read(self, record: Record, *, now_ms: int) -> Parcel:
        """Return the record's items, each encoded for Mixpanel or with the outcome that says why not."""
        try:
            parcel = read_record(record, now_ms=now_ms, default_identity=self.default_identity)
            for item in parcel.items:
                if item.outcome is None:
                    self._encode(item)
        except Exception as bug:  # noqa: BLE001  (one record must not stop the others; counted, kept, alarmed)
            self.internal_faults[type(bug).__name__] += 1
            return waiting_whole(record, f"internal fault: {type(bug).__name__}")
        return parcel

    def _encode(self, item: Item) -> None:
        assert item.event is not None  # noqa: S101  (an item without an outcome has its event)
        translated, cut_count = translate(item.event, item.identity, self.describe_useragent)
        self.strings_cut += cut_count
        item.encoded = _encode(translated)
        if len(item.encoded) > limits.EVENT_BYTES:
            fault = EventTooLarge(len(item.encoded), limits.EVENT_BYTES)
            item.outcome = Outcome(Reason.OVERSIZED, str(fault))


def waiting_whole(record: Record, detail: str) -> Parcel:
    """Return an unread record that stays in the queue; it counts as one event."""
    return Parcel(record, [Item(record, 0, outcome=Outcome(Reason.RETRY, detail))], whole=True)
