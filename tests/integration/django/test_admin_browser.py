import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.test import Client, override_settings

from example.pages.management.commands.serve import QuietHandler, ThreadedServer
from local.emulator import Account
from local.resources import Resources, create_resources
from local.template import Template
from tests.builders import make_body, make_event
from tests.django_support import override
from tests.integration.django.chromium import BrowserMissing, Chromium, Tab
from whyness_events import Event
from whyness_events.log_entry import LogEntry, log_key, to_dynamodb
from whyness_mixpanel.admin import stack_clients
from whyness_mixpanel.admin.redrive import redrive
from whyness_mixpanel.models import Suppression
from whyness_ops import Redriven, Snapshot

FAILURES = "/admin/whyness_mixpanel/deliveryfailure/"
TODAY = f"{FAILURES}?period=1"
DAY_MS = 86_400_000
CSP = "default-src 'self'; base-uri 'none'; form-action 'self'; object-src 'none'"
LOOKING = Path(__file__).with_name("looking.js").read_text().partition("\n")[2]
REASONS = ("rejected", "exhausted", "oversized", "crashed", "unreadable")
_MOST_STOPS = 60


class Desk:
    """A stack of this test alone, with dead letters, and a browser of somebody who may send them again."""

    def __init__(self, account: Account, resources: Resources) -> None:
        self.sqs = account.client("sqs")
        self.dynamodb = account.client("dynamodb")
        self.resources = resources
        self.client = Client()

    def bury(self, event: Event, reason: str, *, failed_at_ms: int, has_letter: bool = True) -> str:
        """Put a row into the Log, and its dead letter into the queue; return the row's key."""
        key = log_key(event.to_wire(), message_id="m", position=0)
        entry = LogEntry(key, reason, "user is a number", event.event, last_failed_at_ms=failed_at_ms)
        item: Any = to_dynamodb(entry.to_item())
        self.dynamodb.put_item(TableName=self.resources.log_table_name, Item=item)
        if has_letter:
            texts = {"reason": reason, "log_key": str(key)}
            attributes: Any = {n: {"DataType": "String", "StringValue": v} for n, v in texts.items()}
            self.sqs.send_message(
                QueueUrl=self.resources.dead_letter_queue_url,
                MessageBody=make_body(event),
                MessageAttributes=attributes,
            )
        return str(key)

    def count(self, queue_url: str) -> int:
        """Return how many messages of a queue are visible."""
        answer = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@pytest.fixture
