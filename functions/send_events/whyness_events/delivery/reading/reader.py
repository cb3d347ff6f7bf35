"""Read records: decode, check and encode their events."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field

from whyness_events import limits
from whyness_events.delivery.event_struct import SURE_BYTES
from whyness_events.delivery.items import Item, Record, RecordEvents
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.reading.decode import check_item, read_group
from whyness_events.errors import EventTooLarge
from whyness_events.outcomes import Outcome, Reason

# Records that are read together hold some 128 events: enough for the rules that are checked for all at once.
_GROUP_CHARS = 50_000


class Reader(Struct):
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

    def read(self, records: Sequence[Record], *, now_ms: int) -> list[RecordEvents]:
        """Return the records' items, each encoded for Mixpanel, or with an outcome if it cannot be sent."""
        received: list[RecordEvents] = []
        for group in _groups(records):
            received += self._read_group(group, now_ms)
        return received

    def _read_group(self, records: Sequence[Record], now_ms: int) -> list[RecordEvents]:
        """Read records together; after a bug one by one, so that only those that meet it stay unread."""
        try:
            received = read_group(records, now_ms=now_ms, default_identity=self.default_identity)
            self._encode(received, now_ms)
        except Exception as bug:  # noqa: BLE001  (one record must not stop the others; an alarm counts it)
            if len(records) > 1:
                return [alone for record in records for alone in self._read_group([record], now_ms)]
            self.internal_faults[type(bug).__name__] += 1
            return [waiting_whole(records[0], f"internal fault: {type(bug).__name__}")]
        return received

    def _encode(self, received: Sequence[RecordEvents], now_ms: int) -> None:
        """Encode the items that can be sent."""
        items = [item for record_events in received for item in record_events.items if item.outcome is None]
        events = [item.event for item in items if item.event is not None]
        translated = self.translator.translate(events, [item.identity for item in items])
        for item, (encoded, _) in zip(items, translated, strict=True):
            item.encoded = encoded
            if len(encoded) > SURE_BYTES:
                _check_size(item, now_ms)
        self.strings_cut += sum([cut_count for _, cut_count in translated])


def _check_size(item: Item, now_ms: int) -> None:
    """Give an item its outcome if it is too large, or holds a nested value that is."""
    check_item(item, now_ms=now_ms)
    if len(item.encoded) > limits.EVENT_BYTES:
        fault = EventTooLarge(len(item.encoded), limits.EVENT_BYTES)
        item.outcome = Outcome(Reason.OVERSIZED, str(fault))


def _groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield consecutive records whose bodies have about _GROUP_CHARS characters together."""
    group: list[Record] = []
    chars = 0
    for record in records:
        group.append(record)
        chars += len(record.body)
        if chars >= _GROUP_CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group


def waiting_whole(record: Record, detail: str) -> RecordEvents:
    """Return a record that stays in the queue unread, for the reason in `detail`; it counts as one event."""
    return RecordEvents(record, [Item(record, 0, outcome=Outcome(Reason.RETRY, detail))], whole=True)
