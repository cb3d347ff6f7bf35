"""Rules for the strings and JSON values of an event, and descriptions that do not show the value."""

import json
import math
from collections.abc import Callable
from typing import Any

from whyness_events import limits
from whyness_events.errors import InvalidEvent

# Compared with every string; a plain int is compared faster than a Limit.
_STRING_BYTES = int(limits.STRING_BYTES)
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def kind(value: object) -> str:
    """Return a description of `value`: its type and size, never its content."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN, or a number too large to read"
    describe = _KINDS.get(type(value))
    return describe(value) if describe else f"a {type(value).__name__}"


def size_bytes(text: str) -> int:
    """Return the length in UTF-8; a lone surrogate counts as three bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def longer_than(text: str, limit_bytes: int) -> bool:
    """Return whether `text` takes more than `limit_bytes` in UTF-8; cheap for ASCII."""
    return len(text) > limit_bytes or (not text.isascii() and size_bytes(text) > limit_bytes)


def check_text(path: str, text: str) -> None:
    """Raise InvalidEvent unless `text` can be encoded as UTF-8."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        found = "a string that is not valid UTF-8 (a lone surrogate)"
        raise InvalidEvent(path, found, "valid UTF-8") from None


def check_value(path: str, value: object, level: int = 0) -> None:
    """Raise InvalidEvent unless Mixpanel accepts `value` as the value of a property.

    Args:
        path: of the field, for the error.
        value: decoded JSON of any type.
        level: how many objects and arrays it is nested in.
    """
    if isinstance(value, str):
        check_text(path, value)
    elif isinstance(value, dict | list):
        _check_nested(path, value, level + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidEvent(path, kind(value), "a finite number")
    elif isinstance(value, int):
        if not limits.SMALLEST_INTEGER <= value <= limits.LARGEST_INTEGER:
            raise InvalidEvent(path, "an integer of more than 64 bits", "an integer of at most 64 bits")
    elif value is not None:
        raise InvalidEvent(path, kind(value), "a JSON value")


def _check_nested(path: str, value: "dict[str, object] | list[object]", level: int) -> None:
    if level > limits.NESTING_LEVELS:
        allowed = f"at most {limits.NESTING_LEVELS} levels of objects and arrays"
        raise InvalidEvent(path, f"{level} levels of nesting or more", allowed)
    if isinstance(value, dict):
        _check_count(path, value, limits.OBJECT_KEYS, "keys")
        for key in value:
            if not isinstance(key, str):
                raise InvalidEvent(path, f"a key that is {kind(key)}", "keys that are strings")
            check_text(path, key)
        members = list(value.values())
    else:
        _check_count(path, value, limits.ARRAY_ELEMENTS, "elements")
        members = value
    for member in members:
        check_value(path, member, level)
    if level == 1:
        _check_nested_size(path, value)


def _check_count(path: str, value: "dict[str, object] | list[object]", limit: int, unit: str) -> None:
    if len(value) > limit:
        raise InvalidEvent(path, kind(value), f"at most {limit} {unit}")


def _check_nested_size(path: str, value: object) -> None:
    if _json_bytes(value) <= limits.NESTED_VALUE_BYTES:
        return
    size = _json_bytes(Cutter().cut(value))  # Mixpanel gets it with long strings cut
    if size > limits.NESTED_VALUE_BYTES:
        found = f"an object or array of {size} bytes of JSON, with long strings cut"
        raise InvalidEvent(path, found, f"at most {limits.NESTED_VALUE_BYTES} bytes")


def _json_bytes(value: object) -> int:
    return size_bytes(_to_json(value))


class Cutter:
    """Cuts long strings at any depth to 255 bytes, at a character boundary, and counts them in `cut_count`.

    Mixpanel documents the cut for the names and values of properties and for strings in lists; we do the same
    inside objects.
    """

    def __init__(self) -> None:
        self.cut_count = 0

    def cut(self, value: Any) -> Any:
        """Return a copy of the JSON data `value` in which no string or name is longer than 255 bytes."""
        if isinstance(value, str):
            return self._cut_text(value) if longer_than(value, _STRING_BYTES) else value
        if isinstance(value, dict):
            return {self.cut(name): self.cut(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.cut(member) for member in value]
        return value

    def _cut_text(self, text: str) -> str:
        self.cut_count += 1
        beginning = text[:_STRING_BYTES].encode("utf-8", "surrogatepass")
        return beginning[:_STRING_BYTES].decode(errors="ignore")


_KINDS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda _: "a boolean",
    int: lambda _: "an integer",
    float: lambda _: "a number with a fraction",
    str: lambda text: f"a string of {size_bytes(text)} bytes" if text else "an empty string",
    list: lambda array: f"an array of {len(array)} elements",
    dict: lambda mapping: f"an object of {len(mapping)} keys",
}
