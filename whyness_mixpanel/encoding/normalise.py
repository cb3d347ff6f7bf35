"""Converts times to epoch milliseconds."""

import math
import time
from datetime import UTC, datetime, timedelta

from whyness_events import InvalidEvent

# Numbers below this in magnitude are seconds: as milliseconds they would be in or before March 1973.
_SECONDS_BELOW = 1e11
_TIME_ALLOWED = "an aware datetime, or a number of seconds or milliseconds since 1970"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(value: object) -> int:
    """Return a time in epoch milliseconds, rounded down.

    Raises:
        InvalidEvent: it is not a time.
    """
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise InvalidEvent("time", "a naive datetime", _TIME_ALLOWED)
        return (value - _EPOCH) // timedelta(milliseconds=1)
    unclear = isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value))
    if unclear or not isinstance(value, int | float):
        raise InvalidEvent("time", f"a {type(value).__name__}", _TIME_ALLOWED)
    return math.floor(value * 1000 if abs(value) < _SECONDS_BELOW else value)


def now_ms() -> int:
    """Return the current time in epoch milliseconds."""
    return time.time_ns() // 1_000_000
