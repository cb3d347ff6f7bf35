"""The names of Mixpanel's browser library, and the choice between them and uap-core's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.browsers import BROWSERS, Browser
from tests.builders import make_event
from whyness_events.delivery.mixpanel.browser_names import describe_browser
from whyness_events.delivery.mixpanel.describers import DESCRIBERS
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_mixpanel import conf

ROOT = Path(__file__).parents[4]
NAMES = ("$browser", "$browser_version", "$os", "$device")
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


def test_the_golden_table_has_the_22_browsers() -> None:
    """None of them is left out, and none is there twice."""
    assert len({browser.header for browser in BROWSERS}) == 22


@pytest.mark.parametrize("browser", BROWSERS, ids=lambda browser: browser.title)
def test_browser_has_the_names_of_each_side(browser: Browser) -> None:
    """The names are the library's or uap-core's, and the library's have no other properties."""
    described = {mode: dict(describe(browser.header)) for mode, describe in DESCRIBERS.items()}

    assert described["browser"] == _known(browser.library)
    assert {name: described["uap"][name] for name in NAMES if name in described["uap"]} == _known(browser.uap)


def _known(values: tuple[object, ...]) -> dict[str, object]:
    return {name: value for name, value in zip(NAMES, values, strict=True) if value != ""}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Opera/9.80 (J2ME/MIDP; Opera Mini/9.80; U; en) Presto/2.5.25", ("Opera Mini", "", "", "")),
        ("Opera/9.80 (Windows NT 6.1) Presto/2.12 Version/12.16", ("Opera", 9.8, "Windows", "")),
        (
            "Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; Trident/6.0; IEMobile/10.0)",
            ("Internet Explorer Mobile", "", "Windows Phone", "Windows Phone"),
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
            ("Internet Explorer", 11, "Windows", ""),
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:102.10) Gecko/1 Other/1", ("Mozilla", 102.1, "Linux", "")),
        ("Mozilla/5.0 (BB10; Touch) AppleWebKit/537.10", ("BlackBerry", "", "BlackBerry", "BlackBerry")),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/64.0 Safari/537.36 Edge/17.17134",
            ("Microsoft Edge", 17.17134, "Windows", ""),
        ),
        ("Mozilla/5.0 (iPod touch; CPU OS 12_5) AppleWebKit/605", ("Safari", "", "iOS", "iPod Touch")),
        ("curl/8.5.0", ("", "", "", "")),
    ],
)
def test_rarer_browser_has_the_names_of_the_library(header: str, expected: tuple[object, ...]) -> None:
    """The order of the library's rules holds for headers outside the golden table too."""
    assert describe_browser(header) == _known(expected)


@given(st.text() | st.from_regex(r"(Chrome|Firefox|Version|rv:)[/ ]?[0-9]{1,400}(\.[0-9]{1,400})?"))
def test_any_text_gives_known_properties_that_are_json(header: str) -> None:
    """A stranger can send any header: a version is never infinite or too long to read."""
    described = describe_browser(header)

    assert set(described) <= set(NAMES)
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert abs(float(described.get("$browser_version", 0))) < 2**53


@pytest.mark.parametrize("header", ["Chrome/1." * 100_000, "(" * 100_000, "Opera/" + " OPR/" * 100_000])
def test_only_the_beginning_of_a_hostile_header_is_read(header: str) -> None:
    """What follows the first thousand characters changes nothing."""
    assert describe_browser(header + " BlackBerry 1") == describe_browser(header[:1_000])


def test_version_is_a_number_in_the_json_for_mixpanel() -> None:
    """As in JavaScript, a whole number has no decimal point."""
    event = make_event(useragent=BROWSERS[0].header)

    ((encoded, _),) = Translator(DESCRIBERS["browser"]).translate([event], ["distinct_id"])

    assert b'"$browser_version":131,' in encoded


def test_library_and_lambda_take_the_same_names() -> None:
    """The setting of the site lists what the delivery code knows."""
    assert tuple(DESCRIBERS) == conf.NAMES_OF


@pytest.mark.parametrize(("names", "is_loaded"), [("browser", False), ("uap", True), ("", True)])
def test_browser_names_load_no_parser(names: str, is_loaded: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    """The cold start pays for uap-core only where its names are used."""
    code = "import handler, sys; print('ua_parser' in sys.modules)"
    environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "MIXPANEL_NAMES": names}

    done = subprocess.run(  # noqa: S603  (this Python, a constant text)
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "functions/send_events"), **environment},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == str(is_loaded)
