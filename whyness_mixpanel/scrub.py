"""Pure: replaces secrets in an event's `data` and `properties`, JSON values, at any depth."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from whyness_events import limits

REMOVED = "[removed]"
# A value under a key is secret when the letters and digits of the key contain one of these, in any case.
NAMES: tuple[str, ...] = (
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "cookie",
    "sessionid",
    "creditcard",
    "cardnumber",
)
# What is secret wherever it stands in a text: bearer tokens, JWTs, AWS keys, a URL's password, PEM keys.
PATTERNS: tuple[str, ...] = (
    "(?i:bearer) +[A-Za-z0-9._~+/=-]{8,}",
    "(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+[.][A-Za-z0-9_-]++[.][A-Za-z0-9_-]*",
    "A[KS]IA[A-Z0-9]{16}",
    "(?<=://)[^/ :@]{0,100}:[^/ @]{1,200}(?=@)",
    "-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.*)",
)

# The contract refuses more levels than this, and more bytes: what lies beyond is never sent.
_LEVELS = (
    limits.NESTING_LEVELS + 2
)  # `data` and `properties` hold values of that many, and one is to be refused
_VALUES = int(limits.EVENT_BYTES)

# `password=…`, `"api_key": "…"` also with its quotes escaped, `Authorization: Basic …`, up to the value. A
# name begins at a boundary, so that a long text is read once.
_NAME_IS = re.compile(r"""(?<![\w.%\[\]-])([\w.%\[\]-]++)[\\"']{0,4}[ \t]{0,9}[:=][ \t]{0,9}(\\{0,3}["'])?""")
_QUOTED = {quote: re.compile(rf"(?s:[^{quote}\\]|\\.)*+") for quote in "\"'"}
_BARE = re.compile(r"""(?i:(?:basic|bearer|digest|token)[ ]+)?[^\s"'&;,}]*+""")
# Longer keys are not kept in memory.
_KEY_CHARACTERS = 100
_NO_NAME = re.compile(r"[^a-z0-9]+")


class Scrubber:
    """Replaces what is secret.

    Args:
        names: parts of keys, letters and digits.
        patterns: regular expressions for parts of texts.
    """

    def __init__(self, names: Sequence[str], patterns: Sequence[str]) -> None:
        self._is_secret = _contains_one_of([plain for name in names if (plain := _plain(name))])
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def scrub(self, value: Any) -> Any:
        """Return a copy of `value` without secrets.

        It ends for whatever is nested, however deep, even in itself: containers too deep for the contract are
        emptied and values too many are removed, and the contract refuses such an event as it did before.
        """
        return self._scrub(value, _LEVELS, [_VALUES])

    def _scrub(self, value: Any, levels: int, left: list[int]) -> Any:
        left[0] -= 1
        if left[0] < 0:
            return REMOVED
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._members(value, levels, left)
        if isinstance(value, list):
            return [self._scrub(member, levels - 1, left) for member in value] if levels else []
        return value

    def _members(self, value: dict[Any, Any], levels: int, left: list[int]) -> dict[Any, Any]:
        if not levels:
            return {}
        return {
            key: REMOVED
            if isinstance(key, str) and self._is_secret(key)
            else self._scrub(member, levels - 1, left)
            for key, member in value.items()
        }

    def _text(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(REMOVED, text)
        return self._pairs(text) if "=" in text or ":" in text else text

    def _pairs(self, text: str) -> str:
        parts: list[str] = []
        done = 0
        for found in _NAME_IS.finditer(text):
            if found.start() < done or not self._is_secret(found[1]):
                continue
            start = found.end()
            parts += [text[done:start], REMOVED]
            done = _end_of_value(text, start, found[2] or "")
        return "".join([*parts, text[done:]])


def _end_of_value(text: str, start: int, quote: str) -> int:
    """Return where the value that begins at `start`, after `quote`, ends."""
    if text.startswith(REMOVED, start):
        return start + len(REMOVED)
    if len(quote) > 1:
        end = text.find(quote, start)
        return len(text) if end < 0 else end
    if text.startswith(("{", "["), start):
        return len(text)  # where it ends is not worth knowing: all the rest goes
    found = (_QUOTED[quote] if quote else _BARE).match(text, start)
    return found.end() if found else start


def parse_names(found: Any) -> tuple[str, ...]:
    """Return parts of keys, for the setting; in text there are commas between them."""
    names = _texts(found)
    if not all(map(_plain, names)):
        raise ValueError
    return names


def parse_patterns(found: Any) -> tuple[str, ...]:
    """Return regular expressions, for the setting; one alone may be a text."""
    patterns = (found,) if isinstance(found, str) else _texts(found)
    for pattern in patterns:
        try:
            matches_nothing = re.compile(pattern).search("") is not None
        except re.error as error:
            raise ValueError from error
        if matches_nothing:
            raise ValueError  # it would put a mark between any two characters
    return patterns


def _texts(found: Any) -> tuple[str, ...]:
    if isinstance(found, str):
        found = [part.strip() for part in found.split(",")]
    if not isinstance(found, list | tuple | set | frozenset) or not all(isinstance(x, str) for x in found):
        raise TypeError
    return tuple(found)


def _plain(name: str) -> str:
    return _NO_NAME.sub("", name.lower())


def _contains_one_of(names: Sequence[str]) -> Callable[[str], bool]:
    if not names:
        return lambda _: False
    search = re.compile("|".join(map(re.escape, names))).search
    ask = lru_cache(maxsize=1_024)(lambda key: search(_plain(key)) is not None)  # keys come again and again
    return lambda key: ask(key) if len(key) <= _KEY_CHARACTERS else search(_plain(key)) is not None
