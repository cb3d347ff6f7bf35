"""Pure: dead letters, what they carry, and how they fit into SQS."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from whyness_events import limits
from whyness_events.delivery.items import Item, Parcel
from whyness_events.errors import UnreadableMessage
from whyness_events.event import valid_insert_id
from whyness_events.log_entry import LogKey, log_key
from whyness_events.values import size_bytes
from whyness_events.wire import Message, decode_message, escape_for_sqs, to_sqs_json

_TYPE = "String"
# Which goes first where the body leaves no room for all.
_DROPPED_IN_ORDER = (
    "detail",
    "failed_at",
    "source_message_id",
    "http_status",
    "insert_id",
    "log_key",
    "reason",
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message for the dead-letter queue.

    Args:
        body: an envelope with the one event, or the body as it came.
        attributes: why, all of them text; fewer, or none, where the body leaves no room.
        key: where its Log row is.
    """

    body: str
    attributes: Mapping[str, str]
    key: LogKey

    @property
    def size_bytes(self) -> int:
        """What SQS counts: the body, and name, type and value of each attribute."""
        described = (size_bytes(n) + len(_TYPE) + size_bytes(v) for n, v in self.attributes.items())
        return size_bytes(self.body) + sum(described)


def write_letters(parcel: Parcel, *, now_ms: int) -> Iterator[tuple[Item, Letter]]:
    """Yield a letter for each dead item of the record, with the item that was sent in its stead.

    One at a time: each repeats the envelope's own fields, so that together they may be many times the record.
    """
    dead = [item.first or item for item in parcel.items if item.result.reason.is_dead]
    bodies = set() if parcel.whole else {item.record.body for item in dead}
    opened = {body: _open(body) for body in bodies}
    for item in dict.fromkeys(dead):
        yield item, _write(item, opened.get(item.record.body), now_ms)


class _Texts(msgspec.Struct):
    events: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A body's message, and the text of its events, as it stands there where that can be had."""

    message: Message
    texts: Sequence[str]


_decode_texts = msgspec.json.Decoder(_Texts).decode


def _open(body: str) -> _Opened | None:
    try:
        message = decode_message(body)
        return _Opened(message, _texts(body, message))
    except (UnreadableMessage, RecursionError):  # too deep, in a field that the fast decoder skips
        return None


def _texts(body: str, message: Message) -> list[str]:
    if not message.is_envelope:
        return [escape_for_sqs(body)]
    try:
        return [escape_for_sqs(bytes(text).decode()) for text in _decode_texts(body).events]
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):  # NaN, a lone surrogate
        return [_unless_altered(to_sqs_json(raw)) for raw in message.raw_events]


def _unless_altered(text: str) -> str:
    """Return `""` for JSON that may have held a number too large to be read, and to be written again."""
    return "" if "Infinity" in text else text


def _write(item: Item, opened: _Opened | None, now_ms: int) -> Letter:
    raw = opened.message.raw_events[item.position] if opened else None
    key = _key(item, raw, is_alone=opened is None or len(opened.texts) == 1)
    body = _body(item, opened) if opened else item.record.body
    return _fit(Letter(body, _attributes(item, key, now_ms), key))


def _key(item: Item, raw: object, *, is_alone: bool) -> LogKey:
    """Return the row's key: the one that a redriven message carries, whatever was edited since."""
    carried = LogKey.parse(item.record.log_key) if is_alone else None
    return carried or log_key(raw, message_id=item.record.message_id, position=item.position)


def _body(item: Item, opened: _Opened) -> str:
    """Return an envelope with the event as it came, unknown fields and all, stamped with its identity.

    Where that cannot be written, or is larger than a message may be, the whole body goes as it came.
    """
    fields = {
        "schema_version": opened.message.schema_version,
        "identity": item.identity,
        **opened.message.fields,
    }
    try:
        head, text = _unless_altered(to_sqs_json(fields)[:-1]), opened.texts[item.position]
    except RecursionError:
        return item.record.body
    body = f'{head},"events":[{text}]}}'
    return body if head and text and size_bytes(body) <= limits.MESSAGE_BYTES else item.record.body


def _attributes(item: Item, key: LogKey, now_ms: int) -> dict[str, str]:
    outcome = item.result
    attributes = {
        "reason": str(outcome.reason),
        "detail": outcome.detail,
        "http_status": str(outcome.http_status or ""),
        "insert_id": key.pk if valid_insert_id(key.pk) else "",
        "log_key": str(key),
        "source_message_id": item.record.message_id,
        "failed_at": datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds"),
    }
    return {name: value for name, value in attributes.items() if value}


def _fit(letter: Letter) -> Letter:
    for name in _DROPPED_IN_ORDER:
        if letter.size_bytes <= limits.MESSAGE_BYTES:
            return letter
        letter = replace(letter, attributes={n: v for n, v in letter.attributes.items() if n != name})
    return letter


def pack_entries(letters: Iterable[Letter]) -> list[Sequence[Letter]]:
    """Return the letters in calls that SQS takes, in order: at most 10, and 1 MiB attributes included."""
    calls: list[list[Letter]] = []
    room_bytes = 0
    for letter in letters:
        if not calls or len(calls[-1]) == limits.BATCH_ENTRIES or letter.size_bytes > room_bytes:
            calls.append([])
            room_bytes = limits.BATCH_BYTES
        calls[-1].append(letter)
        room_bytes -= letter.size_bytes
    return list(calls)
