"""Headers of 22 browsers, and what uap-core and Mixpanel's browser library say of each.

The library's answers are those of mixpanel-js 2.82.1, run on 2026-11-26 with the `navigator.vendor` of the
browser.
"""

from typing import NamedTuple

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {_APPLE}"
_IPAD = f"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {_APPLE}"
_PIXEL = "Mozilla/5.0 (Linux; Android 14; Pixel 8"
_REDUCED = f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT}"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_CHROME = "Chrome/131.0.0.0 Safari/537.36"
_MOBILE = "Chrome/131.0.0.0 Mobile Safari/537.36"
_VIEW = "Version/4.0 Chrome/131.0.6778.39 Mobile Safari/537.36"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"


class Browser(NamedTuple):
    """A browser's header; `$browser`, `$browser_version`, `$os` and `$device` with both kinds of names."""

    title: str
    header: str
    uap: tuple[str, str, str, str]
    library: tuple[str, float | str, str, str]


BROWSERS = (
    Browser(
        "Chrome, Windows",
        f"{_WINDOWS}) {_WEBKIT} {_CHROME}",
        ("Chrome", "131.0", "Windows", ""),
        ("Chrome", 131, "Windows", ""),
    ),
    Browser(
        "Chrome, macOS",
        f"{_MAC} {_WEBKIT} {_CHROME}",
        ("Chrome", "131.0", "Mac OS X", "Mac"),
        ("Chrome", 131, "Mac OS X", ""),
    ),
    Browser(
        "Chrome, Linux",
        f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} {_CHROME}",
        ("Chrome", "131.0", "Linux", ""),
        ("Chrome", 131, "Linux", ""),
    ),
    Browser(
        "Chrome, ChromeOS",
        f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_WEBKIT} {_CHROME}",
        ("Chrome", "131.0", "Chrome OS", ""),
        ("Chrome", 131, "Chrome OS", ""),
    ),
    Browser(
        "Chrome, Android, model hidden",
        f"{_REDUCED} {_MOBILE}",
        ("Chrome Mobile", "131.0", "Android", "K"),
        ("Chrome", 131, "Android", "Android"),
    ),
    Browser(
        "Chrome, Android, model named",
        f"{_PIXEL}) {_WEBKIT} {_MOBILE}",
        ("Chrome Mobile", "131.0", "Android", "Pixel 8"),
        ("Chrome", 131, "Android", "Android"),
    ),
    Browser(
        "An app's view, Android",
        f"{_PIXEL}; wv) {_WEBKIT} {_VIEW}",
        ("Chrome Mobile WebView", "131.0", "Android", "Pixel 8"),
        ("Chrome", 131, "Android", "Android"),
    ),
    Browser(
        "Chrome, iPhone",
        f"{_IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1",
        ("Chrome Mobile iOS", "131.0", "iOS", "iPhone"),
        ("Chrome iOS", 131, "iOS", "iPhone"),
    ),
    Browser(
        "Safari, iPhone",
        f"{_IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
        ("Mobile Safari", "17.5", "iOS", "iPhone"),
        ("Mobile Safari", 17.5, "iOS", "iPhone"),
    ),
    Browser(
        "An app's view, iPhone",
        f"{_IPHONE} Mobile/15E148",
        ("Mobile Safari UI/WKWebView", "", "iOS", "iPhone"),
        ("Mobile Safari", "", "iOS", "iPhone"),
    ),
    Browser(
        "Safari, macOS, and iPad with desktop sites",
        f"{_MAC} {_APPLE} Version/17.5 Safari/605.1.15",
        ("Safari", "17.5", "Mac OS X", "Mac"),
        ("Safari", 17.5, "Mac OS X", ""),
    ),
    Browser(
        "Safari, iPad with mobile sites",
        f"{_IPAD} Version/17.5 Mobile/15E148 Safari/604.1",
        ("Mobile Safari", "17.5", "iOS", "iPad"),
        ("Mobile Safari", 17.5, "iOS", "iPad"),
    ),
    Browser(
        "Firefox, Windows",
        f"{_WINDOWS}; rv:133.0) Gecko/20100101 Firefox/133.0",
        ("Firefox", "133.0", "Windows", ""),
        ("Firefox", 133, "Windows", ""),
    ),
    Browser(
        "Firefox, Android",
        "Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0",
        ("Firefox Mobile", "133.0", "Android", "Generic Smartphone"),
        ("Android Mobile", "", "Android", "Android"),
    ),
    Browser(
        "Firefox, iPhone",
        f"{_IPHONE} FxiOS/133.0 Mobile/15E148 Safari/605.1.15",
        ("Firefox iOS", "133.0", "iOS", "iPhone"),
        ("Firefox iOS", 133, "iOS", "iPhone"),
    ),
    Browser(
        "Edge, Windows",
        f"{_WINDOWS}) {_WEBKIT} {_CHROME} Edg/131.0.0.0",
        ("Edge", "131.0", "Windows", ""),
        ("Microsoft Edge", 131, "Windows", ""),
    ),
    Browser(
        "Edge, Android",
        f"{_REDUCED} {_MOBILE} EdgA/131.0.0.0",
        ("Edge Mobile", "131.0", "Android", "K"),
        ("Chrome", 131, "Android", "Android"),
    ),
    Browser(
        "Edge, iPhone",
        f"{_IPHONE} Version/17.0 EdgiOS/131.0.2903.92 Mobile/15E148 Safari/604.1",
        ("Edge Mobile", "131.0", "iOS", "iPhone"),
        ("Mobile Safari", 17, "iOS", "iPhone"),
    ),
    Browser(
        "Samsung Internet",
        f"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) {_WEBKIT} SamsungBrowser/26.0 Chrome/122.0.0.0 "
        "Mobile Safari/537.36",
        ("Samsung Internet", "26.0", "Android", "Samsung SM-S918B"),
        ("Samsung Internet", 26, "Android", "Android"),
    ),
    Browser(
        "Opera, Windows",
        f"{_WINDOWS}) {_WEBKIT} {_CHROME} OPR/116.0.0.0",
        ("Opera", "116.0", "Windows", ""),
        ("Opera", 116, "Windows", ""),
    ),
    Browser(
        "Facebook app, iPhone",
        f"{_IPHONE} Mobile/21F90 [FBAN/FBIOS;FBAV/487.0.0.42.70;FBBV/672900000;FBDV/iPhone15,2;FBMD/iPhone;"
        "FBSN/iOS;FBSV/17.5;FBSS/3;FBID/phone;FBLC/en_US;FBOP/5]",
        ("Facebook", "487.0", "iOS", "iPhone"),
        ("Facebook Mobile", "", "iOS", "iPhone"),
    ),
    Browser(
        "Instagram app, Android",
        f"{_PIXEL}) {_WEBKIT} {_VIEW} Instagram 360.0.0.30.109 Android",
        ("Instagram", "360.0", "Android", "Pixel 8"),
        ("Chrome", 131, "Android", "Android"),
    ),
)
