"""Pure: moments as epoch milliseconds, out of what anybody may have written."""

from datetime import UTC, datetime

_LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999, the last that a datetime holds


def known_ms(value: object) -> int:
    """Return the moment that a number or its digits are; 0, "not known", for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])  # longer is out of range too, and int() refuses thousands of digits
    is_moment = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LAST_MS
    return value if is_moment and isinstance(value, int) else 0


def parse_moment(text: str) -> int:
    """Return the moment of an ISO 8601 text with its offset; 0 for anything else."""
    try:
        found = datetime.fromisoformat(text)
        return known_ms(int(found.timestamp() * 1000)) if found.tzinfo else 0
    except (ValueError, OverflowError):
        return 0


def moment(time_ms: object) -> str:
    """Return epoch milliseconds as people and JSON write it; `""` for what is no moment after 1970."""
    found = known_ms(time_ms)
    return datetime.fromtimestamp(found / 1000, UTC).isoformat(timespec="milliseconds") if found else ""
