"""What counts as a secret: the defaults of SCRUB_NAMES and SCRUB_PATTERNS, and how both are parsed."""

import re
import string

from whyness_mixpanel.setting_parsers import members

# A key's value is secret where the key's letters and digits, in any case, contain one of these.
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
# Secret anywhere in a text: bearer tokens, JWTs, AWS keys, a URL's password, PEM keys. Beside each pattern is
# a part of every match; in lower case where the case does not matter. Only texts with that part are searched.
LITERALS = {
    "(?i:bearer) +[A-Za-z0-9._~+/=-]{8,}": "bearer ",
    "(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+[.][A-Za-z0-9_-]++[.][A-Za-z0-9_-]*": "eyJ",
    "A[KS]IA[A-Z0-9]{16}": "IA",
    "(?<=://)[^/ :@]{0,100}:[^/ @]{1,200}(?=@)": "@",
    "-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.*)": "-----BEGIN ",
}
PATTERNS: tuple[str, ...] = tuple(LITERALS)

_PLAIN = f"{string.ascii_lowercase}{string.digits}".encode()
_PUNCTUATION = bytes(set(range(256)) - set(_PLAIN))


def parse_names(value: object) -> tuple[str, ...]:
    """Return parts of keys for the setting, each with a letter or digit."""
    names = _texts(value)
    if not all(map(plain_name, names)):
        raise ValueError
    return names


def parse_patterns(value: object) -> tuple[str, ...]:
    """Return regular expressions for the setting; a text is a single one, commas included."""
    patterns = _texts([value] if isinstance(value, str) else value)
    for pattern in patterns:
        try:
            matches_empty = re.compile(pattern).search("") is not None
        except re.error as error:
            raise ValueError from error
        if matches_empty:
            raise ValueError  # it would put a mark between any two characters
    return patterns


def _texts(value: object) -> tuple[str, ...]:
    texts = members(value)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    return tuple(texts)


def plain_name(name: str) -> str:
    """Return the letters and digits of a key in lower case, by which keys are compared."""
    return name.lower().encode(errors="replace").translate(None, _PUNCTUATION).decode()
