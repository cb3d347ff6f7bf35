"""Pure: one event as Mixpanel has it, of either side: what it is matched by, and what is compared."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

# As docs.mixpanel.com/docs/tracking-best-practices/hot-shard-limits says.
_HOT_SHARD = "$hotshard_events"


class AuditedEvent(msgspec.Struct, gc=False):
    """An event of an export, or one that is expected there.

    Args:
        event: its name, before Mixpanel moved it to a hot shard.
        insert_id: `""` where it has none.
        time_ms: as it stands there: of an export, local time counted as if it were UTC.
        properties: all of them.
        hot_sharded: whether Mixpanel moved it.
        absent: why an expected event may be absent, `""` for no reason.
    """

    event: str
    insert_id: str
    time_ms: int
    properties: dict[str, Any]
    hot_sharded: bool = False
    absent: str = ""


class _Line(msgspec.Struct, gc=False):
    event: str
    properties: dict[str, Any]
    absent: str = ""


class _AnyObject(msgspec.Struct, gc=False):
    """Whatever it holds is skipped, which takes a tenth of the time to read it."""


class _Shape(msgspec.Struct, gc=False):
    event: str
    properties: _AnyObject


_decode = msgspec.json.Decoder(_Line).decode
_decode_shapes = msgspec.json.Decoder(_Shape).decode_lines
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_event(text: bytes) -> AuditedEvent | None:
    """Return the event of a line; None if the line is not one event."""
    line = _read_line(text)
    if line is None:
        return None
    name, properties = line.event, line.properties
    hot = name == _HOT_SHARD
    if hot:
        name = _text(properties, "mp_original_event_name") or name
    insert_id = properties.get("$insert_id")
    return AuditedEvent(
        name,
        insert_id if type(insert_id) is str else "",
        _time_ms(properties.get("time")),
        properties,
        hot,
        line.absent,
    )


def are_events(lines: bytes) -> bool:
    """Whether lines, each with its newline, are plainly one event each; it says no where it is not sure."""
    count = lines.count(b"\n")
    # In JSON a `{` follows a `}` only between two values: so none of them goes on in the next line.
    if not (lines.startswith(b"{") and lines.endswith(b"}\n") and lines.count(b"}\n{") == count - 1):
        return False
    try:
        str(lines, "utf-8")  # msgspec does not look into what it skips
        return len(_decode_shapes(lines)) == count
    except _UNREADABLE:
        return False


def sent_person(event: AuditedEvent) -> str:
    """Return the id that an event was most likely sent with."""
    properties = event.properties
    return (
        _text(properties, "$distinct_id_before_identity")
        or _text(properties, "distinct_id")
        or _text(properties, "mp_original_distinct_id")
    )


def _read_line(text: bytes) -> _Line | None:
    try:
        return _decode(text)
    except _UNREADABLE:
        pass
    try:
        document = json.loads(text)  # which also takes lone surrogates
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    name, properties = document.get("event"), document.get("properties")
    if not isinstance(name, str) or not isinstance(properties, dict):
        return None
    return _Line(name, properties, str(document.get("absent", "")))


def _text(properties: Mapping[str, Any], name: str) -> str:
    value = properties.get(name)
    return value if isinstance(value, str) else ""


# Seconds until the year 5138; milliseconds from 1973 on.
_SECONDS_BELOW = 10**11
_LARGEST = 2**53


def _time_ms(value: object) -> int:
    if type(value) is int and _SECONDS_BELOW <= value < _LARGEST:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= _LARGEST:
        return 0
    return int(value * 1000 if abs(value) < _SECONDS_BELOW else value)
