"""Pure: dead letters, and what they carry."""

from collections.abc import Iterator, Mapping

from whyness_events import limits
from whyness_events.dead_letter import DeadLetterAttributes, fit
from whyness_events.delivery.items import Item, RecordEvents
from whyness_events.delivery.ports import DeadLetter
from whyness_events.delivery.settling.event_texts import EventTexts, cut
from whyness_events.errors import UnreadableMessage
from whyness_events.event import valid_insert_id
from whyness_events.log_entry import LogKey, body_key, log_key
from whyness_events.outcomes import UNCOUNTED_REASONS
from whyness_events.values import size_bytes
from whyness_events.wire import decode_message, escape_for_sqs, to_sqs_json

# The hash of every whole message in the rows of 0.1.0.
_UNREAD_BEFORE = log_key(None, message_id="", position=0).sk


def write_dead_letters(record_events: RecordEvents, *, now_ms: int) -> dict[Item, DeadLetter]:
    """Return a dead letter for each dead item of the record, keyed by the item that was sent in its stead."""
    return dict(dead_letters_of(record_events, now_ms=now_ms))


def dead_letters_of(record_events: RecordEvents, *, now_ms: int) -> Iterator[tuple[Item, DeadLetter]]:
    """Yield them one by one: each repeats the envelope's fields, so that all may be many times its size."""
    dead = [item.first or item for item in record_events.items if item.result.reason.is_dead]
    bodies = set() if record_events.whole else {item.record.body for item in dead}
    texts = {body: cut(body) for body in bodies}
    for item in dict.fromkeys(dead):
        yield item, _write(item, texts.get(item.record.body), now_ms)


def _write(item: Item, texts: EventTexts | None, now_ms: int) -> DeadLetter:
    event = texts.events[item.position] if texts else ""
    key = _key(item, event, texts)
    body = _body(item, event, texts) if texts else item.record.body
    return DeadLetter(body, fit(_attributes(item, key, now_ms).encode(), size_bytes(body)), key)


def _key(item: Item, event: str, texts: EventTexts | None) -> LogKey:
    """Return the key of the event's row.

    A redriven message carries its row's key, and so may any other message. It is believed only where the
    event has no valid insert id: then its row is named by the message it first came in, which nobody guesses.
    """
    own = _own_key(item, event, texts)
    is_alone = texts is None or len(texts.events) == 1
    carried = LogKey.parse(item.record.log_key) if is_alone else None
    if carried is None or valid_insert_id(carried.pk) or valid_insert_id(own.pk):
        return own
    return carried if carried.sk in (own.sk, _UNREAD_BEFORE) else own


def _own_key(item: Item, event: str, texts: EventTexts | None) -> LogKey:
    message_id = item.record.message_id
    if texts is None:
        return body_key(item.record.body, message_id=message_id)
    return item.log_key or log_key(_read(event), message_id=message_id, position=item.position)


def _read(event: str) -> object:
    try:
        return decode_message(f'{{"events":[{event}]}}').raw_events[0]
    except UnreadableMessage:  # too deep, in a field that the fast decoder skips
        return None


def _body(item: Item, event: str, texts: EventTexts) -> str:
    """Return an envelope with the event as it came, unknown fields and all, stamped with its identity.

    Where there is no room for it, the envelope's other members go first; an event that fills a message by
    itself goes as it came.
    """
    for members in _members(item, texts):
        head = "".join(f"{to_sqs_json(name)}:{text}," for name, text in members.items())
        body = escape_for_sqs(f'{{{head}"events":[{event}]}}')
        if size_bytes(body) <= limits.MESSAGE_BYTES:
            return body
    return item.record.body


def _members(item: Item, texts: EventTexts) -> Iterator[Mapping[str, str]]:
    """Yield what stands beside the event, less each time."""
    version = texts.fields.get("schema_version", "1")
    stamp = {"schema_version": version, "identity": f'"{item.identity}"'}
    yield {**stamp, **{name: text for name, text in texts.fields.items() if name not in stamp}}
    yield stamp
    if texts.is_envelope:
        yield {name: text for name, text in stamp.items() if name in texts.fields}


def _attributes(item: Item, key: LogKey, now_ms: int) -> DeadLetterAttributes:
    outcome = item.result
    return DeadLetterAttributes(
        reason=str(outcome.reason),
        may_count=outcome.may_count or outcome.reason not in UNCOUNTED_REASONS,
        detail=outcome.detail,
        http_status=outcome.http_status,
        insert_id=key.pk if valid_insert_id(key.pk) else "",
        log_key=key,
        source_message_id=item.record.message_id,
        failed_at_ms=now_ms,
    )
