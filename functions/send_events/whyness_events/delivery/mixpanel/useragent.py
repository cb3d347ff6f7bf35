"""Read browser, system and device from a User-Agent header.

The parser (uap-core's rules on a linear-time engine) takes bounded time for any text, because a stranger can
send any header. It takes tens of microseconds, so the caller caches the results.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ua_parser import Parser

# The rest of a longer header is not parsed.
_PARSED_CHARS = 1_000
_UNKNOWN = "Other"


def describe_useragent(header: str) -> Mapping[str, str]:
    """Return `$browser`, `$os`, `$device` and their details, as far as the raw `header` tells them."""
    parsed = _parser().parse(header[:_PARSED_CHARS])
    described: dict[str, str | None] = {}
    if browser := parsed.user_agent:
        described |= {"$browser": browser.family, "$browser_version": _version(browser.major, browser.minor)}
    if system := parsed.os:
        described |= {"$os": system.family, "$os_version": _version(system.major, system.minor)}
    if device := parsed.device:
        described |= {"$device": device.family, "$brand": device.brand, "$model": device.model}
    return {name: value for name, value in described.items() if value and value != _UNKNOWN}


def _version(major: str | None, minor: str | None) -> str | None:
    return f"{major}.{minor}" if major and minor else major


@lru_cache(maxsize=1)
def _parser() -> "Parser":
    # Imported and built at first use: it takes a sixth of a second and 27 MB.
    from ua_parser import Parser  # noqa: PLC0415
    from ua_parser.loaders import load_lazy_builtins  # noqa: PLC0415
    from ua_parser.regex import Resolver  # noqa: PLC0415

    return Parser(Resolver(load_lazy_builtins()))
