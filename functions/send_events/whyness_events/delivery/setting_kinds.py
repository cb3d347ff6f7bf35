"""Pure: kinds of settings. Each says in words what it allows, and parses a text or raises ValueError."""

import urllib.parse
from collections.abc import Callable
from typing import TypeAlias, TypeVar

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

T = TypeVar("T")
# What is allowed, after "must be"; and the parser. A tuple, for a class costs the cold start.
Kind: TypeAlias = tuple[str, Callable[[str], T]]


def text(allowed: str = "text", fits: Callable[[str], bool] = bool) -> Kind[str]:
    """Return texts that fit."""
    return _kind(allowed, str, fits)


def number(low: float, high: float, note: str = "") -> Kind[float]:
    """Return the numbers within two bounds, which are included."""
    return _kind(f"{low:g} to {high:g}{note}", float, lambda value: low <= value <= high)


def integer(low: int, high: int, note: str = "") -> Kind[int]:
    """Return the integers within two bounds, which are included."""
    return _kind(f"{low} to {high}{note}", _integer, lambda value: low <= value <= high)


def is_digits(value: str) -> bool:
    """Whether it consists of ASCII digits; int() takes other alphabets, signs and underscores too."""
    return value.isascii() and value.isdigit()


def is_url(value: str) -> bool:
    """Whether it is an http or https URL."""
    try:
        parts = urllib.parse.urlsplit(value)
        return bool(parts.scheme in ("https", "http") and parts.hostname and parts.port != 0)
    except ValueError:  # an invalid port or address
        return False


def is_safe_url(value: str) -> bool:
    """Whether it is a URL to which a password may be sent: https, or this machine."""
    parts = urllib.parse.urlsplit(value) if is_url(value) else None
    return parts is not None and (parts.scheme == "https" or parts.hostname in _LOOPBACK)


def _integer(value: str) -> int:
    if not is_digits(value):
        raise ValueError
    return int(value)


def _kind(allowed: str, convert: Callable[[str], T], fits: Callable[[T], bool]) -> Kind[T]:
    def parse(written: str) -> T:
        value = convert(written)
        if not fits(value):
            raise ValueError
        return value

    return allowed, parse
