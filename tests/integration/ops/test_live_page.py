"""The live page in a browser, on the real stack of this machine."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.emulator import MINISTACK
from local.rie import RieUnavailable, get_rie
from local.stack import LocalStack
from tests.integration.django.chromium import BrowserMissing, Chromium, Tab
from whyness_ops.aws import Aws
from whyness_ops.live import watching
from whyness_ops.live.demo import Demo
from whyness_ops.live.live_command import serving
from whyness_ops.live.simulator import TROUBLES
from whyness_ops.live.watching import Watch
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

LOOKING = (Path(__file__).parents[1] / "django/looking.js").read_text().partition("\n")[2]
_WITHIN_S = 60.0
# The ratio of each line of the chart to what is behind it.
_LINES = """(looking => [...document.querySelectorAll("#chart .line")].map(line =>
  looking.ratio(looking.colour(getComputedStyle(line).stroke), looking.ground(line.closest("#chart")))))"""


def _tile(name: str) -> str:
    names = "[...document.querySelectorAll('#tiles dt')]"
    return f"{names}.find(name => name.textContent === '{name}').nextSibling.textContent"


class Page:
    """The page of a stack, as a person has it before them."""

    def __init__(self, tab: Tab, demo: Demo) -> None:
        self.tab = tab
        self.demo = demo

    def number(self, name: str) -> float:
        """Return the number of a tile."""
        return float(self.tab.value(_tile(name)).replace(",", ""))

    def press(self, name: str) -> None:
        """Press a button."""
        self.tab.value(f"document.querySelector('[data-name={name}]').click()")

    def wait_until(self, condition: str) -> None:
        """Wait until a script's expression is true."""
        give_up_s = time.monotonic() + _WITHIN_S
        while not self.tab.value(condition):
            assert time.monotonic() < give_up_s, f"{condition}: {self.tab.value('document.body.innerText')}"
            time.sleep(0.2)

    def wait_until_said(self, text: str) -> None:
        """Wait for a headline."""
        self.wait_until(f"document.querySelector('#how').textContent.includes('{text}')")

    def chart(self) -> str:
        """Return what a screen reader is told of the chart."""
        return str(self.tab.value("document.querySelector('#chart svg').getAttribute('aria-label')"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The pipeline."""
    if not MINISTACK.exists():
        pytest.skip(f"{MINISTACK} is missing: `make demo` installs it")
    try:
        get_rie()
    except RieUnavailable as missing:
        pytest.skip(str(missing))
    with LocalStack(tmp_path_factory.mktemp("stack"), window_s=1) as stack:
        yield stack


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser; asked for first, so that no stack is started where there is none."""
    try:
        with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
            yield browser
    except BrowserMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def aws(chromium: Chromium, stack: LocalStack) -> Iterator[Aws]:
    """Access to the emulator."""
    del chromium
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.account.environment.items():
            patch.setenv(name, value)
        yield Aws()


@pytest.fixture
def watch(aws: Aws, stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """What the page knows of the stack, asked more often than of AWS."""
    for name in ("LOG_S", "DEPTH_S"):
        monkeypatch.setattr(watching, name, 0.5)
    parts = Stack(
        queue_url=stack.resources.queue_url,
        dead_letter_queue_url=stack.resources.dead_letter_queue_url,
        log_table=stack.resources.log_table_name,
        log_group=stack.log_group,
    )
    return Watch(aws, parts, Demo(stack.simulator_url, aws, parts, Stop()))


@pytest.fixture
def page(chromium: Chromium, watch: Watch) -> Iterator[Page]:
    """It, open in a tab whose console stays empty."""
    assert watch.demo is not None
    with serving(watch) as url:
        tab = chromium.tab()
        tab.go(url)
        tab.wait_until("document.querySelector('#chart svg') && document.querySelector('[data-name=outage]')")
        yield Page(tab, watch.demo)
        tab.close()
    assert tab.complaints == []


def test_an_outage_is_seen_fixed_and_drained_and_nothing_is_lost(page: Page, stack: LocalStack) -> None:
    """The backlog grows on the chart, and drains after the fix; each event is at Mixpanel once."""
    backlog = "document.querySelector('#chart svg').getAttribute('aria-label').match(/backlog (\\d+)/)[1]"
    height = "document.querySelector('#chart .visible-area').getBBox().height"
    page.press("send")
    page.wait_until_said("Events arrive")

    page.press("outage")
    page.wait_until(f"Number({backlog}) >= 40")
    label, grown = page.chart(), page.tab.value(height)
    page.press("send")
    page.press("fix")
    page.wait_until(f"{backlog} === '0'")
    sent = page.demo.sent_count
    page.wait_until(f"{_tile('Delivered')} === '{sent:,}'")

    assert "growing" in label
    assert grown > 20
    assert stack.mixpanel.event_count() == sent > 0
    assert page.number("Dead letters") == 0
    assert page.number("Backlog") == 0


def test_it_can_be_read_and_used_by_everybody(page: Page) -> None:
    """Names for what can be used, contrast in light and dark (WCAG 2.2), no scrolling sideways at 400 px."""
    names = {node["name"] for node in page.tab.nodes() if node["role"] in ("button", "ToggleButton")}
    buttons = {trouble.label for trouble in TROUBLES.values()} | {"Fix Mixpanel", "Send events", "Redrive"}
    assert {name.removeprefix("● ") for name in names} >= buttons
    focusable = [node for node in page.tab.nodes() if node.get("focusable")]
    assert [node for node in focusable if not node["name"].strip() and node["role"] != "RootWebArea"] == []
    assert [node["name"] for node in page.tab.nodes() if node["role"] == "image"] == [page.chart()]
    texts: list[dict[str, Any]] = []
    lines: list[float] = []

    page.tab.value("document.querySelector('#as-table').open = true")
    page.wait_until("document.querySelectorAll('#steps tr').length === 10")
    for scheme in ("light", "dark"):
        page.tab.prefer(scheme)
        for level in ("well", "warn", "ill", "unknown"):
            page.tab.value(f"document.querySelector('#headline').dataset.level = '{level}'")
            texts += [{**text, "in": (scheme, level)} for text in page.tab.value(f"{LOOKING}.texts()")]
        lines += page.tab.value(f"{_LINES}({LOOKING})")
    screen = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.tab.call("Emulation.setDeviceMetricsOverride", **screen)

    assert [text for text in texts if text["ratio"] < 4.5] == []
    assert len(lines) >= 8
    assert [ratio for ratio in lines if ratio < 3] == []
    assert page.tab.value("document.documentElement.scrollWidth") == 400


def test_a_button_is_pressed_and_undone_with_the_keyboard(page: Page) -> None:
    """Tab and Space do it, and one sees where one is."""
    for _ in range(20):
        page.tab.press("Tab")
        focus = page.tab.value(f"{LOOKING}.focus()")
        assert focus["isVisible"] or not focus["isOurs"], f"the focus cannot be seen: {focus}"
        if focus["text"] == "Outage":
            break

    outage = "document.querySelector('[data-name=outage]')"
    for is_on in ("true", "false"):
        page.tab.press("Space")
        page.wait_until(f"{outage}.ariaPressed === '{is_on}' && !{outage}.ariaDisabled")

    assert page.tab.value("document.querySelector('#said').textContent") == "Outage: ended."


def test_a_hidden_tab_asks_for_nothing(page: Page, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a visible one again."""
    looked: list[int] = []
    look = watch.look

    def counted() -> dict[str, Any]:
        looked.append(1)
        return look()

    monkeypatch.setattr(watch, "look", counted)
    turn = "Object.defineProperty(document, 'hidden', {{configurable: true, value: {}}})"

    page.tab.value(turn.format("true"))
    page.tab.value("document.dispatchEvent(new Event('visibilitychange'))")
    page.tab.value("new Promise(done => setTimeout(done, 300))")  # what was under way
    before = len(looked)
    page.tab.value("new Promise(done => setTimeout(done, 1500))")
    hidden = len(looked)
    page.tab.value(turn.format("false"))
    page.tab.value("document.dispatchEvent(new Event('visibilitychange'))")
    page.tab.value("new Promise(done => setTimeout(done, 300))")

    assert hidden == before
    assert len(looked) > hidden


def test_without_the_token_the_page_says_what_to_do(chromium: Chromium, watch: Watch) -> None:
    """And shows nothing of the stack."""
    with serving(watch) as url:
        tab = chromium.tab()
        tab.go(url.partition("#")[0])
        tab.wait_until("document.querySelector('#how').textContent.includes('Open the address')")
        text = tab.value("document.body.innerText")
        tab.close()

    assert "demo on this machine" not in text
    assert "Outage" not in text
