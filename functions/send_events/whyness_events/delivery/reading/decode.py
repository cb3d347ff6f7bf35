"""Pure: decode a record's body into events, each judged on its own.

A fast, strict decoder reads what our own publisher writes. The contract reads the bodies that it refuses,
leniently, so that one bad event is named and its neighbours are sent.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from whyness_events.delivery.event_struct import EventStruct, are_surely_valid
from whyness_events.delivery.items import Item, Record, RecordEvents
from whyness_events.errors import InvalidEvent, UnknownVersion, UnreadableEvent, UnreadableMessage
from whyness_events.event import check_event, parse_event, valid_insert_id
from whyness_events.outcomes import Outcome, Reason
from whyness_events.wire import SCHEMA_VERSION, Identity, decode_message

_EARLY = "its time is in the future; it will be sent when that time comes"
# How far Mixpanel's clock may be behind ours.
_CLOCKS_DIFFER_S = 1.0


_Version = Annotated[int, msgspec.Meta(ge=1, le=SCHEMA_VERSION)]


class _Envelope(msgspec.Struct, gc=False):
    events: list[EventStruct]
    schema_version: _Version = 1
    identity: Identity | None = None


class _Single(EventStruct):
    """An event that is a whole body. A body with `events` is an envelope."""

    schema_version: _Version = 1
    identity: Identity | None = None
    events: Any = msgspec.UNSET


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_single = msgspec.json.Decoder(_Single).decode


def read_group(records: Sequence[Record], *, now_ms: int, default_identity: str) -> list[RecordEvents]:
    """Return the records' items, each with its event, or with the outcome of one that cannot be sent.

    Args:
        records: as received; the rules are checked for all their events together.
        now_ms: the reader's clock, epoch milliseconds.
        default_identity: one of `wire.IDENTITIES`, for a message without a stamp.
    """
    received: list[RecordEvents] = []
    unchecked, all_events = list[Item](), list[EventStruct]()
    for record in records:
        record_events = RecordEvents(record, items := [])
        received.append(record_events)
        fast = _read_fast(record.body)
        if fast is None:
            _read_leniently(record_events, now_ms, default_identity)
            continue
        stamp, events = fast
        identity = stamp or default_identity
        for position, event in enumerate(events):
            items.append(Item(record, position, event, identity))
        unchecked += items
        all_events += events
    for item in _doubtful(unchecked, all_events, now_ms):
        check_item(item, now_ms=now_ms)
    return received


def _doubtful(items: Sequence[Item], events: Sequence[EventStruct], now_ms: int) -> Sequence[Item]:
    """Return the items that the contract must check, by halves of halves; `events` are theirs."""
    if not items or are_surely_valid(events, now_ms=now_ms):
        return ()
    if len(items) == 1:
        return items
    middle = len(items) // 2
    return [
        *_doubtful(items[:middle], events[:middle], now_ms),
        *_doubtful(items[middle:], events[middle:], now_ms),
    ]


def check_item(item: Item, *, now_ms: int) -> None:
    """Give an item whose event breaks a rule, or is early, its outcome; `now_ms` is in epoch milliseconds."""
    assert item.event is not None  # noqa: S101  (it was decoded)
    try:
        check_event(item.event, now_ms=now_ms)
    except InvalidEvent as fault:
        _refuse(item, fault, item.event.insert_id)
    else:
        _let_wait(item, item.event.time - now_ms)


def _let_wait(item: Item, early_ms: int) -> None:
    """Keep an event until its time: before, Mixpanel would replace its time, and count a duplicate twice."""
    if early_ms > 0:
        item.outcome = Outcome(Reason.EARLY, _EARLY, wait_s=early_ms / 1000 + _CLOCKS_DIFFER_S)


def _read_fast(body: str) -> tuple[str | None, Sequence[EventStruct]] | None:
    """Return identity and events, or None for a body that the contract must read."""
    try:
        if body.startswith('{"schema_version"'):
            envelope = _decode_envelope(body)
            return (envelope.identity, envelope.events) if envelope.events else None
        single = _decode_single(body)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return (single.identity, [single]) if single.events is msgspec.UNSET else None


def _read_leniently(record_events: RecordEvents, now_ms: int, default_identity: str) -> None:
    record = record_events.record
    try:
        message = decode_message(record.body)
    except UnreadableMessage as fault:
        record_events.whole = True
        record_events.items = [Item(record, 0, outcome=Outcome(Reason.UNREADABLE, str(fault)))]
        return
    except UnknownVersion as fault:
        record_events.whole = True
        record_events.items = [Item(record, 0, outcome=Outcome(Reason.SETUP, str(fault)))]
        return
    for position, raw in enumerate(message.raw_events):
        item = Item(record, position, identity=message.identity or default_identity)
        try:
            item.event = event = parse_event(raw, now_ms=now_ms)
        except InvalidEvent as fault:
            _refuse(item, fault, raw.get("insert_id") if isinstance(raw, dict) else None)
        else:
            _let_wait(item, event.time - now_ms)
        record_events.items.append(item)


def _refuse(item: Item, fault: InvalidEvent, insert_id: object) -> None:
    reason = Reason.UNREADABLE if isinstance(fault, UnreadableEvent) else Reason.REJECTED
    item.outcome = Outcome(reason, str(fault))
    item.event, item.refused_id = None, insert_id if valid_insert_id(insert_id) else ""
