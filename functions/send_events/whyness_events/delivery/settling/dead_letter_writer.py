"""Pure: write dead letters, within the limits of SQS."""

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

# The sort key of every row about a whole message that 0.1.0 wrote.
_UNREAD_BEFORE = log_key(None, message_id="", position=0).sk


def write_dead_letters(record_events: RecordEvents, *, now_ms: int) -> dict[Item, DeadLetter]:
    """Return a dead letter for each dead item of the record, keyed by its `first` or by the item itself."""
    return dict(dead_letters_of(record_events, now_ms=now_ms))


def dead_letters_of(record_events: RecordEvents, *, now_ms: int) -> Iterator[tuple[Item, DeadLetter]]:
    """Yield the dead letters one by one: all together may be many times as large as the record.

    Each of them repeats the fields of the envelope.
    """
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

    A redriven message carries the key of its row, but so may any other message. The key is believed only if
    the event has no valid insert id: then it contains the id of the event's first message, which cannot be
    guessed.
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
    except UnreadableMessage:  # nested too deeply, in a field that the fast decoder skips
        return None


def _body(item: Item, event: str, texts: EventTexts) -> str:
    """Return an envelope with the event as received, unknown fields included, stamped with its identity.

    If it does not fit into a message, the envelope's other members are dropped first; if the event fills a
    message by itself, the body is returned as received.
    """
    for members in _members(item, texts):
        head = "".join(f"{to_sqs_json(name)}:{text}," for name, text in members.items())
        body = escape_for_sqs(f'{{{head}"events":[{event}]}}')
        if size_bytes(body) <= limits.MESSAGE_BYTES:
            return body
    return item.record.body


def _members(item: Item, texts: EventTexts) -> Iterator[Mapping[str, str]]:
    """Yield the members beside the event, fewer each time."""
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
