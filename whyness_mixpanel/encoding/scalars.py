"""What a single value is on the wire: texts, numbers, dates and times.

As in `plain_values`, a value is read by the methods of `int`, `Decimal` and so on, not by its own class's.
"""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from whyness_mixpanel.encoding.refusal import Refusal

# Beyond this a double, which is what Mixpanel reads, is not exact.
LOWEST, HIGHEST = -(2**53), 2**53
_AS_TEXT = "a number that a double holds exactly: send it as text"


def _exact(value: int) -> int:
    number = int.__int__(value)
    if not LOWEST <= number <= HIGHEST:
        raise Refusal("an integer beyond 2**53", _AS_TEXT)
    return number


def _finite(value: float) -> float:
    number = float.__float__(value)
    if not math.isfinite(number):
        raise Refusal("NaN, or a number too large to read", "a finite number")
    return number


def exact_decimal(value: Decimal) -> float:
    """Return the double that is exactly this number, in the shortest way of writing it.

    Raises:
        Refusal: no double is exactly this number.
    """
    is_near = Decimal.is_finite(value) and Decimal.__le__(Decimal.copy_abs(value), HIGHEST)
    if not is_near:
        raise Refusal("a Decimal that is not finite, or beyond 2**53", _AS_TEXT)
    number = float(Decimal.__str__(value))
    if Decimal(repr(number)) != Decimal(Decimal.__str__(value)):
        raise Refusal("a Decimal that a double does not hold", _AS_TEXT)
    return number


def in_utc(value: datetime) -> datetime:
    """Return the datetime in UTC; a naive one is read in the current time zone where USE_TZ is off.

    Raises:
        Refusal: it is naive, and USE_TZ is on.
    """
    if datetime.utcoffset(value) is None:
        if settings.USE_TZ:
            raise Refusal("a naive datetime", "an aware datetime")
        value = datetime.replace(value, tzinfo=timezone.get_current_timezone())
    return datetime.astimezone(value, UTC)


# In this order, because a datetime is a date.
SCALARS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, _exact),
    (float, _finite),
    (Decimal, exact_decimal),
    (datetime, lambda value: datetime.isoformat(in_utc(value))),
    (date, date.isoformat),
    (time, time.isoformat),
    (timedelta, timedelta.total_seconds),
    (UUID, UUID.__str__),
)
