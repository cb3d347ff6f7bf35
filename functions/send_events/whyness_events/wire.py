"""The message body: one event object, or an envelope of events. Encoding, decoding, its version.

Rules for every later version: fields are added, never repurposed; the reader deploys first; the golden
messages in tests/contract/golden stay readable for ever.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whyness_events import limits
from whyness_events.errors import EventTooLarge, UnknownVersion, UnreadableMessage
from whyness_events.event import Event
from whyness_events.values import Cutter, kind, longer_than, size_bytes

SCHEMA_VERSION = 1
# No event is shorter than this. A message that counts more than a few for its size holds something else, and
# giving each of those a dead letter would let one sender fill memory and queue.
_SHORTEST_EVENT_BYTES = 60
_FEW_EVENTS = 100
IDENTITIES = ("distinct_id", "simplified")

# The fields that may be cut: the others are short, and decide deduplication.
CUT_FIELDS = {"ip", "useragent", "data", "properties"}
_READABLE_DIGITS = 4_000
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# Characters a JSON text may hold raw and SQS refuses. Source: SQS API reference, SendMessage, 2026-11-23.
_REFUSED_BY_SQS = re.compile("[\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded body, its events not yet looked at.

    Args:
        schema_version: 1 to SCHEMA_VERSION.
        identity: the publisher's stamp, one of IDENTITIES; None where the message has none.
        raw_events: decoded JSON of any kind, at least one.
        fields: the other top-level fields of an envelope, kept for the dead letter.
        is_envelope: False where the body is itself the one event.
    """

    schema_version: int
    identity: str | None
    raw_events: Sequence[object]
    fields: Mapping[str, Any]
    is_envelope: bool = True


def encode_event(event: Event) -> str:
    """Return the event's wire JSON: compact, only characters that SQS takes.

    Where that is more than Mixpanel takes as one event, its strings travel as Mixpanel would cut them.

    Raises:
        EventTooLarge: it is more even so.
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

    The caller packs: nothing here looks whether the body fits in a message.

    Raises:
        EventTooLarge: an event is more than Mixpanel takes.
    """
    return join_message([encode_event(event) for event in events], identity=identity)


def join_message(encoded: Sequence[str], *, identity: str) -> str:
    """Return the SQS body for events that `encode_event` made."""
    return f'{{"schema_version":{SCHEMA_VERSION},"identity":"{identity}","events":[{",".join(encoded)}]}}'


def decode_message(body: str) -> Message:
    """Read a body of either shape, as leniently as JSON can be read: the events are judged one by one.

    Raises:
        UnreadableMessage: there is no event in it.
        UnknownVersion: it is newer than this reader.
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
        raise UnreadableMessage(f"events: found {found}; allowed: at most {most}, for no event is that short")
    fields = {k: v for k, v in document.items() if k not in ("schema_version", "identity", "events")}
    return Message(version, identity, raw_events, fields)


def to_sqs_json(document: object) -> str:
    """Return compact JSON in which only what SQS refuses is escaped.

    Raises:
        RecursionError: it is nested too deep.
    """
    return escape_for_sqs(_to_json(document))


def escape_for_sqs(json_text: str) -> str:
    """Return the same JSON without the characters that SQS refuses."""
    return _REFUSED_BY_SQS.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text)


def _load(body: str) -> object:
    try:
        return json.loads(body, parse_int=_read_integer)
    except RecursionError:
        raise UnreadableMessage("body: found JSON nested too deeply to read; allowed: 3 levels") from None
    except ValueError as error:  # its text quotes the body
        position = getattr(error, "pos", None)
        where = "" if position is None else f" (it stops making sense at character {position})"
        found = "nothing" if not body.strip() else f"text that is not JSON{where}"
        raise UnreadableMessage(f"body: found {found}; allowed: JSON") from None


def _read_integer(digits: str) -> int | float:
    # Python refuses more than 4,300 digits; infinity is what validation then names, in that event alone.
    return int(digits) if len(digits) <= _READABLE_DIGITS else math.inf


def _version(document: dict[str, Any]) -> int:
    version = document.get("schema_version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise UnreadableMessage(f"schema_version: found {kind(version)}; allowed: a whole number from 1 on")
    if version > SCHEMA_VERSION:
        raise UnknownVersion(SCHEMA_VERSION)
    return version
