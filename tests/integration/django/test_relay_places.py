"""The relay beside Django's pool, under gevent, in jobs with a time limit, in consumers, in test runs."""

from importlib.util import find_spec

import pytest

from tests.integration.django.relay_project import (
    OFTEN,
    PRELUDE,
    RelayProject,
    both,
    only_postgresql,
)

needs_pool = pytest.mark.skipif(
    not find_spec("psycopg_pool"), reason="psycopg_pool is not installed: Django's pool needs it"
)
needs_gevent = pytest.mark.skipif(not find_spec("gevent"), reason="gevent is not installed")

POOL = """
import threading
for number in (1, 2):
    assert send(number) is True
all_hold, is_published = threading.Barrier(5), threading.Event()
failed = []

def page(number):
    try:
        with transaction.atomic():
            assert send(number) is True
            all_hold.wait(20)
            is_published.wait(20)
        connection.close()
    except BaseException as error:
        failed.append(repr(error))
        all_hold.abort()

def published(count):
    return counters.snapshot()["published"] == count

connection.close()
for turn in (1, 2):
    is_published.clear()
    pages = [threading.Thread(target=page, args=(10 * turn + number,)) for number in range(4)]
    [each.start() for each in pages]
    all_hold.wait(20)  # all of the pool are taken; the relay publishes what is committed nevertheless
    until(lambda: published(4 * turn - 2))
    is_published.set()
    [each.join() for each in pages]
    assert not failed, failed
until(lambda: published(10))
"""


@needs_pool
@only_postgresql
def test_the_relay_takes_no_connection_of_djangos_pool(project: RelayProject) -> None:
    """Four pages hold all four: none has waited for one, and what was committed before them is published."""
    options = {"pool": {"min_size": 1, "max_size": 4, "timeout": 2}}
    project.set(f"DATABASES['default']['OPTIONS'] = {options!r}\n")

    project.run(*project.script(POOL))

    assert sorted(map(int, project.published())) == [1, 2, 10, 11, 12, 13, 20, 21, 22, 23]


# Later than this Django itself takes no patch: all greenlets would share one database connection.
PATCH = """
import whyness_mixpanel
from gevent import monkey
monkey.patch_all()
"""
# The ticks tell whether all greenlets run.
GEVENT = """
import gevent, signal
signal.alarm(30)  # where the hub is blocked nothing else would end it
ticks = 0
def tick():
    global ticks
    while True:
        gevent.sleep(0.01)
        ticks += 1
gevent.spawn(tick)

def page(number):
    with transaction.atomic():
        assert send(number) is True
    connection.close()

def rest():
    "Return how often others ran meanwhile."
    before = ticks
    gevent.sleep(0.5)
    return ticks - before

gevent.joinall([gevent.spawn(page, number) for number in range(1, 21)], raise_error=True)
until(lambda: not Outbox.objects.exists())
assert rest() > 10  # the relay waits for marks
with open(os.environ["QUEUE"] + ".state", "w") as state:
    state.write("hangs")
page(21)
assert rest() > 10  # it is in a call
with open(os.environ["QUEUE"] + ".state", "w") as state:
    state.write("")
until(lambda: not Outbox.objects.exists())
"""


@needs_gevent
@both
def test_gevent_that_is_patched_after_the_import_is_not_blocked(project: RelayProject) -> None:
    """While the relay waits for events, and while it is in a call."""
    project.run("-c", PATCH + PRELUDE + GEVENT)

    assert sorted(map(int, project.published())) == list(range(1, 22))


# Each round sends until its time is up, in a transaction or without one.
TIME_LIMIT = """
import signal
from contextlib import nullcontext

class TimeLimit(Exception):
    pass

def raise_limit(*_):
    raise TimeLimit

# A function of its own: Python 3.13's `try` and `with` miss what a signal raises as their loop jumps back.
def send_until(enough_s):
    global number
    while time.monotonic() < enough_s:
        number += 1
        if send(number):
            sent.append(number)

signal.signal(signal.SIGALRM, raise_limit)
reached, number, committed = 0, 0, []
for turn in range(40):
    sent, enough_s = [], time.monotonic() + 1
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02 + 0.0013 * turn)
        with transaction.atomic() if turn % 2 else nullcontext():
            send_until(enough_s)
    except TimeLimit:
        reached += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    connection.close()  # as Celery does after each task
    if not turn % 2:
        committed += sent
assert reached >= 38, reached  # Python itself drops what is raised in a __del__
assert send(number + 1) is True
until(lambda: not Outbox.objects.exists())
print(*committed, number + 1)
"""


