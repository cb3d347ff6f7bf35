"""Pure: which events may share a request, and which need not be sent."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field

from whyness_events import limits
from whyness_events.delivery.items import Item, RecordEvents, to_send
from whyness_events.delivery.sending.evidence import Delivered
from whyness_events.delivery.sending.packing import RequestLimits, pack
from whyness_events.outcomes import DELIVERED

# From this receive count on, records have met trouble: fresher ones do not share a request with them.
_TROUBLED_FROM = 3
# From this receive count on, each receive halves the events of a request, down to one, so that an event that
# makes requests fail without being named ends up alone.
_HALVED_FROM = 6
# An invocation surely has time for this many requests.
_TROUBLED_REQUESTS = 500


def batches(received: Sequence[RecordEvents], body_bytes: int) -> Iterator[Sequence[Item]]:
    """Yield the items of each request, with a body of at most `body_bytes`; the freshest records first."""
    for group in by_trouble(received):
        items = to_send(group)
        most = events_per_request(group[0].record.receive_count, sum(map(len, items)))
        yield from pack(items, RequestLimits(most, body_bytes))


def by_trouble(received: Iterable[RecordEvents]) -> list[list[RecordEvents]]:
    """Return the records grouped by receive count, those without trouble in one group; the freshest first."""
    fresh, groups = list[RecordEvents](), dict[int, list[RecordEvents]]()
    for record_events in received:
        count = record_events.record.receive_count
        if count < _TROUBLED_FROM:
            fresh.append(record_events)
        else:
            groups.setdefault(max(count, _HALVED_FROM - 1), []).append(record_events)
    troubled = [groups[count] for count in sorted(groups)]
    return [fresh, *troubled] if fresh else troubled


def events_per_request(receive_count: int, event_count: int) -> int:
    """Return how many of `event_count` events, from records received this often, may share a request.

    Enough for all of them to be sent: a large record is settled in one invocation, or never.
    """
    halved = limits.REQUEST_EVENTS >> max(0, receive_count - _HALVED_FROM + 1)
    return max(1, halved, -(-event_count // _TROUBLED_REQUESTS))


class Repeats(Struct):
    """The items of an invocation that repeat others.

    Items are equal if their bytes for Mixpanel are: equal deduplication keys with other content are both
    sent. Bytes hold the insert id, so they are compared only where an id comes again.
    """

    count: int = 0
    _by_id: dict[str, Item] = field(default_factory=dict)
    _by_bytes: dict[bytes, Item] = field(default_factory=dict)

    def drop(self, received: Iterable[RecordEvents]) -> None:
        """Set `first` of items that equal an earlier one, and count them."""
        add = self._by_id.setdefault
        for record_events in received:
            for item in record_events.items:
                if item.outcome is None and item.event is not None:
                    earlier = add(item.event.insert_id, item)
                    if earlier is not item:
                        self._compare(item, earlier)

    def _compare(self, item: Item, earlier: Item) -> None:
        """Find the item among those with its insert id, of which `earlier` is the first."""
        self._by_bytes.setdefault(earlier.encoded, earlier)
        first = self._by_bytes.setdefault(item.encoded, item)
        if first is not item:
            item.first = first
            self.count += 1


def drop_delivered(received: Iterable[RecordEvents], delivered: Delivered) -> None:
    """Give events of returning records the outcome `delivered` if this container knows it."""
    if not delivered:
        return
    for record_events in received:
        if record_events.record.receive_count > 1:
            for item in record_events.items:
                if item.outcome is None and item.first is None and item in delivered:
                    item.outcome = DELIVERED


def keep_delivered(received: Iterable[RecordEvents], delivered: Delivered) -> None:
    """Remember the delivered events of records that will return."""
    for record_events in received:
        if not record_events.is_delivered and any(
            item.result.reason.is_waiting for item in record_events.items
        ):
            for item in record_events.items:
                if item.outcome is DELIVERED:
                    delivered.add(item)
