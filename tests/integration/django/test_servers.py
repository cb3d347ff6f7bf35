"""The app in web servers: gunicorn's forked workers, and threads that Python did not start."""

import json
import re
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import IO

import pytest

from tests.aws_stub.sqs_rules import digests
from tests.integration.django.relay_project import ROOT, RelayProject, make_project, until
from tests.integration.django.test_outbox_processes import Project
from tests.loopback import LoopbackServer, Request, Response

SETTINGS = """
from outbox_settings import *
ALLOWED_HOSTS = ["*"]
WHYNESS_MIXPANEL = {
    "QUEUE_URL": os.environ["QUEUE_URL"],
    "REGION": "us-east-1",
    "READ_TIMEOUT_S": 30,
}
"""
REFUSED = "refused"
TIME_MS = 1_763_900_000_000

Sent = tuple[str, str, int, str]


class Queue:
    """Takes messages as SQS does and keeps their events; those of the insert id REFUSED it never takes."""

    def __init__(self) -> None:
        self.events: list[Sent] = []

    def answer(self, request: Request) -> Response:
        """Take a batch."""
        entries = json.loads(request.body)["Entries"]
        events = [event for entry in entries for event in json.loads(entry["MessageBody"])["events"]]
        if any(event["insert_id"] == REFUSED for event in events):
            return Response(400, b'{"__type":"com.amazonaws.sqs#InvalidAddress"}')
        self.events += [
            (event["event"], event["user"], event["time"], event["insert_id"]) for event in events
        ]
        taken = [{"Id": entry["Id"], "MessageId": "m", **digests(entry)} for entry in entries]
        return Response(200, json.dumps({"Successful": taken, "Failed": []}).encode())

    def pages(self) -> list[Sent]:
        """Return the events "Page" in order."""
        return sorted(event for event in self.events if event[0] == "Page")


def expected_pages(numbers: range) -> list[Sent]:
    """Return the events of the pages `numbers`, without those that were rolled back."""
    return sorted(("Page", "7", TIME_MS + n, str(n)) for n in numbers if n % 4 != 1)


def use_sqs(project: Project, endpoint: str) -> None:
    """Let a project publish to a queue at `endpoint`, with nothing of this machine's own AWS set-up."""
    directory = project.queue.parent
    (directory / "sqs_settings.py").write_text(SETTINGS)
    project.environment |= {
        "DJANGO_SETTINGS_MODULE": "sqs_settings",
        "QUEUE_URL": f"{endpoint}/1/events",
        "AWS_ENDPOINT_URL_SQS": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": str(directory / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "none"),
    }


@pytest.fixture
def project(tmp_path: Path, migrated: Callable[[RelayProject, Path], RelayProject]) -> Project:
    """A migrated project on SQLite."""
    like = make_project(tmp_path, "sqlite")
    like.fill_from(migrated(like, ROOT))
    return Project(tmp_path, like.database)


# What has a process that published before it forked: a client, a thread, and a queue that fails just now.
USED = """
from whyness_mixpanel.backends import sqs
assert Event(event="Before", insert_id=1).send() is True
end = time.monotonic() + 30
while Outbox.objects.exists() and time.monotonic() < end:
    time.sleep(0.02)
assert Event(event="Before", insert_id="refused").send() is True
connection.close()
client_of_parent = sqs._made.client
"""
SITE = """
import os, time
import django
django.setup()
from urllib.parse import parse_qs
from django.db import connection, transaction
from whyness_mixpanel.models import Event, Outbox
loaded_by, client_of_parent = os.getpid(), None
{used}
def application(environ, start_response):
    number = int(parse_qs(environ["QUERY_STRING"])["n"][0])
    try:
        with transaction.atomic():
            said = Event(event="Page", user=7, insert_id=number, time=1763900000000 + number).send()
            if number % 4 == 1:
                raise KeyError
    except KeyError:
        pass
    connection.close()
    from whyness_mixpanel.backends import sqs
    if client_of_parent and sqs._made and sqs._made.client is client_of_parent:
        said = "the parent's client"
    if {is_preloaded} == (os.getpid() == loaded_by):
        said = "loaded by the wrong process"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(said).encode()]
"""
# A worker takes as many connections as it has threads: sixteen visitors need both workers.
GUNICORN = [
    *("--worker-class=gthread", "--workers=2", "--threads=8", "--worker-connections=8"),
    *("--bind=127.0.0.1:0", "--graceful-timeout=5", "--no-control-socket"),
]