@both
def test_the_time_limit_of_a_job_reaches_the_job(project: RelayProject) -> None:
    """Wherever in a send it falls; what was said to be written is published, and the relay lives on."""
    printed = project.run(*project.script(OFTEN + TIME_LIMIT))
    sent = printed.splitlines()[-1].split()  # before it, Python's own lines on what was raised in a __del__

    assert set(map(int, sent)) <= set(map(int, project.published()))


CONSUMER = """
import asyncio, psycopg
from asgiref.sync import sync_to_async

def drop():
    given = connection.get_connection_params()
    server = {key: given[key] for key in ("host", "port", "user", "dbname")}
    with psycopg.connect(**server, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                      "AND datname = current_database()")

async def consume():
    said = [await Event(event="A", insert_id=1).asend()]
    for number in range(2, 10):
        if number % 3 == 0:
            await sync_to_async(drop)()
        said.append(await Event(event="A", insert_id=number).asend())
    return said

said = asyncio.run(consume())
assert all(said), said
until(lambda: not Outbox.objects.exists())
"""


@pytest.mark.parametrize("unmigrated", ["postgresql", "bound"], indirect=True)
def test_a_consumer_goes_on_after_dropped_connections(project: RelayProject) -> None:
    """It has no request that would close what is dead: asend() takes a fresh connection itself."""
    project.run(*project.script(OFTEN + CONSUMER))

    assert sorted(map(int, project.published())) == list(range(1, 10))


TESTS = """
import os, threading, urllib.request
from django.db import connection, transaction
from django.test import LiveServerTestCase, TestCase, TransactionTestCase
from whyness_mixpanel.models import Event, Outbox

class Base:
    def tearDown(self):
        super().tearDown()
        names = [thread.name for thread in threading.enumerate()]
        assert not any("whyness" in name for name in names), names

    def send(self):
        with transaction.atomic():
            assert Event(event="A").send() is True

class InTestCase(Base, TestCase):
    def test_it(self):
        with self.captureOnCommitCallbacks(execute=True):
            self.send()
        self.assertEqual(Outbox.objects.count(), 1)

class InTransactionTestCase(Base, TransactionTestCase):
    def test_it(self):
        self.send()
        self.assertEqual(Outbox.objects.count(), 1)

class InLiveServer(Base, LiveServerTestCase):
    def test_it(self):
        with urllib.request.urlopen(self.live_server_url) as answer:
            self.assertEqual(answer.read(), b"True")
        self.assertEqual(Outbox.objects.count(), 1)
"""
PAGE = """
ROOT_URLCONF = "relay_pages"
STATIC_URL = "static/"
ALLOWED_HOSTS = ["*"]
"""
PAGES = """
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from whyness_mixpanel.models import Event

def page(request):
    with transaction.atomic():
        return HttpResponse(str(Event(event="A").send()))

urlpatterns = [path("", page)]
"""


@only_postgresql
@pytest.mark.parametrize("options", [[], ["--parallel=2"]], ids=["alone", "parallel"])
def test_the_tests_of_a_site_without_a_backend_pass(unmigrated: RelayProject, options: list[str]) -> None:
    """No thread is in sight, nothing is published, and the runner can drop its database."""
    directory = unmigrated.queue.parent
    unmigrated.set(PAGE)
    (directory / "relay_pages.py").write_text(PAGES)
    (directory / "test_site.py").write_text(TESTS)

    printed = unmigrated.run("-W", "error", "-m", "django", "test", *options)

    assert "Ran 3 tests" in printed
    assert printed.rstrip().endswith("OK") or "\nOK\n" in printed
    assert unmigrated.calls() == []
