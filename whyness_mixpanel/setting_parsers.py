"""Parsers of the settings' values. Each raises ValueError, TypeError or OverflowError for any other value."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.functional import Promise
from django.utils.module_loading import import_string

LONGEST_TIMEOUT_S = 60
# Source: docs.mixpanel.com/reference/gdpr-api, 2026-11-23.
MIXPANEL_URLS = ("https://mixpanel.com", "https://eu.mixpanel.com", "https://in.mixpanel.com")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+").fullmatch
_OURS = "whyness_mixpanel.backends."
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def flag(value: object) -> bool:
    """Return a truth value, also from text such as `yes` and `off`."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def one_of(*names: str) -> Callable[[object], str]:
    """Return a parser that takes only `names`."""

    def parse(value: object) -> str:
        return names[names.index(str(value))]

    return parse


def backend(*names: str) -> Callable[[object], str]:
    """Return a parser of one of `names`, or of a dotted path; nothing is imported here."""

    def parse(value: object) -> str:
        name = str(value).removeprefix(_OURS)
        if name not in names and not (isinstance(value, str) and _DOTTED(name)):
            raise ValueError
        return name

    return parse


def line(value: object) -> str:
    """Return one line of text without the blanks around it; a lazy text, such as a vault's, is one too."""
    if not isinstance(value, str | int | Promise) or isinstance(value, bool):
        raise TypeError
    text = str(value).strip()
    if not text.isprintable():
        raise ValueError
    return text


def token(value: object) -> str:
    """Return a text of visible ASCII characters only, as HTTP headers, queries and AWS names require."""
    text = line(value)
    if not re.fullmatch("[!-~]*", text):
        raise ValueError
    return text


def seconds(value: Any) -> float:
    """Return a duration in seconds, above 0 and at most LONGEST_TIMEOUT_S."""
    duration_s = float(value)
    if isinstance(value, bool) or not 0 < duration_s <= LONGEST_TIMEOUT_S:
        raise ValueError
    return duration_s


def project_id(value: Any) -> int:
    """Return a positive integer."""
    number = int(value)
    if isinstance(value, bool | float) or number < 1:
        raise ValueError
    return number


def queue_url(value: object) -> str:
    """Return the URL of a queue that is not FIFO."""
    text = token(value)
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname or not url.path.strip("/") or url.port == 0:
        raise ValueError
    if url.path.endswith(".fifo"):
        raise ValueError
    return text


def region(value: object) -> str:
    """Return the name of an AWS region."""
    name = str(value)
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError
    return name


def members(value: object) -> list[Any]:
    """Return the members of a collection, or the parts of a text between commas, without their blanks."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError
    return list(value)


def users(value: object) -> frozenset[str]:
    """Return user ids."""
    return frozenset(str(user).strip() for user in members(value))


def texts(value: object) -> tuple[str, ...]:
    """Return texts, none of them empty."""
    found = members(value)
    if not all(isinstance(text, str) and text for text in found):
        raise ValueError
    return tuple(found)


def parts(value: object) -> tuple[str, ...]:
    """Return parts of headers in lower case, none of them empty."""
    return tuple(text.lower() for text in texts(value))


def properties(value: Any) -> dict[str, Any] | Callable[..., Any]:
    """Return a dictionary, or a function, also from its dotted path."""
    return value if isinstance(value, dict) else function(value)


def moment(value: object) -> datetime | None:
    """Return an aware datetime, also from its ISO 8601 text; or None, also from the word `none`."""
    if value is None or str(value).strip().lower() == "none":
        return None
    moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise ValueError
    return moment


def zone(value: object) -> ZoneInfo:
    """Return a time zone."""
    try:
        return ZoneInfo(line(value))
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError from error


def function(value: Any) -> Callable[[Any], Any]:
    """Return a function, also from its dotted path."""
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError as error:
            raise ValueError from error
    if not callable(value):
        raise TypeError
    return value  # type: ignore[no-any-return]  # import_string gives Any


def mixpanel_url(value: object) -> str:
    """Return the address of one of Mixpanel's regions, or of a simulator on this machine."""
    url = str(value).rstrip("/")
    if url in MIXPANEL_URLS or re.fullmatch(r"http://127\.0\.0\.1:[0-9]{1,5}", url):
        return url
    raise ValueError
