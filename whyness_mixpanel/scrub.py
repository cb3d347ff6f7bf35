"""What counts as a secret: the defaults of SCRUB_NAMES and SCRUB_PATTERNS, and how both are read."""

import re
from typing import Any

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

_NO_NAME = re.compile(r"[^a-z0-9]+")


def parse_names(value: Any) -> tuple[str, ...]:
    """Return parts of keys, for the setting; in text there are commas between them."""
    names = _texts(value)
    if not all(map(plain_name, names)):
        raise ValueError
    return names


def parse_patterns(value: Any) -> tuple[str, ...]:
    """Return regular expressions, for the setting; one alone may be a text."""
    patterns = (value,) if isinstance(value, str) else _texts(value)
    for pattern in patterns:
        try:
            matches_nothing = re.compile(pattern).search("") is not None
        except re.error as error:
            raise ValueError from error
        if matches_nothing:
            raise ValueError  # it would put a mark between any two characters
    return patterns


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list | tuple | set | frozenset) or not all(isinstance(x, str) for x in value):
        raise TypeError
    return tuple(value)


def plain_name(name: str) -> str:
    """Return what is compared of a key: its letters and digits, in lower case."""
    return _NO_NAME.sub("", name.lower())
