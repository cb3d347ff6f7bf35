"""What a User-Agent header says of browser, system and device.

The parser (uap-core's rules on a linear-time engine) takes any text in bounded time, which matters: the
header is whatever a stranger sends. It takes tens of microseconds; whoever calls keeps what it
said, for traffic repeats itself.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ua_parser import Parser

# A header longer than this tells a person nothing more, and a hostile one costs nothing more.
_PARSED_CHARS = 1_000
_UNKNOWN = "Other"


def describe_useragent(header: str) -> Mapping[str, str]:
    """Return what is known of `$browser`, `$os`, `$device` and their kin for a raw `header`."""
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
    # Imported and built at first use: that takes a sixth of a second and 27 MB.
    from ua_parser import Parser  # noqa: PLC0415
    from ua_parser.loaders import load_lazy_builtins  # noqa: PLC0415
    from ua_parser.regex import Resolver  # noqa: PLC0415

    return Parser(Resolver(load_lazy_builtins()))
