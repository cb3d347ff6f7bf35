"""docs/in-mixpanel.md: what browsers are called, here and by Mixpanel's own library."""

from types import SimpleNamespace
from typing import NamedTuple

import msgspec
import pytest

from tests.reference.markdown import code, table
from whyness_events import limits
from whyness_events.delivery.mixpanel import translate, useragent

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_PIXEL = "Mozilla/5.0 (Linux; Android 14; Pixel 8)"
_VIEW = "Version/4.0 Chrome/131.0.6778.39 Mobile Safari/537.36"
_REDUCED = "Mozilla/5.0 (Linux; Android 10; K)"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"


class Browser(NamedTuple):
    """A browser, its header, and what mixpanel-js 2.82.1 says of it (run on 2026-11-26)."""

    name: str
    header: str
    browser: str
    device: str


BROWSERS = (
    Browser(
        "Chrome, Windows",
        f"{_WINDOWS}) {_WEBKIT} Chrome/131.0.0.0 Safari/537.36",
        "Chrome, 131",
        "",
    ),
    Browser("Chrome, macOS", f"{_MAC} {_WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome, 131", ""),
    Browser(
        "Chrome, Android",
        f"{_REDUCED} {_WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36",
        "Chrome, 131",
        "Android",
    ),
    Browser(
        "Chrome, iPhone",
        f"{_IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1",
        "Chrome iOS, 131",
        "iPhone",
    ),
    Browser(
        "Safari, iPhone",
        f"{_IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
        "Mobile Safari, 17.5",
        "iPhone",
    ),
    Browser("An app's view, iPhone", f"{_IPHONE} Mobile/15E148", "Mobile Safari", "iPhone"),
    Browser(
        "Safari, macOS and iPad",
        f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
        "Safari, 17.5",
        "",
    ),
    Browser(
        "Firefox, Windows",
        f"{_WINDOWS}; rv:133.0) Gecko/20100101 Firefox/133.0",
        "Firefox, 133",
        "",
    ),
    Browser(
        "Firefox, Android",
        "Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0",
        "Android Mobile",
        "Android",
    ),
    Browser(
        "Edge, Windows",
        f"{_WINDOWS}) {_WEBKIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        "Microsoft Edge, 131",
        "",
    ),
    Browser(
        "Edge, Android",
        f"{_REDUCED} {_WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36 EdgA/131.0.0.0",
        "Chrome, 131",
        "Android",
    ),
    Browser(
        "Instagram, Android",
        f"{_PIXEL} {_WEBKIT} {_VIEW} Instagram 360.0.0.30.109 Android",
        "Chrome, 131",
        "Android",
    ),
)


def browsers() -> str:
    """Return the table of what both sides say of the same browser."""
    heads = ("browser", "`$browser`, `$browser_version`", "browser library", "`$device`", "browser library")
    return table(heads, map(_row, BROWSERS))


def _row(browser: Browser) -> tuple[str, ...]:
    said = useragent.describe_useragent(browser.header)
    ours = [said[f"${name}"] for name in ("browser", "browser_version") if f"${name}" in said]
    device = said.get("$device", "")
    cells = (", ".join(ours), browser.browser, device, browser.device)
    return browser.name, *(cell or "-" for cell in cells)


def callers() -> str:
    """Return the properties with Mixpanel's names that a site may set itself."""
    return ", ".join(code(name) for name in sorted(limits.CALLERS_PROPERTIES))


def properties() -> set[str]:
    """Return every property that translation can set."""
    known = {field.encode_name for field in msgspec.structs.fields(translate._FieldProperties)}
    return known | translate.LIBRARY.keys() | {"useragent"} | _described()


def _described() -> set[str]:
    """Return what a header can say at most."""
    all_of_it = SimpleNamespace(
        user_agent=SimpleNamespace(family="a", major="1", minor="2"),
        os=SimpleNamespace(family="a", major="1", minor="2"),
        device=SimpleNamespace(family="a", brand="b", model="c"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(useragent, "_parser", lambda: SimpleNamespace(parse=lambda _: all_of_it))
        return set(useragent.describe_useragent("any"))
