"""Converts what call sites assign to the fields of an event: texts, ids, addresses, times."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from django.db.models import Model

from whyness_events import InvalidEvent
from whyness_events import event as contract
from whyness_events.values import check_value
from whyness_mixpanel.encoding.plain_values import plain, readable_name, settled
from whyness_mixpanel.encoding.refusal import InvalidValue, Refusal
from whyness_mixpanel.encoding.scalars import exact_decimal, in_utc
from whyness_mixpanel.faults import kind_of

# An id of more bits has more digits than an id may have.
_ID_BITS = 1_000
# Python writes no number of many more digits.
_TIME_BITS = 10_000


def text(value: Any) -> str:
    """Return a text.

    Raises:
        Refusal: it is not a text.
    """
    value = settled(value)
    if issubclass(type(value), str):
        return str.__str__(value)
    raise Refusal(kind_of(value), "text")


def identifier(value: Any) -> str:
    """Return an id as text, None as `""`.

    Raises:
        Refusal: it is not an id.
    """
    value = settled(value)
    kind = type(value)
    if value is None:
        return ""
    if issubclass(kind, int) and kind is not bool:
        if int.bit_length(value) > _ID_BITS:
            raise Refusal("an integer of more than 300 digits", "an id of at most 255 bytes")
        return str(int.__int__(value))
    if issubclass(kind, UUID):
        return UUID.__str__(value)
    if issubclass(kind, str):
        return str.__str__(value)
    raise Refusal(kind_of(value), "text, an integer, or a UUID")


def new_identifier() -> str:
    """Return a random UUID (version 4) as `str(uuid4())` would, which takes seven times as long."""
    random = os.urandom(16)
    digits = random.hex()
    variant = "89ab"[random[15] & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-{variant}{digits[15:18]}-{digits[18:30]}"


def user(value: Any) -> str:
    """Return the id of a user as text: of a model its key, of an anonymous user `""`.

    Raises:
        Refusal: it is neither an id nor a user.
    """
    value = settled(value)
    is_id = value is None or issubclass(type(value), str | int | UUID)
    return identifier(value if is_id else _key_of(value))


def _key_of(person: Any) -> Any:
    is_authenticated = getattr(person, "is_authenticated", None)
    if is_authenticated is False:
        return None
    is_user = is_authenticated is True or issubclass(type(person), Model)
    return person.pk if is_user else person


def address(value: Any) -> Any:
    """Return an address as text, None as `""`, and anything else as `plain()` does: it means no location."""
    value = settled(value)
    if value is None:
        return ""
    for known in (IPv4Address, IPv6Address):
        if issubclass(type(value), known):
            return known.__str__(value)
    return plain(value)


def moment(value: Any) -> datetime | float:
    """Return a time as an aware datetime or a number.

    Raises:
        Refusal: it is neither.
    """
    if type(value) is int:
        return _bounded(value)
    value = settled(value)
    kind = type(value)
    if issubclass(kind, datetime):
        text_of_it = datetime.isoformat(in_utc(value))  # a class of its own may stay one until then
        return datetime.fromisoformat(text_of_it)
    if kind is not bool:
        for known, convert in _NUMBERS:
            if issubclass(kind, known):
                number: float = convert(value)
                return number
    raise Refusal(kind_of(value), "an aware datetime, or a number of seconds or milliseconds")


def named(error: InvalidEvent, properties: Mapping[str, Any]) -> InvalidEvent:
    """Return the error with the property's name added, for the developer."""
    if error.path != "properties.*":
        return error
    for name, value in properties.items():
        try:
            contract.check_property_name(name)
            check_value(error.path, value)
        except InvalidEvent:
            return InvalidValue(error.path, error.found, error.allowed, f"properties.{readable_name(name)}")
    return error


def _bounded(value: int) -> int:
    if int.bit_length(value) > _TIME_BITS:
        raise Refusal("an integer of thousands of digits", "a number of seconds or milliseconds")
    return int.__int__(value)


_NUMBERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (int, _bounded),
    (float, float.__float__),
    (Decimal, exact_decimal),
)

READERS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("insert_id", identifier),
    ("event", text),
    ("user", user),
    ("ip", address),
    ("useragent", lambda value: "" if value is None else text(value)),
    ("prospect", identifier),
)
