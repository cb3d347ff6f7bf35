"""Pure: browser, system and device of a User-Agent header, as Mixpanel's browser library names them.

Source: mixpanel-js 2.82.1, `_.info` in src/utils.js. The order of the rules matters, because many headers
contain the names of other browsers. The library also asks for `navigator.vendor`, which is not in the header:
`AppleWebKit` without Chrome and Android stands for Apple.
"""

import re
from collections.abc import Mapping, Sequence

# The rest of a longer header is not read.
_READ_CHARS = 1_000
# Enough for a version, and few enough for a number.
_VERSION = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"

_OPERA, _BLACKBERRY = " OPR/|^Opera/", "(?i:BlackBerry|PlayBook|BB10)"
# The name; what the header contains; what it contains besides; what precedes the version.
_BROWSERS = (
    ("Opera Mini", _OPERA, "Mini", ""),
    ("Opera", _OPERA, "", "(?:Opera|OPR)/"),
    ("BlackBerry", _BLACKBERRY, "", "BlackBerry "),
    ("Internet Explorer Mobile", "IEMobile|WPDesktop", "", "rv:"),
    ("Samsung Internet", "SamsungBrowser/", "", "SamsungBrowser/"),
    ("Microsoft Edge", "Edge|Edg/", "", "Edge?/"),
    ("Facebook Mobile", "FBIOS", "", ""),
    ("Whale Browser", "Whale/", "", "Whale/"),
    ("Chrome", "Chrome", "", "Chrome/"),
    ("Chrome iOS", "CriOS", "", "CriOS/"),
    ("UC Browser", "UCWEB|UCBrowser", "", "(?:UCBrowser|UCWEB)/"),
    ("Firefox iOS", "FxiOS", "", "FxiOS/"),
    ("Android Mobile", "Android", "", "android "),
    ("Mobile Safari", "AppleWebKit", "Mobile", "Version/"),
    ("Safari", "AppleWebKit", "", "Version/"),
    ("Konqueror", "Konqueror", "", "Konqueror:"),
    ("Firefox", "Firefox", "", "Firefox/"),
    ("Internet Explorer", "MSIE|Trident/", "", "(?:rv:|MSIE )"),
    ("Mozilla", "Gecko", "", "rv:"),
)
_SYSTEMS = (
    ("Windows Phone", "(?i:Windows)", "Phone|WPDesktop", ""),
    ("Windows", "(?i:Windows)", "", ""),
    ("iOS", "iPhone|iPad|iPod", "", ""),
    ("Android", "Android", "", ""),
    ("BlackBerry", _BLACKBERRY, "", ""),
    ("Mac OS X", "(?i:Mac)", "", ""),
    ("Linux", "Linux", "", ""),
    ("Chrome OS", "CrOS", "", ""),
)
_DEVICES = (
    ("Windows Phone", "(?i:Windows Phone)|WPDesktop", "", ""),
    ("iPad", "iPad", "", ""),
    ("iPod Touch", "iPod", "", ""),
    ("iPhone", "iPhone", "", ""),
    ("BlackBerry", _BLACKBERRY, "", ""),
    ("Android", "Android", "", ""),
)


def describe_browser(header: str) -> Mapping[str, str | float]:
    """Return `$browser`, `$browser_version`, `$os` and `$device`, as far as the raw `header` tells them."""
    header = header[:_READ_CHARS]
    browser, before_version = _first(_BROWSERS, header)
    described: dict[str, str | float] = {"$browser": browser}
    if before_version and (version := re.search(before_version + _VERSION, header)):
        number = float(version[1])
        described["$browser_version"] = (
            int(number) if number.is_integer() else number
        )  # 131, as in JavaScript
    described |= {"$os": _first(_SYSTEMS, header)[0], "$device": _first(_DEVICES, header)[0]}
    return {name: value for name, value in described.items() if value != ""}


def _first(rules: Sequence[tuple[str, str, str, str]], header: str) -> tuple[str, str]:
    for name, contains, besides, before_version in rules:
        if re.search(contains, header) and re.search(besides, header):
            return name, before_version
    return "", ""
