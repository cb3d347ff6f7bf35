"""What was found for a setting, turned into its type; ValueError, TypeError or OverflowError otherwise."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.module_loading import import_string

LONGEST_TIMEOUT_S = 60
# Source: docs.mixpanel.com/reference/gdpr-api, 2026-11-23.
MIXPANEL_URLS = ("https://mixpanel.com", "https://eu.mixpanel.com", "https://in.mixpanel.com")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+").fullmatch
_OURS = "whyness_mixpanel.backends."
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def flag(found: object) -> bool:
    """Return a truth value; text such as `yes` and `off` has one."""
    if isinstance(found, bool):
        return found
    word = str(found).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def one_of(*names: str) -> Callable[[object], str]:
    """Return a parser that takes only `names`."""

    def parse(found: object) -> str:
        return names[names.index(str(found))]

    return parse


def backend(*names: str) -> Callable[[object], str]:
    """Return a parser of one of `names`, or of a dotted path; nothing is imported here."""

    def parse(found: object) -> str:
        name = str(found).removeprefix(_OURS)
        if name not in names and not (isinstance(found, str) and _DOTTED(name)):
            raise ValueError
        return name

    return parse


def line(found: object) -> str:
    """Return one line of text, without the blanks around it. It may come lazily, such as from a vault."""
    if not isinstance(found, str | int | Promise) or isinstance(found, bool):
        raise TypeError
    text = str(found).strip()
    if not text.isprintable():
        raise ValueError
    return text


def token(found: object) -> str:
    """Return a text of visible ASCII characters alone, as headers, queries and names of AWS have it."""
    text = line(found)
    if not re.fullmatch("[!-~]*", text):
        raise ValueError
    return text


def seconds(found: Any) -> float:
    """Return a duration in seconds, above 0 and at most LONGEST_TIMEOUT_S."""
    duration_s = float(found)
    if isinstance(found, bool) or not 0 < duration_s <= LONGEST_TIMEOUT_S:
        raise ValueError
    return duration_s


def project_id(found: Any) -> int:
    """Return a positive whole number."""
    number = int(found)
    if isinstance(found, bool | float) or number < 1:
        raise ValueError
    return number


def queue_url(found: object) -> str:
    """Return the URL of a queue that is not FIFO."""
    text = token(found)
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname or not url.path.strip("/") or url.port == 0:
        raise ValueError
    if url.path.endswith(".fifo"):
        raise ValueError
    return text


def region(found: object) -> str:
    """Return the name of an AWS region."""
    name = str(found)
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError
    return name


def users(found: Any) -> frozenset[str]:
    """Return user ids; in text there are commas between them."""
    if isinstance(found, str):
        found = [user.strip() for user in found.split(",")]
    if not isinstance(found, list | tuple | set | frozenset):
        raise TypeError
    return frozenset(str(user).strip() for user in found)


def parts(found: Any) -> tuple[str, ...]:
    """Return parts of headers in lower case, none of them empty; in text there are commas between them."""
    if isinstance(found, str):
        found = [part.strip() for part in found.split(",")]
    if not isinstance(found, list | tuple | set | frozenset):
        raise TypeError
    if not all(isinstance(part, str) and part for part in found):
        raise ValueError
    return tuple(part.lower() for part in found)


def moment(found: object) -> datetime | None:
    """Return an aware datetime, also from its ISO 8601 text; None, or the word, is none."""
    if found is None or str(found).strip().lower() == "none":
        return None
    moment = datetime.fromisoformat(found.strip()) if isinstance(found, str) else found
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise ValueError
    return moment


def function(found: Any) -> Callable[[Any], Any]:
    """Return a function, or the one that a dotted path names."""
    if isinstance(found, str):
        try:
            found = import_string(found)
        except ImportError as error:
            raise ValueError from error
    if not callable(found):
        raise TypeError
    return found  # type: ignore[no-any-return]  # import_string gives Any


def mixpanel_url(found: object) -> str:
    """Return the address of one of Mixpanel's regions, or of a stand-in on this machine."""
    url = str(found).rstrip("/")
    if url in MIXPANEL_URLS or re.fullmatch(r"http://127\.0\.0\.1:[0-9]{1,5}", url):
        return url
    raise ValueError
