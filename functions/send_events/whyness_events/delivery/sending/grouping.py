"""Pure: which events may travel together, and which need not travel at all."""

from collections.abc import Iterable, Iterator, Sequence

from whyness_events import limits
from whyness_events.delivery.items import Item, RecordEvents, to_send
from whyness_events.delivery.sending.evidence import Delivered
from whyness_events.delivery.sending.packing import RequestLimits, pack
from whyness_events.outcomes import DELIVERED

# Records received this often have met trouble: fresher ones do not travel with them ...
_TROUBLED_FROM = 3
# ... and from here on fewer events share a request with each receive, down to one: an event that makes
# requests fail without being named ends up alone.
_HALVED_FROM = 6
# How many requests an invocation surely gets through, with some time to spare.
_TROUBLED_REQUESTS = 500


def batches(received: Sequence[RecordEvents], body_bytes: int) -> Iterator[Sequence[Item]]:
    """Return what each request carries, of at most `body_bytes`: the freshest records first."""
    for group in by_trouble(received):
        items = to_send(group)
        most = events_per_request(group[0].record.receive_count, sum(map(len, items)))
        yield from pack(items, RequestLimits(most, body_bytes))


def by_trouble(received: Iterable[RecordEvents]) -> list[list[RecordEvents]]:
    """Return the records grouped by how much trouble they have met: the freshest first, order kept."""
    groups: dict[int, list[RecordEvents]] = {}
    for record_events in received:
        count = record_events.record.receive_count
        trouble = 0 if count < _TROUBLED_FROM else max(count, _HALVED_FROM - 1)
        groups.setdefault(trouble, []).append(record_events)
    return [groups[trouble] for trouble in sorted(groups)]


def events_per_request(receive_count: int, event_count: int) -> int:
    """Return how many events of records received this often may share a request, of `event_count` in all.

    So many that all of them get their turn: a large record is settled in one invocation or never.
    """
    halved = limits.REQUEST_EVENTS >> max(0, receive_count - _HALVED_FROM + 1)
    return max(1, halved, -(-event_count // _TROUBLED_REQUESTS))


def drop_repeats(received: Iterable[RecordEvents], seen: dict[bytes, Item]) -> int:
    """Let each event that is equal to one of `seen` share its outcome, add the others; return how many.

    Equal means the same bytes for Mixpanel: equal keys with different content are both sent.
    """
    repeats = 0
    add = seen.setdefault
    for record_events in received:
        for item in record_events.items:
            if item.outcome is None and (first := add(item.encoded, item)) is not item:
                item.first = first
                repeats += 1
    return repeats


def drop_delivered(received: Iterable[RecordEvents], delivered: Delivered) -> None:
    """Give events of records that come again their outcome, where this container knows it."""
    if not delivered:
        return
    for record_events in received:
        if record_events.record.receive_count > 1:
            for item in record_events.items:
                if item.outcome is None and item.first is None and item in delivered:
                    item.outcome = DELIVERED


def keep_delivered(received: Iterable[RecordEvents], delivered: Delivered) -> None:
    """Keep which events of records that come again need not be sent again."""
    for record_events in received:
        if not record_events.is_delivered and any(
            item.result.reason.is_waiting for item in record_events.items
        ):
            for item in record_events.items:
                if item.outcome is DELIVERED:
                    delivered.add(item)
