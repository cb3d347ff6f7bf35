"""What a User-Agent header says, and what a hostile one costs."""

import tracemalloc

import pytest

from whyness_events.delivery.mixpanel import useragent
from whyness_events.delivery.mixpanel.useragent import describe_useragent

_IOS = "like Mac OS X"
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"

REAL = {
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 {_IOS}) {_APPLE} Version/17.5 Mobile/15E148 Safari/604.1": {
        "$browser": "Mobile Safari",
        "$browser_version": "17.5",
        "$os": "iOS",
        "$os_version": "17.5",
        "$device": "iPhone",
        "$brand": "Apple",
        "$model": "iPhone",
    },
    f"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) {_APPLE} Version/16.6 Mobile/15E148 Safari/604.1": {
        "$browser": "Mobile Safari",
        "$os": "iOS",
        "$os_version": "16.6",
        "$device": "iPad",
        "$brand": "Apple",
    },
    f"Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) {_WEBKIT} Chrome/126.0.0.0 Mobile Safari/537.36": {
        "$browser": "Chrome Mobile",
        "$browser_version": "126.0",
        "$os": "Android",
        "$os_version": "14",
        "$device": "Pixel 8 Pro",
        "$brand": "Google",
        "$model": "Pixel 8 Pro",
    },
    f"Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S918B) {_WEBKIT} SamsungBrowser/21.0 Mobile Safari/537.36": {
        "$browser": "Samsung Internet",
        "$os": "Android",
        "$device": "Samsung SM-S918B",
        "$brand": "Samsung",
        "$model": "SM-S918B",
    },
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0": {
        "$browser": "Firefox",
        "$browser_version": "127.0",
        "$os": "Windows",
        "$os_version": "10",
    },
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0": {
        "$browser": "Edge",
        "$os": "Windows",
    },
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) {_APPLE} Version/17.5 Safari/605.1.15": {
        "$browser": "Safari",
        "$os": "Mac OS X",
        "$os_version": "14.5",
        "$device": "Mac",
    },
    f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} Chrome/126.0.0.0 Safari/537.36": {
        "$browser": "Chrome",
        "$os": "Linux",
    },
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": {
        "$browser": "Googlebot",
        "$browser_version": "2.1",
        "$device": "Spider",
    },
    "curl/8.5.0": {"$browser": "curl", "$browser_version": "8.5"},
    "python-requests/2.32.3": {"$browser": "Python Requests"},
}
NAMES = {"$browser", "$browser_version", "$os", "$os_version", "$device", "$brand", "$model"}


@pytest.mark.parametrize(("header", "known"), REAL.items(), ids=lambda value: str(value)[12:40])
def test_real_headers_say_browser_system_and_device(header: str, known: dict[str, str]) -> None:
    """Phones above all: "identify the mobile" is what the roadmap asks for."""
    found = describe_useragent(header)

    assert {name: found.get(name) for name in known} == known
    assert set(found) <= NAMES


@pytest.mark.parametrize(
    "header", [h for h in REAL if "Windows" in h or "X11" in h or "curl" in h], ids=lambda h: h[12:40]
)
def test_what_is_not_known_is_left_out(header: str) -> None:
    """A desktop's header names no device: no property is made up, and "Other" is left out."""
    found = describe_useragent(header)

    assert "$device" not in found
    assert "Other" not in found.values()


@pytest.mark.parametrize(
    "header", ["", " ", "-", "x", "((((", "Mozilla/5.0", "\x00", "漢字", "Other", "🎧" * 10, "%s%n{}", "\\"]
)
def test_any_text_is_a_header(header: str) -> None:
    """Any text can be parsed, and gives only known properties."""
    assert set(describe_useragent(header)) <= NAMES


HOSTILE = [
    "Mozilla/5.0 (" + "(" * 100_000,
    "Mozilla/5.0 (Linux; Android 14; " + " " * 100_000 + ") Build",
    "Mozilla/5.0 (Linux; U; Android " + "1." * 50_000,
    "x" * 100_000,
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) " + _WEBKIT) * 1_000,
    "漢" * 100_000,
]


@pytest.mark.parametrize("header", HOSTILE, ids=lambda header: header[:20])
def test_hostile_header_is_parsed_only_at_its_beginning(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser sees a thousand characters, however many a stranger sends: work is bounded, not timed."""
    seen: list[int] = []
    parser = useragent._parser()

    class Spy:
        def parse(self, text: str) -> object:
            seen.append(len(text))
            return parser.parse(text)

    monkeypatch.setattr(useragent, "_parser", Spy)

    found = describe_useragent(f"{header}!")

    assert seen == [1_000]
    assert set(found) <= NAMES


def test_hostile_headers_are_not_kept() -> None:
    """The cache holds what was parsed, not what a stranger sent: 4,096 headers of 100 kB would be 400 MB."""
    describe_useragent("warm")
    tracemalloc.start()

    for number in range(40):
        describe_useragent(f"{number} " + "x" * 100_000)
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept_bytes < 1_000_000
