import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application
from django.test import Client, override_settings

from local.emulator import Account
from local.resources import Resources, create_resources
from local.template import Template
from tests.builders import make_body, make_event
from tests.django_support import override
from whyness_events import Event
from whyness_events.log_entry import LogEntry, log_key
from whyness_mixpanel.admin.redrive import redrive
from whyness_mixpanel.models import Suppression
from whyness_ops.log_table import to_dynamodb

FAILURES = "/admin/whyness_mixpanel/deliveryfailure/"
DAY_MS = 86_400_000
CSP = "default-src 'self'"
DARK = "--blink-settings=preferredColorScheme=0"
SCREENSHOTS = {
    "admin-light.png": ["--window-size=1280,1300"],
    "admin-dark.png": ["--window-size=1280,1300", DARK],
    "admin-narrow.png": ["--window-size=500,1600"],
}


class QuietHandler(WSGIRequestHandler):
    """Logs no requests."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name for it)
        """Log nothing."""


class Desk:
    """A stack of this test alone, with dead letters, and a browser of somebody who may send them again."""

    def __init__(self, account: Account, resources: Resources) -> None:
        self.sqs = account.client("sqs")
        self.dynamodb = account.client("dynamodb")
        self.resources = resources
        self.client = Client()

    def bury(self, event: Event, reason: str, *, failed_at_ms: int, has_letter: bool = True) -> str:
        """Put a row into the Log, and its letter into the dead-letter queue; return the row's key."""
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
    reasons = ("rejected", "rejected", "exhausted", "oversized", "crashed", "rejected", "unreadable")
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
    """The letter goes back into the queue, its row says so, and its neighbour stays where it is."""
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
    """The page names the letter that was left."""
    Suppression.objects.create(user="77")
    key = desk.bury(
        make_event(insert_id="theirs", user="77"), "exhausted", failed_at_ms=time.time_ns() // 1_000_000
    )

    answer = desk.client.post(FAILURES + "redrive/", {"key": key, "confirmed": "1"})

    assert [left.insert_id for left in answer.context["report"].left] == ["theirs"]
    assert desk.count(desk.resources.queue_url) == 0
    assert desk.count(desk.resources.dead_letter_queue_url) == 1


def test_a_long_redrive_goes_on_in_the_next_request(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request ends in time, and the last one has sent them all."""
    monkeypatch.setattr("whyness_mixpanel.admin.failures.redrive", partial(redrive, slice_s=0))
    now_ms = time.time_ns() // 1_000_000
    events = [make_event(insert_id=f"e-{index}") for index in range(25)]
    form: dict[str, Any] = {"key": [desk.bury(e, "exhausted", failed_at_ms=now_ms) for e in events]}
    sent = [0]

    while sent[-1] < len(events):
        page = desk.client.post(FAILURES + "redrive/", {**form, "confirmed": "1", "sent": sent[-1]})
        assert "data-goes-on" in page.content.decode()
        sent.append(page.context["sent"])

    assert sent == [0, 10, 20, 25]
    assert desk.count(desk.resources.queue_url) == len(events)


@pytest.fixture
def browse(desk: Desk, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Returns a function that opens a page in Chromium, under a strict CSP; nothing may be logged."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    session = desk.client.cookies["sessionid"].value
    application = StaticFilesHandler(get_wsgi_application())

    def signed_in(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        environ["HTTP_COOKIE"] = f"sessionid={session}"

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, ("Content-Security-Policy", CSP)], *more)

        return application(environ, start)

    def browse(path: str, *options: str) -> str:
        done = subprocess.run(  # noqa: S603  (the browser found above)
            [
                program,
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"),
                *options,
                f"http://127.0.0.1:{server.server_port}{path}",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert console == []
        return done.stdout

    with make_server("127.0.0.1", 0, signed_in, handler_class=QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield browse
        server.shutdown()
        thread.join()


def test_a_real_browser_shows_the_page_under_a_strict_policy(
    desk: Desk, browse: Callable[..., str], tmp_path: Path
) -> None:
    """Nothing inline, nothing from elsewhere: no console message, the bars are there, our script ran."""
    fill(desk, 60)

    page = browse(FAILURES, "--dump-dom")
    for name, options in SCREENSHOTS.items():
        browse(FAILURES, f"--screenshot={tmp_path / name}", *options)

    assert page.count("<rect") > 10
    assert 'role="img"' in page
    assert not re.search(r"data-choose-all[^>]*hidden", page)
    pictures = {(tmp_path / name).read_bytes() for name in SCREENSHOTS}
    assert len(pictures) == len(SCREENSHOTS)  # dark is not light
