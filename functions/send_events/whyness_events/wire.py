"""The message body: one event object, or an envelope of events. Encoding, decoding, and its version.

Rules for later versions: add fields, never give one a new meaning; deploy the reader first; keep the golden
messages in tests/contract/golden readable for ever.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from whyness_events import limits
from whyness_events.errors import EventTooLarge, UnknownVersion, UnreadableMessage
from whyness_events.event import Event
from whyness_events.values import Cutter, kind, longer_than, size_bytes

SCHEMA_VERSION = 1
# No event is shorter than this. A message with more elements than its size allows holds something else, and a
# dead letter for each element would let a single sender fill memory and queue.
_SHORTEST_EVENT_BYTES = 60
_FEW_EVENTS = 100
Identity = Literal["distinct_id", "simplified"]
IDENTITIES: tuple[str, ...] = get_args(Identity)

# The fields that may be cut: the others are short, and are the deduplication fields.
CUT_FIELDS = {"ip", "useragent", "data", "properties"}
_READABLE_DIGITS = 4_000
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# Characters that JSON may hold unescaped and SQS refuses. Source: SQS API reference, SendMessage, 2026-11-23.
_REFUSED_BY_SQS = re.compile("[\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded body, its events not yet checked.

    Args:
        schema_version: 1 to SCHEMA_VERSION.
        identity: the publisher's stamp, one of IDENTITIES; None if the message has none.
        raw_events: decoded JSON of any type, at least one.
        fields: the other top-level fields of an envelope, kept for the dead letter.
        is_envelope: False if the body is itself the one event.
    """

    schema_version: int
    identity: str | None
    raw_events: Sequence[object]
    fields: Mapping[str, Any]
    is_envelope: bool = True


def encode_event(event: Event) -> str:
    """Return the event's wire JSON: compact, with only characters that SQS accepts.

    If it is larger than Mixpanel's limit for an event, its strings are cut as Mixpanel would cut them.

    Raises:
        EventTooLarge: it is larger even with its strings cut.
    """
    wire = event.to_wire()
    encoded = to_sqs_json(wire)
    if longer_than(encoded, limits.EVENT_BYTES):
        encoded = to_sqs_json(wire | {name: Cutter().cut(wire[name]) for name in CUT_FIELDS & wire.keys()})
    if longer_than(encoded, limits.EVENT_BYTES):
        raise EventTooLarge(size_bytes(encoded), limits.EVENT_BYTES)
    return encoded


def encode_message(events: Sequence[Event], *, identity: str) -> str:
    """Return the SQS body for `events`, stamped with `identity`, one of IDENTITIES.

    The caller must make sure that the body fits into a message.

    Raises:
        EventTooLarge: an event is larger than Mixpanel's limit.
    """
    return join_message([encode_event(event) for event in events], identity=identity)


def join_message(encoded: Sequence[str], *, identity: str) -> str:
    """Return the SQS body for events that `encode_event` encoded; `identity` is one of IDENTITIES."""
    return f'{{"schema_version":{SCHEMA_VERSION},"identity":"{identity}","events":[{",".join(encoded)}]}}'


def decode_message(body: str) -> Message:
    """Return the message in a body of either shape; its events are not checked here, but one by one.

    Raises:
        UnreadableMessage: no event can be read from it.
        UnknownVersion: its schema version is newer than this reader's.
    """
    document = _load(body)
    if not isinstance(document, dict):
        raise UnreadableMessage(f"body: found {kind(document)}; allowed: one event object, or an envelope")
    version = _version(document)
    identity = document.get("identity")
    if identity is not None and identity not in IDENTITIES:
        raise UnreadableMessage(f"identity: found {kind(identity)}; allowed: {' or '.join(IDENTITIES)}")
    if "events" not in document:
        return Message(version, identity, [document], {}, is_envelope=False)
    raw_events = document["events"]
    if not isinstance(raw_events, list) or not raw_events:
        raise UnreadableMessage(f"events: found {kind(raw_events)}; allowed: an array of at least one event")
    most = max(_FEW_EVENTS, len(body) // _SHORTEST_EVENT_BYTES)
    if len(raw_events) > most:
        found = f"{kind(raw_events)} in {len(body)} characters"
        raise UnreadableMessage(f"events: found {found}; allowed: at most {most}, because events are longer")
    fields = {k: v for k, v in document.items() if k not in ("schema_version", "identity", "events")}
    return Message(version, identity, raw_events, fields)


def to_sqs_json(document: object) -> str:
    """Return compact JSON in which only the characters that SQS refuses are escaped.

    Raises:
        RecursionError: it is nested too deeply.
    """
    return escape_for_sqs(_to_json(document))


def escape_for_sqs(json_text: str) -> str:
    """Return the same JSON with the characters that SQS refuses escaped."""
    if json_text.isascii():  # nearly always, and much faster than a search
        return json_text
    return _REFUSED_BY_SQS.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text)


def _load(body: str) -> object:
    try:
        return json.loads(body, parse_int=_read_integer)
    except RecursionError:
        raise UnreadableMessage("body: found JSON nested too deeply to read; allowed: 3 levels") from None
    except ValueError as error:  # its text quotes the body
        position = getattr(error, "pos", None)
        where = "" if position is None else f" (invalid at character {position})"
        found = "nothing" if not body.strip() else f"text that is not JSON{where}"
        raise UnreadableMessage(f"body: found {found}; allowed: JSON") from None


def _read_integer(digits: str) -> int | float:
    # Python refuses more than 4,300 digits; infinity is refused later, for this event alone.
    return int(digits) if len(digits) <= _READABLE_DIGITS else math.inf


def _version(document: dict[str, Any]) -> int:
    version = document.get("schema_version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise UnreadableMessage(f"schema_version: found {kind(version)}; allowed: a positive integer")
    if version > SCHEMA_VERSION:
        raise UnknownVersion(SCHEMA_VERSION)
    return version