def desk(account: Account, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:  # noqa: ARG001
    """The stack, named by the settings as its user would."""
    monkeypatch.setattr(stack_clients, "_made", None)
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    resources = create_resources(account, Template.read(), secret={})
    desk = Desk(account, resources)
    desk.client.force_login(User.objects.create(username="ada", is_staff=True, is_superuser=True))
    named = {
        "QUEUE_URL": resources.queue_url,
        "DEAD_LETTER_QUEUE_URL": resources.dead_letter_queue_url,
        "LOG_TABLE_NAME": resources.log_table_name,
    }
    site: Any = {"ROOT_URLCONF": "tests.admin_urls", "ALLOWED_HOSTS": ["127.0.0.1", "testserver"]}
    with override(**named), override_settings(**site):
        yield desk


def fill(desk: Desk, count: int) -> None:
    """Put `count` rows of several days and reasons into the Log."""
    now_ms = time.time_ns() // 1_000_000
    reasons = (*REASONS, "rejected", "rejected")
    for index in range(count):
        event = make_event(insert_id=f"e-{index}", event="Audio upload")
        at_ms = now_ms - (index * index % 7) * DAY_MS
        desk.bury(event, reasons[index % len(reasons)], failed_at_ms=at_ms, has_letter=False)


def test_some_hundred_failures_are_counted_and_paged(desk: Desk) -> None:
    """Every row is on one page and one only, and the chart has them all."""
    fill(desk, 120)

    pages = [desk.client.get(FAILURES, {"p": page}) for page in (1, 2, 3)]

    assert pages[0].context["chart"].total == 120
    assert pages[0].context["is_cut"] is False
    shown = [row["pk"] for page in pages for row in page.context["rows"]]
    assert sorted(shown) == sorted(f"e-{index}" for index in range(120))


def test_chosen_letters_are_sent_again_and_no_others(desk: Desk) -> None:
    """The dead letter returns to the queue, its row says so, and its neighbour stays."""
    now_ms = time.time_ns() // 1_000_000
    key = desk.bury(make_event(insert_id="chosen"), "exhausted", failed_at_ms=now_ms)
    desk.bury(make_event(insert_id="other"), "exhausted", failed_at_ms=now_ms)

    answer = desk.client.post(FAILURES + "redrive/", {"key": key, "confirmed": "1"})

    found = desk.client.get(FAILURES, {"insert_id": "chosen"}).context["rows"]
    assert "1 of 1" in answer.content.decode()
    assert [row["state"] for row in found] == ["redriven"]
    assert desk.count(desk.resources.queue_url) == 1
    assert desk.count(desk.resources.dead_letter_queue_url) == 1


def test_the_letters_of_a_suppressed_person_stay(desk: Desk) -> None:
    """The page names the dead letter that was left."""
    Suppression.objects.create(user="77")
    key = desk.bury(
        make_event(insert_id="theirs", user="77"), "exhausted", failed_at_ms=time.time_ns() // 1_000_000
    )

    answer = desk.client.post(FAILURES + "redrive/", {"key": key, "confirmed": "1"})

    left = [(left.insert_id, left.why) for left in answer.context["report"].left]
    assert left == [("theirs", "its user is suppressed")]
    assert desk.count(desk.resources.queue_url) == 0
    assert desk.count(desk.resources.dead_letter_queue_url) == 1


def test_a_long_redrive_goes_on_in_the_next_request(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request ends in time, and the last one has sent them all."""
    monkeypatch.setattr("whyness_mixpanel.admin.failure_pages.redrive", partial(redrive, slice_s=0))
    now_ms = time.time_ns() // 1_000_000
    events = [make_event(insert_id=f"e-{index}") for index in range(25)]
    keys = [desk.bury(e, "exhausted", failed_at_ms=now_ms) for e in events]
    form: dict[str, Any] = {"key": keys, "confirmed": "1"}
    sent = [0]

    while sent[-1] < len(events):
        page = desk.client.post(FAILURES + "redrive/", form)
        assert "data-goes-on" in page.content.decode()
        form["state"] = page.context["state"]
        sent.append(page.context["sent"])

    assert sent == [0, 10, 20, 25]
    assert desk.count(desk.resources.queue_url) == len(events)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for the tests of this module."""
    try:
        with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
            yield browser
    except BrowserMissing as missing:
        pytest.skip(str(missing))


def close_databases() -> None:
    """Close this thread's connections: Django's own close() leaves those to databases in memory open."""
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None:
            connection.connection.close()
            connection.connection = None


@pytest.fixture
def server(desk: Desk) -> Iterator[str]:
    """The site in a thread, under a strict CSP; its address. All pages are made in one other thread."""
    del desk  # its settings are needed
    application = StaticFilesHandler(get_wsgi_application())

    def strict(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == "/favicon.ico":  # browsers ask for it, and complain
            start_response("204 No Content", [])
            return []

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, ("Content-Security-Policy", CSP)], *more)

        return maker.submit(application, environ, start).result()

    with (
        ThreadPoolExecutor(1, thread_name_prefix="pages") as maker,
        make_server("127.0.0.1", 0, strict, ThreadedServer, QuietHandler) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        maker.submit(close_databases).result()


@pytest.fixture
def tab(chromium: Chromium, desk: Desk, server: str) -> Iterator[Tab]:
    """A tab of Ada's; the console stays empty."""
    tab = chromium.tab()
    session = desk.client.cookies["sessionid"].value
    tab.call("Network.setCookie", name="sessionid", value=session, url=server)
    yield tab
    tab.close()
    assert tab.complaints == []


def bury_some(desk: Desk, count: int) -> list[str]:
    """Bury events with their dead letters, all of them now; return the rows' keys."""
    now_ms = time.time_ns() // 1_000_000
    events = [make_event(insert_id=f"letter-{index}") for index in range(count)]
    return [desk.bury(event, "exhausted", failed_at_ms=now_ms) for event in events]


def tab_to(tab: Tab, text: str) -> None:
    """Press Tab until the element named `text` has the focus; whatever of ours has it must show it."""
    for _ in range(_MOST_STOPS):
        tab.press("Tab")
        focus = tab.value(f"{LOOKING}.focus()")
        assert focus["isVisible"] or not focus["isOurs"], f"the focus is not to be seen: {focus}"
        if focus["text"] == text:
            return
    raise AssertionError(f"the Tab key does not reach {text!r}")


def ask_to_send(tab: Tab, server: str, keys: Sequence[str]) -> None:
    """Go to the page that asks whether `keys` are to be sent again, by scripts."""
    tab.go(server + TODAY)
    chosen = json.dumps(list(keys))
    tab.value(f"document.querySelectorAll('[name=key]').forEach(b => b.checked = {chosen}.includes(b.value))")
    tab.value("document.querySelector('.whyness-actions [type=submit]').click()")
    tab.wait_until("document.querySelector('[name=confirmed]')")


def test_letters_are_sent_again_with_the_keyboard_alone(
    desk: Desk, server: str, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tab, Space and Enter do all of it, one sees where one is, and what was not ticked stays."""
    monkeypatch.setattr("whyness_mixpanel.admin.failure_pages.redrive", partial(redrive, slice_s=0))
    bury_some(desk, 12)
    tab.go(server + TODAY)

    rows = tab.value("[...document.querySelectorAll('[name=key]')].map(box => box.ariaLabel)")
    for name in rows[:-1]:
        tab_to(tab, name)
        tab.press("Space")
    tab_to(tab, "Send selected again…")
    tab.press("Enter")
    tab.wait_until("document.querySelector('[name=confirmed]')")
    tab_to(tab, "Send again")
    tab.press("Enter")
    tab.wait_until("document.querySelector('[role=status]')?.textContent.includes('11 of 11')")
    tab.wait_until("!document.querySelector('[data-goes-on]')")
    loaded = tab.load_count
    tab_to(tab, "All failures")
    tab.press("Enter")
    tab.wait_until("document.querySelectorAll('[name=key]').length === 1")

    assert loaded == 3  # list, question, and progress, which went on by itself in place
    assert tab.value("document.querySelector('[name=key]').ariaLabel") == rows[-1]
    assert desk.count(desk.resources.queue_url) == 11
    assert desk.count(desk.resources.dead_letter_queue_url) == 1


def test_a_screen_reader_is_told_what_the_page_shows(desk: Desk, server: str, tab: Tab) -> None:
    """The chart in a sentence, headers of rows and columns, a name for whatever can be used."""
    bury_some(desk, 3)

    tab.go(server + TODAY)

    nodes = tab.nodes()
    by_role: dict[str, list[dict[str, Any]]] = {}
    for node in nodes:
        by_role.setdefault(node["role"], []).append(node)
    [chart] = by_role["image"]
    assert re.fullmatch(r"By day and reason 3 failures on [\d-]{10}: 3 exhausted\.", chart["name"])
    boxes = {box["name"] for box in by_role["checkbox"]}
    assert boxes == {f"Select letter-{index}, exhausted" for index in range(3)}
    columns = ["select", "failed", "insert id", "event", "reason", "state", "detail"]
    assert [header["name"].lower() for header in by_role["columnheader"]][-7:] == columns
    assert {header["name"] for header in by_role["rowheader"]} >= {"letter-0", "letter-1", "letter-2"}
    assert by_role["table"][-1]["name"] == "3 rows, newest first, times in UTC"
    assert {region["name"] for region in by_role["form"]} >= {"Filter"}
    unnamed = [node for node in nodes if node.get("focusable") and not node["name"].strip()]
    assert [node["role"] for node in unnamed] == ["main"]  # where the admin's skip link leads


def test_a_screen_reader_hears_how_far_it_is(
    desk: Desk, server: str, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The progress has a name and a value; the status is one element to the end."""
    monkeypatch.setattr("whyness_mixpanel.admin.failure_pages.redrive", partial(redrive, slice_s=0))
    ask_to_send(tab, server, bury_some(desk, 14))

    tab.value("document.querySelector('[name=confirmed]').click()")
    tab.wait_until("document.querySelector('[role=status]')")
    tab.value("document.querySelector('[role=status]').isTheFirst = true")
    tab.wait_until("document.title.startsWith('14 of 14 sent')")

    by_role = {node["role"]: node for node in tab.nodes()}
    assert by_role["progressbar"]["name"] == "Sent"
    assert float(by_role["progressbar"]["value"]) == 14
    assert (by_role["status"]["live"], by_role["status"]["atomic"]) == ("polite", True)
    assert tab.value("document.querySelector('[role=status]').isTheFirst") is True
    assert tab.load_count == 3


def test_whoever_is_signed_out_half_way_sees_it(
    desk: Desk, server: str, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes on by itself stops, and the page to sign in is there."""

    def redrive_and_sign_out(keys: Sequence[str], *, who: str, snapshot: Snapshot) -> Redriven:
        Session.objects.all().delete()
        return redrive(keys, who=who, snapshot=snapshot, slice_s=0)

    monkeypatch.setattr("whyness_mixpanel.admin.failure_pages.redrive", redrive_and_sign_out)
    ask_to_send(tab, server, bury_some(desk, 14))

    tab.value("document.querySelector('[name=confirmed]').click()")
    tab.wait_until("document.querySelector('[name=password]')")

    assert desk.count(desk.resources.queue_url) == 10


def test_texts_stand_out_in_both_colour_schemes(desk: Desk, server: str, tab: Tab) -> None:
    """4.5:1 for texts, 3:1 for bars (WCAG 2.2), by the system's choice and by the admin's switch."""
    Suppression.objects.create(user="5")
    theirs, now_ms = make_event(insert_id="theirs", user="5"), time.time_ns() // 1_000_000
    key = desk.bury(theirs, "exhausted", failed_at_ms=now_ms)
    for reason in REASONS:
        desk.bury(make_event(insert_id=reason), reason, failed_at_ms=now_ms, has_letter=False)
    texts: list[dict[str, Any]] = []
    bars: list[dict[str, Any]] = []

    def look() -> None:
        for scheme, theme in (("light", "auto"), ("dark", "auto"), ("light", "dark"), ("dark", "light")):
            tab.prefer(scheme)
            tab.value(f"document.documentElement.dataset.theme = '{theme}'")
            texts.extend({**text, "in": (scheme, theme)} for text in tab.value(f"{LOOKING}.texts()"))
            bars.extend({**bar, "in": (scheme, theme)} for bar in tab.value(f"{LOOKING}.bars()"))

    for path in (
        f"{TODAY}&state=undead",
        f"{FAILURES}row/?pk=crashed&sk=0",
        "/admin/whyness_mixpanel/log/?from=x",
    ):
        tab.go(server + path)
        look()
    ask_to_send(tab, server, [key])
    look()
    tab.value("document.querySelector('[name=confirmed]').click()")
    tab.wait_until("document.querySelector('[role=status]')")
    look()

    seen = {"Insert id", "Left in the dead-letter queue", "Rows from id", "No, go back", "rejected", "Sent"}
    assert seen <= {text["text"] for text in texts}
    assert {bar["reason"] for bar in bars} == {f"reason-{reason}" for reason in REASONS}
    assert [text for text in texts if text["ratio"] < 4.5] == []
    assert [bar for bar in bars if bar["ratio"] < 3] == []


def test_the_pages_are_whole_under_a_strict_policy(desk: Desk, server: str, tab: Tab, tmp_path: Path) -> None:
    """Nothing inline, nothing from elsewhere; the bars are drawn, our script ran, dark is not light.

    The pictures in the docs are these: run it with --basetemp, and copy them.
    """
    fill(desk, 22)
    Suppression.objects.create(user="5")
    theirs = make_event(insert_id="theirs", user="5")
    keys = [*bury_some(desk, 2), desk.bury(theirs, "exhausted", failed_at_ms=time.time_ns() // 1_000_000)]
    pictures = []

    def photograph(name: str, *, width: int = 1280) -> None:
        tab.photograph(tmp_path / f"admin-{name}.png", width=width)
        pictures.append((tmp_path / f"admin-{name}.png").read_bytes())

    tab.go(server + FAILURES)
    assert tab.value("document.querySelectorAll('.whyness rect').length") > 10
    assert tab.value("document.querySelector('[data-choose-all]').hidden") is False
    photograph("light")
    tab.prefer("dark")
    photograph("dark")
    tab.prefer("light")
    photograph("narrow", width=500)
    ask_to_send(tab, server, keys)
    photograph("confirm")
    tab.value("document.querySelector('[name=confirmed]').click()")
    tab.wait_until("document.querySelector('[role=status]')")
    photograph("progress")

    assert len(set(pictures)) == 5
