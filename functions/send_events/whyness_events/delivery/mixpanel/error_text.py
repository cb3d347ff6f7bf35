"""Pure and total: find the error texts in an answer. They are not safe to show: see safe_text.py."""

from collections.abc import Iterator

import msgspec

# The most telling first. Mixpanel: failed_records, message, error, status. The others are those of proxies
# and gateways: RFC 9457, OAuth, Amazon's and Google's load balancers.
_KEYS = (
    "failed_records",
    "message",
    "Message",
    "error",
    "errors",
    "detail",
    "details",
    "error_description",
    "reason",
    "title",
)
_LEVELS = 4
_MEMBERS = 100
_MOST_TEXTS = 3
# A larger number is not an error code.
_MOST_CODE = 10**9

# Every JSON value needs a comma or a bracket. These limits are above what any report has, and bound the
# memory.
_MARKS = b",[{"
_MARKS_AN_EVENT, _MARKS_BESIDES = 30, 1_000


def decode_json(body: bytes, events: int) -> object:
    """Return the JSON of an answer to `events` events; None if it is not JSON, or has too many values.

    Decoding 8 MB of tiny values would take thirty times as much memory.
    """
    if sum(body.count(mark) for mark in _MARKS) > _MARKS_AN_EVENT * events + _MARKS_BESIDES:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def texts_of(document: object) -> list[str]:
    """Return the error texts in decoded JSON, at most three."""
    texts = list(dict.fromkeys(_texts(document, _LEVELS)))[:_MOST_TEXTS]
    status = document.get("status") if isinstance(document, dict) else None
    return texts or ([status] if isinstance(status, str) else [])


def _texts(value: object, levels: int) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, list) and levels:
        for member in value[:_MEMBERS]:
            yield from _texts(member, levels - 1)
    elif isinstance(value, dict) and levels:
        for member in map(value.get, _KEYS):
            is_code = type(member) is int and abs(member) < _MOST_CODE
            yield from [str(member)] if is_code else _texts(member, levels - 1)
