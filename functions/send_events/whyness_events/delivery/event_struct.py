"""Pure: the contract's Event as a type that the decoder checks while it reads.

This takes a fraction of the time of the contract's own check: most rules are types here, the others are
checked for many events at once, and names, which repeat, are checked once. An event that does not fit is not
refused; the contract checks it. So a limit here may be narrower than the contract's, never wider. A property
test compares the results of both.
"""

import string
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Annotated, Literal

from msgspec import Meta, Struct

from whyness_events import limits
from whyness_events.errors import InvalidEvent
from whyness_events.event import CALLERS_PROPERTY_KEYS, check_name, check_property_name

# The nested values of an event of at most this size for Mixpanel are surely small enough.
SURE_BYTES = limits.NESTED_VALUE_BYTES // 2
# A character takes up to four bytes, so an id of at most this length is surely short enough.
_ID_CHARS = 61
_INSERT_ID_CHARS = int(limits.INSERT_ID_BYTES)
_INSERT_ID_ALPHABET = f"{string.ascii_letters}{string.digits}-".encode()
# The second is a prospect's prefix without an id.
_NOT_IDS = limits.PLACEHOLDERS | {"p:"}

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


def are_surely_valid(events: Sequence[EventStruct], *, now_ms: int) -> bool:
    """Return whether all events are due and every rule holds for each, the size of nested values aside.

    Each rule is applied to all events at once. False means that the contract must check at least one.

    Args:
        events: as decoded, at least one.
        now_ms: the reader's clock, epoch milliseconds.
    """
    insert_ids = [event.insert_id for event in events]
    users = [event.user for event in events]
    properties = [event.properties for event in events]
    return (
        max([event.time for event in events]) <= now_ms
        and _are_insert_ids(insert_ids)
        and "$" not in "".join(users)  # might begin with `$device:`
        and _are_ids(insert_ids + users)
        and _pass({event.event for event in events}, check_name, _event_names)
        and _pass(set().union(*properties), check_property_name, _property_names)
    )


def _are_insert_ids(texts: Sequence[str]) -> bool:
    """Return whether all are insert ids; they may still be placeholders."""
    joined = "".join(texts)
    return (
        all(texts)
        and max(map(len, texts)) <= _INSERT_ID_CHARS
        and joined.isascii()
        and not joined.encode().translate(None, delete=_INSERT_ID_ALPHABET)
    )


def _are_ids(texts: Sequence[str]) -> bool:
    """Return whether no text is a placeholder, in letters of any case."""
    joined = "\n".join(texts)
    lower = joined.lower()
    # A text with a line break becomes several, so no placeholder is missed.
    return _NOT_IDS.isdisjoint(texts if lower == joined else lower.split("\n"))


# Bounds the memory for names: traffic has few of them, but a stranger may send many.
_KEPT_NAMES, _KEPT_NAME_CHARS = 1_024, 100
_event_names: set[str] = set()
_property_names: set[str] = set()


def _pass(names: set[str], check: Callable[[str], None], known: set[str]) -> bool:
    """Return whether the names pass a check; those that are not `known` are applied to it, and then kept."""
    new = names - known
    try:
        for name in new:
            check(name)
    except InvalidEvent:
        return False
    short = (name for name in new if len(name) <= _KEPT_NAME_CHARS)
    known.update(islice(short, _KEPT_NAMES - len(known)))
    return True
