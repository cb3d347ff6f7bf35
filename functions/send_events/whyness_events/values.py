"""What may stand in an event's strings and JSON values, and how to speak of it without showing it."""

import json
import math
from collections.abc import Callable
from typing import Any

from whyness_events import limits
from whyness_events.errors import InvalidEvent

# Compared for each string; an int is compared faster than what is derived from it.
_STRING_BYTES = int(limits.STRING_BYTES)
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def kind(value: object) -> str:
    """Say what kind of thing `value` is, and how large: never what it says."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN, or a number too large to read"
    describe = _KINDS.get(type(value))
    return describe(value) if describe else f"a {type(value).__name__}"


def size_bytes(text: str) -> int:
    """Length in UTF-8; a lone surrogate counts as the three bytes it would have."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def longer_than(text: str, limit_bytes: int) -> bool:
    """Whether `text` takes more than `limit_bytes` in UTF-8; cheap for ASCII."""
    return len(text) > limit_bytes or (not text.isascii() and size_bytes(text) > limit_bytes)


def check_text(path: str, text: str) -> None:
    """Raise InvalidEvent unless `text` can be written as UTF-8."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        found = "a string that is not valid UTF-8 (a lone surrogate)"
        raise InvalidEvent(path, found, "valid UTF-8") from None


def check_value(path: str, value: object, level: int = 0) -> None:
    """Raise InvalidEvent unless Mixpanel takes `value` as a property's value."""
    if isinstance(value, str):
        check_text(path, value)
    elif isinstance(value, dict | list):
        _check_nested(path, value, level + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidEvent(path, kind(value), "a finite number")
    elif isinstance(value, int):
        if not limits.SMALLEST_INTEGER <= value <= limits.LARGEST_INTEGER:
            raise InvalidEvent(path, "a whole number of more than 64 bits", "a whole number of 64 bits")
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
    size = _json_bytes(Cutter().cut(value))  # what counts is what Mixpanel gets
    if size > limits.NESTED_VALUE_BYTES:
        found = f"an object or array of {size} bytes of JSON, its long strings cut"
        raise InvalidEvent(path, found, f"at most {limits.NESTED_VALUE_BYTES} bytes")


def _json_bytes(value: object) -> int:
    return size_bytes(_to_json(value))


class Cutter:
    """Cuts over-long strings as Mixpanel would, at any depth, and counts them.

    255 bytes, on a character's boundary. Mixpanel's page says so of a property's name and value, and of each
    string in a list; inside objects we do the same.
    """

    def __init__(self) -> None:
        self.cut_count = 0

    def cut(self, value: Any) -> Any:
        """Return a copy of `value`, JSON data, in which no string or name is too long."""
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
    int: lambda _: "a whole number",
    float: lambda _: "a fractional number",
    str: lambda text: f"a string of {size_bytes(text)} bytes" if text else "an empty string",
    list: lambda array: f"an array of {len(array)} elements",
    dict: lambda mapping: f"an object of {len(mapping)} keys",
}
