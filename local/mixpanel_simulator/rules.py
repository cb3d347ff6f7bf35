"""Mixpanel's rules for an event. Pure: the time of arrival is an argument.

Messages marked "known" appear in Mixpanel's documentation or answers. The others are invented in the same
form. Mixpanel publishes no list, so do not depend on their wording.
"""

import re
from typing import Any, NamedTuple

import msgspec

from .settings import Settings

Properties = dict[str, Any]

FUTURE_MS = 3_600_000
"""A time further ahead of the arrival is refused. Source: Import API page, 2026-11."""

OLDEST_MS = 31_536_000_000
"""1971-01-01. A lower time is in seconds, another in milliseconds. Mixpanel documents no threshold."""

PLACEHOLDERS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na",
        "undefined", "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}", "lmy47d",
    }
)  # fmt: skip
"""Ids that are placeholders, compared in lower case.

Source: Import API page, 2026-11; "lmy47d" and the case from a public bulk loader.
"""

_INSERT_ID_CHARACTERS = re.compile(r"[A-Za-z0-9-]+")
_INSERT_ID_MAX_BYTES = 36


class Problem(NamedTuple):
    """Why an event is refused, in the two fields that `failed_records` gives it."""

    field: str
    message: str


def find_problem(event: object, *, now_ms: int, settings: Settings, strict: bool) -> Problem | None:
    """Return the first rule that an event breaks, or None.

    Args:
        event: one decoded element of the request.
        now_ms: arrival, epoch milliseconds.
        settings: limits and identity mode.
        strict: False accepts an event without `$insert_id` or `distinct_id`, as `strict=0` does.
    """
    if not isinstance(event, dict):
        return Problem("event", "'event' is invalid: must be an object")
    name = event.get("event")
    if not isinstance(name, str) or not name.strip():
        return Problem("event", "'event' must not be missing or blank")  # known
    properties = event.get("properties")
    if not isinstance(properties, dict):
        return Problem("properties", "'properties' is invalid: must be an object")
    return (
        _time_problem(properties, now_ms)
        or _distinct_id_problem(properties, settings, strict=strict)
        or _insert_id_problem(properties, strict=strict)
        or _shape_problem(properties, settings)
    )


def find_text_problem(event: object) -> Problem | None:
    """Return the first string of an event that is not UTF-8, or None.

    Only for bodies that are not UTF-8, in which surrogates stand for invalid bytes.
    """
    if not isinstance(event, dict):
        return None
    properties = event.get("properties")
    named = properties if isinstance(properties, dict) else {}
    for field, value in [("event", event.get("event")), *((f"properties.{k}", v) for k, v in named.items())]:
        if not (_is_text(field) and _is_text(value)):
            shown = field.encode("utf-8", "replace").decode()
            return Problem(shown, f"{shown} is invalid: string should be valid utf8")  # known
    return None


def is_ignored(properties: Properties) -> bool:
    """Return whether the sender wants the event dropped silently."""
    return bool(properties.get("$ignore"))


def is_placeholder(value: object) -> bool:
    """Return whether an id is a placeholder."""
    return isinstance(value, str) and value.lower() in PLACEHOLDERS


def to_ms(time: int) -> int:
    """Return a time in seconds or milliseconds as epoch milliseconds."""
    return time * 1_000 if time < OLDEST_MS else time


def _time_problem(properties: Properties, now_ms: int) -> Problem | None:
    if "time" not in properties:
        return _invalid("properties.time", "must not be missing")  # known
    time = properties["time"]
    if type(time) is not int:  # a bool is not a time
        return _invalid("properties.time", "must be specified as seconds since epoch")  # known
    if to_ms(time) < OLDEST_MS:
        return _invalid("properties.time", "must not be before 1971-01-01")
    if to_ms(time) > now_ms + FUTURE_MS:
        return _invalid("properties.time", "must not be in the future")  # known
    return None


def _distinct_id_problem(properties: Properties, settings: Settings, *, strict: bool) -> Problem | None:
    distinct_id = properties.get("distinct_id")
    if distinct_id is None:
        other = settings.identity == "simplified" and (
            stands_for_someone(properties, "$user_id") or stands_for_someone(properties, "$device_id")
        )
        return (
            None if other or not strict else _invalid("properties.distinct_id", "must not be missing")
        )  # known
    if not isinstance(distinct_id, str):
        return _invalid("properties.distinct_id", "must be a string")
    if is_placeholder(distinct_id):
        return _invalid("properties.distinct_id", "must not be a placeholder")
    return None


def stands_for_someone(properties: Properties, name: str) -> bool:
    """Return whether `$user_id` or `$device_id` is a real id; Mixpanel ignores placeholders."""
    value = properties.get(name)
    return isinstance(value, str) and value != "" and not is_placeholder(value)


def _insert_id_problem(properties: Properties, *, strict: bool) -> Problem | None:
    insert_id = properties.get("$insert_id")
    if insert_id is None or insert_id == "":
        return _invalid("$insert_id", "must not be missing") if strict else None
    if not isinstance(insert_id, str):
        return _invalid("$insert_id", "must be a string")
    if is_placeholder(insert_id):
        return _invalid("$insert_id", "must not be a placeholder")
    if not _INSERT_ID_CHARACTERS.fullmatch(insert_id):
        return _invalid("$insert_id", "must only contain alphanumeric or hyphen '-' characters")  # known
    if len(insert_id) > _INSERT_ID_MAX_BYTES:
        return _invalid("$insert_id", f"must not be longer than {_INSERT_ID_MAX_BYTES} bytes")
    return None


def _shape_problem(properties: Properties, settings: Settings) -> Problem | None:
    if len(properties) > settings.max_properties:
        return _invalid("properties", f"must not have more than {settings.max_properties} properties")
    for name, value in properties.items():
        if value.__class__ is dict or value.__class__ is list:
            text = nested_problem(value, 1, settings) or _nested_size_problem(value, settings)
            if text:
                return _invalid(f"properties.{name}", text)
    return None


def nested_problem(value: Any, depth: int, settings: Settings) -> str:
    """Return which limit an object or array breaks, or ""; `depth` is that of the value, from 1."""
    if depth > settings.max_depth:
        return f"must not be nested deeper than {settings.max_depth} levels"
    if len(value) > settings.max_items:
        return f"must not have more than {settings.max_items} items"
    inner = value.values() if isinstance(value, dict) else value
    texts = (nested_problem(item, depth + 1, settings) for item in inner if isinstance(item, (dict, list)))
    return next(filter(None, texts), "")


def _nested_size_problem(value: Any, settings: Settings) -> str:
    if len(msgspec.json.encode(value)) <= settings.max_nested_bytes:
        return ""
    return f"must not be larger than {settings.max_nested_bytes} bytes"


def _is_text(value: object) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and not _is_utf8(item):
            return False
    return True


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(field: str, text: str) -> Problem:
    return Problem(field, f"'{field}' is invalid: {text}")
