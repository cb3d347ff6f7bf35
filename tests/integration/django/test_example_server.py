"""The example as its user runs it: a process, real requests from many threads, a real queue."""

import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.emulator import Account
from local.processes import ChildProcess, ProcessFailed, start
from local.site import Site
from tests.integration.django.relay_project import until

ROOT = Path(__file__).parents[3]
MANAGE = [sys.executable, str(ROOT / "example" / "manage.py")]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a fresh shell has, and a database of this test's own."""
    return {"PATH": os.environ["PATH"], "EXAMPLE_DATABASE": str(tmp_path / "site.sqlite3")}


def run(tmp_path: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command of manage.py to its end and return what it printed."""
    log_path = tmp_path / f"{arguments[0]}.log"
    process = start(arguments[0], [*MANAGE, *arguments], log_path=log_path, cwd=tmp_path, env=environment)
    with process:
        process.wait_for_end(timeout_s=60)
    return log_path.read_text()


def serve(tmp_path: Path, environment: Mapping[str, str]) -> ChildProcess:
    """Start the site on a free port."""
    command = [*MANAGE, "serve", "--port=0"]
    return start("the example", command, log_path=tmp_path / "serve.log", cwd=tmp_path, env=environment)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database, made and seeded once, and what `seed` printed."""
    directory = tmp_path_factory.mktemp("seeded")
    database = directory / "site.sqlite3"
    fresh = {"PATH": os.environ["PATH"], "EXAMPLE_DATABASE": str(database)}
    run(directory, fresh, "migrate", "--verbosity=0")
    return database, run(directory, fresh, "seed")


@pytest.fixture
def people(seeded: tuple[Path, str], environment: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The site's database, seeded: a copy of this test's own."""
    database, printed = seeded
    shutil.copyfile(database, environment["EXAMPLE_DATABASE"])
    found: dict[str, list[dict[str, Any]]] = json.loads(printed.splitlines()[-1])
    return found


@pytest.fixture
def server(
    tmp_path: Path, environment: dict[str, str], account: Account, people: object
) -> Iterator[ChildProcess]:
    """The running site, publishing to a queue in the emulator."""
    del people  # needed, not read
    queue_url = account.client("sqs").create_queue(QueueName="events")["QueueUrl"]
    queue = {"WHYNESS_MIXPANEL_QUEUE_URL": queue_url, **account.environment}
    with start(
        "the example",
        [*MANAGE, "serve", "--port=0"],
        log_path=tmp_path / "serve.log",
        env=environment | queue,
    ) as process:
        yield process


def get(url: str) -> bytes:
    """Return the body of a page; raises unless it is found."""
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310  (loopback, by http)
        body: bytes = response.read()
        return body


def events_in(account: Account) -> list[dict[str, Any]]:
    """Take every event out of the queue."""
    client = account.client("sqs")
    queue_url = client.get_queue_url(QueueName="events")["QueueUrl"]
    events = []
    while messages := client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            events.extend(json.loads(message["Body"])["events"])
            client.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return events


def test_eight_threads_of_visitors_lose_no_row_and_no_event(
    server: ChildProcess, people: dict[str, list[dict[str, Any]]], account: Account
) -> None:
    """Every request is answered, every row has its event, and every event is in the queue once."""
    url = str(server.wait_for_json_line(timeout_s=30)["url"])
    user, contact = people["users"][0], people["contacts"][0]
    link = people["destinations"][0]["xref"]
    paths = [f"as/{user['id']}/activity/Audio%20upload/", "activity/New%20each%20time/"]
    paths += [f"goto/{link}/{user['xref']}/", f"goto/{link}/{contact['xref']}/"]

    with ThreadPoolExecutor(8) as visitors:
        list(visitors.map(lambda number: get(url + paths[number % 4]), range(160)))

    until(lambda: json.loads(get(f"{url}stats/"))["published"] >= 160)
    stats = json.loads(get(f"{url}stats/"))
    events = events_in(account)
    assert (stats["logged"], stats["published"], stats["failed"]) == (160, 160, 0)
    assert {stats["activities"], stats["user_clicks"], stats["prospect_clicks"]} == {80, 40}
    assert len({(event["event"], event["insert_id"]) for event in events}) == len(events) == 160


def test_the_site_binds_to_loopback_and_ends_at_sigterm(server: ChildProcess) -> None:
    """Its first line of JSON is its address; asked to end, it does, with status 0."""
    url = str(server.wait_for_json_line(timeout_s=30)["url"])
    assert url.startswith("http://127.0.0.1:")
    assert b"What people do here is sent as events" in get(url)

    os.kill(server.pid, signal.SIGTERM)

    server.wait_for_end(timeout_s=30)  # fails unless the status is 0
    assert "Traceback" not in server.log_path.read_text()


def test_a_visitor_who_says_nothing_does_not_keep_the_site_from_ending(server: ChildProcess) -> None:
    """Browsers open connections in advance; they are dropped after a while, without a word in the log."""
    url = urlsplit(str(server.wait_for_json_line(timeout_s=30)["url"]))
    with socket.create_connection((url.hostname, url.port)):
        get(url.geturl())

        os.kill(server.pid, signal.SIGTERM)

        server.wait_for_end(timeout_s=30)  # fails unless the status is 0
    assert "Traceback" not in server.log_path.read_text()


def test_a_taken_port_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    """The message says which, and what to do instead."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = rf"Port {port} cannot be used: .* Use --port 0 for a free port\."
        with pytest.raises(ProcessFailed, match=message):
            run(tmp_path, environment, "serve", f"--port={port}")


def test_a_host_that_is_not_ours_is_refused(server: ChildProcess) -> None:
    """A page elsewhere cannot read the site by giving it another name."""
    url = str(server.wait_for_json_line(timeout_s=30)["url"])
    request = urllib.request.Request(url, headers={"Host": "elsewhere.example"})  # noqa: S310  (loopback, by http)

    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=30)  # noqa: S310  (loopback, by http)


def test_without_a_queue_the_messages_are_printed(
    tmp_path: Path, environment: dict[str, str], people: object
) -> None:
    """The three commands of the README work on a machine that knows nothing of AWS."""
    del people  # needed, not read
    with serve(tmp_path, environment) as process:
        url = str(process.wait_for_json_line(timeout_s=30)["url"])

        get(f"{url}activity/Audio%20upload/")

        printed = process.log_path.read_text().splitlines()[1:]
        assert [event["event"] for line in printed for event in json.loads(line)["events"]] == [
            "Audio upload"
        ]


class Visitor:
    """Somebody with a browser's cookies."""

    def __init__(self, site_url: str) -> None:
        self.cookies = http.cookiejar.CookieJar()
        self._site_url = site_url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def ask(self, path: str, form: Mapping[str, str] | None = None) -> Any:
        """Return the answer to a GET, or to a POST of `form`; raises unless it is found."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        with self._opener.open(self._site_url + path, data, timeout=30) as answer:
            answer.text = answer.read().decode()
            return answer

    def log_in(self, user: str, password: str) -> Any:
        """Fill in the admin's form."""
        [token] = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', self.ask("admin/login/").text)
        form = {"username": user, "password": password, "csrfmiddlewaretoken": token, "next": "/admin/"}
        return self.ask("admin/login/", form)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The site as the demo runs it, with no queue."""
    with Site(tmp_path, {"AWS_EC2_METADATA_DISABLED": "true"}, lambda _: None) as site:
        yield site


def test_the_admin_works_with_a_password_that_is_in_no_file(site: Site, tmp_path: Path) -> None:
    """Whoever keeps the demo up logs in with what the terminal says, styles and all; nothing keeps it."""
    visitor = Visitor(site.url)

    login = site.add_admin()
    index = visitor.log_in(*login)

    assert "Delivery failures" in index.text
    assert "LOG_TABLE_NAME is not set" in visitor.ask("admin/whyness_mixpanel/deliveryfailure/").text
    assert "--primary" in visitor.ask("static/admin/css/base.css").text
    assert "whyness-chart" in visitor.ask("static/whyness_mixpanel/admin.css").text
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"site-createsuperuser.log", "site-serve.log", "site.sqlite3"}
    assert not [path for path in written if login.password.encode() in path.read_bytes()]


def test_only_the_admin_has_cookies_and_asks_for_tokens(site: Site) -> None:
    """The example's own pages set none, get none, and take a POST of anybody; the admin's refuse it."""
    visitor = Visitor(site.url)

    answers = [visitor.ask(path) for path in ("", "stats/", "activity/Audio%20upload/")]
    answers.append(visitor.ask("activity/Audio%20upload/", {}))
    before = list(visitor.cookies)
    visitor.log_in(*site.add_admin())

    assert before == []
    assert [answer.headers["Vary"] for answer in answers] == [None] * 4
    assert {(cookie.name, cookie.path) for cookie in visitor.cookies} == {
        ("example_session", "/admin/"),
        ("example_csrf", "/admin/"),
    }
    with pytest.raises(urllib.error.HTTPError, match="403"):
        visitor.ask("admin/whyness_mixpanel/deliveryfailure/redrive/", {"key": "1"})