@pytest.mark.parametrize("is_preloaded", [False, True], ids=["gthread", "preload"])
def test_gunicorn_publishes_what_committed_once(project: Project, *, is_preloaded: bool) -> None:
    """From both workers, also if the master has published before the fork and failed at last."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed: `make test` installs it")
    used = USED if is_preloaded else ""
    (project.queue.parent / "site_of_test.py").write_text(SITE.format(used=used, is_preloaded=is_preloaded))
    queue = Queue()

    with LoopbackServer(queue.answer) as sqs:
        use_sqs(project, sqs.url)
        options = ["--preload"] if is_preloaded else []
        with gunicorn(project, *options) as url, ThreadPoolExecutor(16) as visitors:
            said = Counter(visitors.map(lambda number: visit(f"{url}?n={number}"), range(100, 180)))
            until(lambda: len(queue.pages()) >= len(expected_pages(range(100, 180))))
        live = queue.pages()
        left = project.run("-m", "django", "mixpanel_outbox", "status", "--json")

    assert said == {"True": 80}
    assert live == expected_pages(range(100, 180))
    assert json.loads(left)["default"]["pending"] == (1 if is_preloaded else 0)


@contextmanager
def gunicorn(project: Project, *options: str) -> Iterator[str]:
    """Run gunicorn with the project's site; yield its URL."""
    server = project.start("-m", "gunicorn", *GUNICORN, *options, "site_of_test:application")
    log: SimpleQueue[str] = SimpleQueue()
    reader = threading.Thread(target=_pass_on, args=(server.stdout, log))  # a full pipe would stop the server
    reader.start()
    try:
        url = None
        while not url:
            line = log.get(timeout=30)
            assert line, "gunicorn ended: its log is above"
            url = re.search(r"http://127\.0\.0\.1:\d+", line)
        yield f"{url[0]}/"
    finally:
        server.terminate()
        server.wait(30)
        reader.join(30)


def _pass_on(output: IO[str], log: SimpleQueue[str]) -> None:
    with output:
        for line in output:
            print(line, end="")  # noqa: T201  (pytest shows it where a test failed)
            log.put(line)
    log.put("")


def visit(url: str) -> str:
    """Return what a page says."""
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  (our own server)
        return str(answer.read(), "ascii")


THREADS_OF_A_SERVER = """
import ctypes, json, queue, threading, time
from collections import Counter
from wsgiref.util import setup_testing_defaults
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from whyness_mixpanel.models import Event, Outbox

def page(request):
    number = int(request.GET["n"])
    try:
        with transaction.atomic():
            said = Event(event="Page", user=7, insert_id=number, time=1763900000000 + number).send()
            if number % 4 == 1:
                raise KeyError
    except KeyError:
        pass
    return HttpResponse(str(said))

urlpatterns = [path("", page)]
settings.ROOT_URLCONF = __name__
application = get_wsgi_application()
waiting = queue.SimpleQueue()
answers = []

@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def serve(_):
    for _ in range(4):
        environ = {"QUERY_STRING": f"n={waiting.get()}"}
        setup_testing_defaults(environ)
        response = application(environ, lambda status, headers: None)
        answers.append(b"".join(response).decode())
        response.close()  # as a server does: Django's request_finished closes the database's connection

def run_threads(count):
    server = ctypes.CDLL(None)
    threads = [ctypes.c_void_p() for _ in range(count)]
    for thread in threads:
        assert server.pthread_create(ctypes.byref(thread), None, serve, None) == 0
    for thread in threads:
        assert server.pthread_join(thread, None) == 0

def run():
    for first in range(1000, 1180, 60):
        for number in range(first, first + 60):
            waiting.put(number)
        run_threads(15)
    end = time.monotonic() + 30
    while Outbox.objects.exists() and time.monotonic() < end:
        time.sleep(0.02)
    own = [t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)]
    print(json.dumps([Counter(answers), Outbox.objects.count(), len(own)]))
"""


def test_threads_that_python_did_not_start_publish_what_committed_once(project: Project) -> None:
    """As under mod_wsgi: 60 requests wait at a time, 15 threads serve them and end, then come others."""
    (project.queue.parent / "site_of_test.py").write_text(THREADS_OF_A_SERVER)
    queue = Queue()

    with LoopbackServer(queue.answer) as sqs:
        use_sqs(project, sqs.url)
        printed = project.run(*project.script("import site_of_test; site_of_test.run()"))

    answers, left_count, thread_count = json.loads(printed.splitlines()[-1])
    assert answers == {"True": 180}
    assert queue.pages() == expected_pages(range(1000, 1180))
    assert left_count == 0
    assert thread_count == 2
