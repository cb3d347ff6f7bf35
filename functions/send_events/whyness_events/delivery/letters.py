"""Pure: dead letters, what they carry, and how they fit into SQS."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from whyness_events import limits
from whyness_events.delivery.items import Item, Parcel
from whyness_events.event import valid_insert_id
from whyness_events.log_entry import LogKey, log_key
from whyness_events.values import size_bytes
from whyness_events.wire import Message, decode_message, to_sqs_json

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


def write_letters(parcel: Parcel, *, now_ms: int) -> dict[Item, Letter]:
    """Return a letter for each dead item of the record, keyed by the item that was sent in its stead."""
    dead = [item.first or item for item in parcel.items if item.result.reason.is_dead]
    bodies = set() if parcel.whole else {item.record.body for item in dead}
    messages = {body: decode_message(body) for body in bodies}
    return {item: _write(item, messages.get(item.record.body), now_ms) for item in dead}


def _write(item: Item, message: Message | None, now_ms: int) -> Letter:
    raw = message.raw_events[item.position] if message else None
    key = log_key(raw, message_id=item.record.message_id, position=item.position)
    body = _body(item, message, raw) if message else item.record.body
    return _fit(Letter(body, _attributes(item, key, now_ms), key))


def _body(item: Item, message: Message, raw: object) -> str:
    """Return an envelope with the event as it came, unknown fields and all, stamped with its identity.

    Where that is larger than a message may be, or nested too deep to write, the whole body goes as it came.
    """
    document = {
        "schema_version": message.schema_version,
        "identity": item.identity,
        **message.fields,
        "events": [raw],
    }
    try:
        body = to_sqs_json(document)
    except RecursionError:
        return item.record.body
    return body if size_bytes(body) <= limits.MESSAGE_BYTES else item.record.body


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
