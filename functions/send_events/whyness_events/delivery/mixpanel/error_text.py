"""Pure and total: what an answer says, in words, wherever its sender puts them. They are not safe to show."""

from collections.abc import Iterator

import msgspec

# In the order in which they tell most. Mixpanel: failed_records, message, error, status; the others are
# those of proxies and gateways: RFC 9457, OAuth, Amazon's and Google's load balancers.
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
# A larger number is no error's code.
_MOST_CODE = 10**9

# A value needs a comma or a bracket: so many for each event are more than any report has, and few enough.
_MARKS = b",[{"
_MARKS_AN_EVENT, _MARKS_BESIDES = 30, 1_000


def decode_json(body: bytes, events: int) -> object:
    """Return the JSON of an answer to so many events; None for what is none, or more than an answer can be.

    8 MB may hold millions of values, each of which would take thirty times its size.
    """
    if sum(body.count(mark) for mark in _MARKS) > _MARKS_AN_EVENT * events + _MARKS_BESIDES:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def texts_of(document: object) -> list[str]:
    """Return the first texts in decoded JSON that say something; none where it has none."""
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
