"""Pure: the contract's Event as a type that the decoder checks while it reads.

This takes a fraction of the time of the contract's own check: most rules are types here, and names, which
repeat, are checked once. An event that does not fit is not refused; the contract checks it. So a limit here
may be narrower than the contract's, never wider. A property test compares the results of both.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from whyness_events import limits
from whyness_events.errors import InvalidEvent
from whyness_events.event import (
    CALLERS_PROPERTY_KEYS,
    check_name,
    check_property_names,
    check_user,
    valid_insert_id,
)

# The nested values of an event of at most this size for Mixpanel are surely small enough.
SURE_BYTES = limits.NESTED_VALUE_BYTES // 2
# A character takes up to four bytes, so an id of at most this length is surely short enough.
_ID_CHARS = 61
# No placeholder is this long except one, which the pattern leaves out.
_is_insert_id = re.compile(r"(?!0{8}-)[A-Za-z0-9-]{10,36}|[1-9][0-9]{0,8}", re.ASCII).fullmatch
_is_user = re.compile(r"(?:p:)?[1-9][0-9]{0,17}", re.ASCII).fullmatch

_Id = Annotated[str, Meta(max_length=_ID_CHARS)]
_Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Scalar = str | _Integer | float | bool | None
_Array = Meta(max_length=int(limits.ARRAY_ELEMENTS))
_Object = Meta(max_length=int(limits.OBJECT_KEYS))
_Nested1 = _Scalar | Annotated[list[_Scalar], _Array] | Annotated[dict[str, _Scalar], _Object]
_Nested2 = _Scalar | Annotated[list[_Nested1], _Array] | Annotated[dict[str, _Nested1], _Object]
_Value = _Scalar | Annotated[list[_Nested2], _Array] | Annotated[dict[str, _Nested2], _Object]


class EventStruct(Struct, gc=False):
    """The fields of the contract's Event, with narrower types."""

    insert_id: str
    event: Annotated[str, Meta(max_length=int(limits.EVENT_NAME_BYTES))]
    user: _Id
    time: Annotated[int, Meta(ge=int(limits.EARLIEST_TIME_MS))]
    ip: str = ""
    useragent: str = ""
    data: str | Annotated[dict[str, _Nested2], _Object] = ""
    properties: Annotated[dict[str, _Value], Meta(max_length=CALLERS_PROPERTY_KEYS)] = {}
    prospect: _Id = ""
    time_unit: Literal["", "s"] = ""


def is_surely_valid(event: EventStruct, *, now_ms: int) -> bool:
    """Return whether the event is due and every rule holds, the size of nested values aside.

    False means that the contract must check the event.

    Args:
        event: as decoded.
        now_ms: the reader's clock, epoch milliseconds.
    """
    return (
        event.time <= now_ms
        and (_is_insert_id(event.insert_id) is not None or valid_insert_id(event.insert_id))
        and _is_name(event.event)
        and (_is_user(event.user) is not None or _passes(check_user, event.user))
        and (_property_names.issuperset(event.properties) or _are_property_names(event.properties))
    )


# Bounds the memory for names: traffic has few of them, but a stranger may send many.
_KEPT_NAMES, _KEPT_NAME_CHARS = 1_024, 100
_property_names: set[str] = set()


@lru_cache(maxsize=_KEPT_NAMES)
def _is_name(name: str) -> bool:
    return _passes(check_name, name)


def _are_property_names(properties: Mapping[str, object]) -> bool:
    if not _passes(check_property_names, properties):
        return False
    if len(_property_names) < _KEPT_NAMES:
        _property_names.update(name for name in properties if len(name) <= _KEPT_NAME_CHARS)
    return True


def _passes(check: Callable[[Any], None], value: object) -> bool:
    try:
        check(value)
    except InvalidEvent:
        return False
    return True
