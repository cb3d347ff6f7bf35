"""Converts values of call sites to JSON values (the table in docs/reference/python.md).

No value is trusted. Its type decides, not its `__class__`, and it is read by the methods of `str`, `dict` and
so on, not by overrides of its class. A value's own code runs only where there is no other way (a lazy object,
a model's key, a time zone). Whatever that raises is a fault of the value, except for exceptions of a signal
handler.
"""

import json
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple

from django.utils.datastructures import MultiValueDict
from django.utils.functional import LazyObject, Promise, empty

from whyness_events import limits
from whyness_mixpanel.encoding.refusal import Refusal, refusal_of
from whyness_mixpanel.encoding.scalars import HIGHEST, LOWEST, SCALARS
from whyness_mixpanel.faults import kind_of, type_name

# One more than the contract allows, so that what it refuses is kept unchanged.
LEVELS = limits.NESTING_LEVELS + 1
# An event with more members or values than this is too large in any case.
_MOST_MEMBERS = 10_000
_MOST_VALUES = limits.EVENT_BYTES // 2
_NAME_CHARACTERS = 100
# Of lazy objects nested in each other.
_MOST_WRAPPINGS = 20

_ALLOWED = "a JSON value, or another kind that docs/reference/python.md names"


class Refused(NamedTuple):
    """A member of a dictionary that cannot be encoded."""

    key: object
    value: object
    refusal: Refusal


def plain(value: Any) -> Any:
    """Return the JSON value that `value` stands for.

    Raises:
        Refusal: it has no JSON value.
    """
    return _plain(value, LEVELS, [_MOST_VALUES])


def members(value: Any) -> tuple[dict[str, Any], list[Refused]]:
    """Return the members of a dictionary as JSON values, and those that cannot be encoded.

    Raises:
        Refusal: there are too many.
    """
    made: dict[str, Any] = {}
    refused: list[Refused] = []
    left = [_MOST_VALUES]
    for key, member in _pairs(value, LEVELS + 1, left):
        try:
            made[_new_name(key, made)] = _plain(member, LEVELS, left)
        except Exception as error:  # noqa: BLE001  (see the module)
            refused.append(Refused(key, member, refusal_of(error)))
    return made, refused


def settled(value: Any) -> Any:
    """Return the value of a lazy object, a lazy translation or a choice, and anything else unchanged."""
    for _ in range(_MOST_WRAPPINGS):
        kind = type(value)
        if issubclass(kind, LazyObject):
            if value._wrapped is empty:  # noqa: SLF001  (Django has no other word for it)
                value._setup()  # noqa: SLF001  (as above)
            value = value._wrapped  # noqa: SLF001  (as above)
        elif issubclass(kind, Promise):
            return str.__str__(str(value))
        elif issubclass(kind, Enum):
            value = value._value_
        else:
            return value
    raise Refusal("a lazy object that stands for itself", _ALLOWED)


def readable_name(key: object) -> str:
    """Return a key as a short, printable property name."""
    if not issubclass(type(key), str):
        return f"<{type_name(key)}>"
    name = str.__str__(key)
    short = name if len(name) <= _NAME_CHARACTERS else name[:_NAME_CHARACTERS] + "…"
    return short if short.isprintable() else ascii(short)[1:-1][: 2 * _NAME_CHARACTERS]


def _plain(value: Any, levels: int, left: list[int]) -> Any:
    kind = type(value)
    if kind is str or value is None or kind is bool or (kind is int and LOWEST <= value <= HIGHEST):
        return value  # the most frequent types
    value = settled(value)
    kind = type(value)
    if value is None or kind is bool:
        return value
    for known, convert in SCALARS:
        if issubclass(kind, known):
            return convert(value)
    for known, build in _NESTED:
        if issubclass(kind, known):
            return build(value, levels, left)
    raise Refusal(kind_of(value), _ALLOWED)


def _new_name(key: object, made: dict[str, Any]) -> str:
    if type(key) is str and key not in made:
        return key
    if not issubclass(type(key), str):
        raise Refusal(f"a key that is {kind_of(key)}", "keys that are text")
    name = str.__str__(key)
    if name in made:
        raise Refusal("two keys of the same text", "keys that differ")
    return name


def _pairs(value: Any, levels: int, left: list[int]) -> Iterable[tuple[Any, Any]]:
    _take(dict.__len__(value), "an object of {} keys", levels, left)
    pairs = dict.items(value)
    if type(value) is not dict and issubclass(
        type(value), MultiValueDict
    ):  # as everywhere in Django, the last of several values counts
        return [(key, some[-1] if type(some) is list and some else some) for key, some in pairs]
    return pairs


def _object(value: Any, levels: int, left: list[int]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, member in _pairs(value, levels, left):
        try:
            made[_new_name(key, made)] = _plain(member, levels - 1, left)
        except Exception as error:  # noqa: BLE001  (see the module)
            refusal = _within(f".{readable_name(key)}", error)
            raise refusal from refusal.__cause__
    return made


def _array(kind: Any) -> Callable[[Any, int, list[int]], list[Any]]:
    def build(value: Any, levels: int, left: list[int]) -> list[Any]:
        _take(kind.__len__(value), "an array of {} elements", levels, left)
        made: list[Any] = []
        for member in tuple(kind.__iter__(value)):  # a copy, because a member's own code may append to it
            try:
                made.append(_plain(member, levels - 1, left))
            except Exception as error:  # noqa: BLE001  (see the module)
                refusal = _within(f"[{len(made)}]", error)
                raise refusal from refusal.__cause__
        return made

    return build


def _sorted_array(kind: Any) -> Callable[[Any, int, list[int]], list[Any]]:
    build = _array(kind)
    return lambda value, levels, left: sorted(build(value, levels, left), key=json.dumps)


def _within(place: str, error: Exception) -> Refusal:
    refusal = refusal_of(error)
    refusal.place = (place + refusal.place)[: 4 * _NAME_CHARACTERS]
    return refusal


def _take(count: int, what: str, levels: int, left: list[int]) -> None:
    """Refuse a container that is too large for an event, before reading it."""
    if not levels:
        raise Refusal(f"more than {LEVELS} levels of nesting", f"at most {limits.NESTING_LEVELS}")
    left[0] -= count
    if count > _MOST_MEMBERS or left[0] < 0:
        raise Refusal(what.format(count), f"at most {limits.OBJECT_KEYS}")


_list = _array(list)
_NESTED: tuple[tuple[Any, Callable[[Any, int, list[int]], Any]], ...] = (
    (dict, _object),
    (list, _list),
    (tuple, _array(tuple)),
    (set, _sorted_array(set)),
    (frozenset, _sorted_array(frozenset)),
)
