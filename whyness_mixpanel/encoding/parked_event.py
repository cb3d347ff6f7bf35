"""Encodes the event of a parked row: all of it, or what could be encoded and a rendering of the rest. Pure.

A whole event is stored exactly as it would be sent, and may be released. Of any other, the fields that could
be encoded are stored exactly, and the rest under `unencoded` as a short, scrubbed rendering for people, which
is never read back.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from whyness_events import limits
from whyness_events.values import Cutter, longer_than, size_bytes
from whyness_events.wire import CUT_FIELDS, to_sqs_json
from whyness_mixpanel.encoding.plain_values import LEVELS, readable_name
from whyness_mixpanel.faults import is_of_signal, type_name

UNENCODED_BYTES = 65_536
# Also stored as the time unit, which is invalid: so older versions of the app refuse to release the row.
_UNENCODED = "unencoded"
# What a list of members costs beside their texts, and the JSON around them.
_MEMBER_BYTES = 600
_MOST_SHOWN = 64
_MOST_DIGITS_BITS, _EXACT_BITS = 1_000, 53


class Unencoded(NamedTuple):
    """A field that cannot be encoded, or a member of one; without `key`, the whole field."""

    field: str
    value: object
    key: object = None


def encode(
    fields: Mapping[str, Any], unencoded: Sequence[Unencoded], scrub: Callable[[Any], Any] | None
) -> tuple[str, bool]:
    """Return the JSON of a row, and whether the event is whole.

    Args:
        fields: JSON values by the names of the contract.
        unencoded: the values that have no JSON.
        scrub: replaces secrets; None where the settings are invalid: then only types are shown.
    """
    kept, lone = _without_surrogates(fields)
    apart = [*unencoded, *lone]
    if not apart and (encoded := _as_sent(kept)):
        return encoded, True
    if longer_than(to_sqs_json(kept), limits.EVENT_BYTES):
        large = [name for name, value in kept.items() if longer_than(to_sqs_json(value), UNENCODED_BYTES)]
        apart += [Unencoded(name, kept.pop(name)) for name in large]
    mark = {"time_unit": _UNENCODED, _UNENCODED: _shown(apart, scrub)}
    return to_sqs_json(kept | mark), False


def is_whole(raw: object) -> bool:
    """Whether the JSON of a row holds the whole event."""
    return not (isinstance(raw, dict) and _UNENCODED in raw)


def _as_sent(fields: Mapping[str, Any]) -> str:
    """Return the JSON of an event with these fields, `""` where it is too large."""
    encoded = to_sqs_json(fields)
    if longer_than(encoded, limits.EVENT_BYTES):
        cut = {name: Cutter().cut(fields[name]) for name in CUT_FIELDS & fields.keys()}
        encoded = to_sqs_json({**fields, **cut})
    return "" if longer_than(encoded, limits.EVENT_BYTES) else encoded


def _without_surrogates(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[Unencoded]]:
    """Return the fields without lone surrogates, and those with; JSON does not preserve them."""
    kept: dict[str, Any] = {}
    lone: list[Unencoded] = []
    for field, value in fields.items():
        if isinstance(value, dict):
            kept[field] = {key: member for key, member in value.items() if _is_utf8({key: member})}
            lone += [Unencoded(field, value[key], key) for key in value if key not in kept[field]]
        elif _is_utf8(value):
            kept[field] = value
        else:
            lone.append(Unencoded(field, value))
    return kept, lone


def _is_utf8(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(apart: Sequence[Unencoded], scrub: Callable[[Any], Any] | None) -> dict[str, Any]:
    """Return renderings by field and member, in no more than UNENCODED_BYTES."""
    shown: dict[str, Any] = {}
    left = UNENCODED_BYTES - _MEMBER_BYTES
    for part in apart:
        left -= _MEMBER_BYTES
        if left <= 0:
            shown["…"] = "and more"
            break
        text = _cut(_text(part, scrub), left)
        left -= size_bytes(to_sqs_json(text))
        if part.key is None:
            shown[part.field] = text
        else:
            shown.setdefault(part.field, {})[readable_name(part.key)] = text
    return shown


def _text(part: Unencoded, scrub: Callable[[Any], Any] | None) -> str:
    if scrub is None:
        return _kind(part.value)
    key = _rendered_key(part.key)  # it may say that the value is secret
    (rendered,) = scrub({key: _rendered(part.value, LEVELS)}).values()
    return rendered if isinstance(rendered, str) else to_sqs_json(rendered)


def _cut(text: str, most_bytes: int) -> str:
    """Return the beginning of a text, of at most `most_bytes` in JSON."""
    short = text[:most_bytes]
    while size_bytes(to_sqs_json(short)) > most_bytes:
        short = short[: len(short) // 2]
    return text if len(short) == len(text) else short + "…"


def _rendered(value: Any, levels: int) -> Any:
    """Return JSON for people, without running a value's own code."""
    kind = type(value)
    if issubclass(kind, str):
        return _utf8(value)
    if value is None or kind is bool or (kind is int and int.bit_length(value) <= _EXACT_BITS):
        return value
    for container in (dict, list, tuple, set, frozenset):
        if issubclass(kind, container):
            return _members(container, value, levels - 1) if levels else _kind(value)
    return _leaf(value)


def _members(container: Any, value: Any, levels: int) -> Any:
    if container is dict:
        some = list(islice(dict.items(value), _MOST_SHOWN))
        return {_rendered_key(key): _rendered(member, levels) for key, member in some}
    return [_rendered(member, levels) for member in list(islice(container.__iter__(value), _MOST_SHOWN))]


def _leaf(value: Any) -> Any:
    kind = type(value)
    if issubclass(kind, int) and int.bit_length(value) > _MOST_DIGITS_BITS:
        return f"<{type_name(value)} of {int.bit_length(value)} bits>"
    for known, render in _LEAVES:
        if issubclass(kind, known):
            try:
                return f"<{type_name(value)} {render(value)}>"
            except Exception as error:
                if is_of_signal(error):
                    raise
                break
    return _kind(value)


def _rendered_key(key: object) -> str:
    return _utf8(key) if issubclass(type(key), str) else _kind(key)


def _utf8(text: Any) -> str:
    return str.encode(text, "utf-8", "backslashreplace").decode()


def _kind(value: object) -> str:
    return f"<{type_name(value)}>"


_LEAVES: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (int, int.__repr__),
    (float, float.__repr__),
    (Decimal, lambda value: Decimal.__str__(value)[:_MOST_DIGITS_BITS]),
    (datetime, lambda value: datetime.isoformat(datetime.replace(value, tzinfo=None))),
    (date, date.isoformat),
    (time, lambda value: time.isoformat(time.replace(value, tzinfo=None))),
    (timedelta, timedelta.__str__),
    (UUID, UUID.__str__),
    (bytes, lambda value: bytes.__repr__(bytes.__getitem__(value, slice(UNENCODED_BYTES)))),
)
