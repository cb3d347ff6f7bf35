"""The outbox with real processes, threads and databases: killed, many at once, on SQLite and PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.integration.django.relay_project import RelayProject, make_project

ROOT = Path(__file__).parents[3]

# A project whose backend appends each event to a file: what several processes have published can be read.
SETTINGS = """
import json, os
SECRET_KEY = "x"
INSTALLED_APPS = ["whyness_mixpanel"]
DATABASES = {"default": json.loads(os.environ["DATABASE"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
WHYNESS_MIXPANEL = {"BACKEND": "console", "RAISE_INVALID": False}
from whyness_mixpanel.backends import all_of, console
def publish(bodies, *, group="live"):
    if os.path.exists(os.environ["QUEUE"] + ".down"):
        raise TimeoutError
    with open(os.environ["QUEUE"], "a") as queue:
        queue.write("".join(body + "\\n" for body in bodies))
    return all_of(bodies)
console.publish = publish
"""


class Project:
    """A project in a directory, on one database."""

    def __init__(self, directory: Path, database: Mapping[str, object]) -> None:
        self.queue = directory / "queue"
        (directory / "outbox_settings.py").write_text(SETTINGS)
        paths = [str(directory), str(ROOT), str(ROOT / "functions" / "send_events")]
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(paths),
            "DJANGO_SETTINGS_MODULE": "outbox_settings",
            "DATABASE": json.dumps(database),
            "QUEUE": str(self.queue),
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start Python with `arguments`."""
        return subprocess.Popen(  # noqa: S603  (our own code)
            [sys.executable, *arguments],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Run Python with `arguments` and return what it printed; the exit code must be 0."""
        process = self.start(*arguments)
        printed, _ = process.communicate(timeout=90)
        assert process.returncode == 0, printed
        return printed

    def script(self, text: str) -> list[str]:
        """Return arguments for a script in this project."""
        return ["-c", "import django\ndjango.setup()\n" + text]

    def down(self, *, is_down: bool) -> None:
        """Let the queue fail, or work again."""
        flag = Path(f"{self.queue}.down")
        flag.touch() if is_down else flag.unlink()

    def published(self) -> list[str]:
        """Return the insert ids in the queue."""
        lines = self.queue.read_text().splitlines() if self.queue.exists() else []
        return [event["insert_id"] for line in lines for event in json.loads(line)["events"]]


@pytest.fixture(params=["sqlite", "postgresql"])
def project(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: Callable[[RelayProject, Path], RelayProject]
) -> Project:
    """A migrated project on each database."""
    port = None if request.param == "sqlite" else request.getfixturevalue("postgres_port")
    like = make_project(tmp_path, request.param, port)
    like.fill_from(migrated(like, ROOT))
    return Project(tmp_path, like.database)


KILLED = """
import os, signal
from django.db import transaction
from whyness_mixpanel.models import Event
from whyness_mixpanel.publishing import batch
batch.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # after the commit, before the queue
with transaction.atomic():
    assert Event(event="A", insert_id=1).send() is True
"""


LEASES_END = """
from whyness_mixpanel.models import Outbox
Outbox.objects.update(claimed_until="2020-01-01T00:00Z")
"""


def test_a_process_killed_between_commit_and_publish_loses_nothing(project: Project) -> None:
    """The next drain after its lease publishes."""
    killed = project.start(*project.script(KILLED))
    killed.communicate(timeout=60)
    project.run(*project.script(LEASES_END))

    printed = project.run("-m", "django", "mixpanel_outbox", "drain")

    assert killed.returncode == -signal.SIGKILL
    assert printed.endswith("Published: 1. Left: 0.\n")
    assert project.published() == ["1"]


WORKER = """
import sys
from django.db import connection, transaction
from whyness_mixpanel.models import Event
base = int(sys.argv[1])
for number in range(base, base + 40):
    if number % 4 == 0:
        Event(event="A", insert_id=number).send()
        continue
    try:
        with transaction.atomic():
            assert Event(event="A", insert_id=number).send() is True
            if number % 4 == 1:
                raise KeyError
    except KeyError:
        pass
"""


def test_ten_workers_and_two_drains_lose_nothing_and_send_nothing_rolled_back(project: Project) -> None:
    """While the queue fails and works again."""
    project.down(is_down=True)
    drains = [
        project.start("-m", "django", "mixpanel_outbox", "drain", "--loop", "--interval=1") for _ in "12"
    ]
    workers = [project.start(*project.script(WORKER), str(base)) for base in range(1_000, 2_000, 100)]
    for worker in workers[:5]:
        worker.wait(timeout=90)
    project.down(is_down=False)
    for worker in workers:
        printed, _ = worker.communicate(timeout=90)
        assert worker.returncode == 0, printed
    for drain in drains:
        drain.send_signal(signal.SIGTERM)
        assert drain.wait(timeout=60) == 0
        drain.communicate()

    project.run(*project.script(LEASES_END))
    project.run("-m", "django", "mixpanel_outbox", "drain")

    expected = {str(n) for base in range(1_000, 2_000, 100) for n in range(base, base + 40) if n % 4 != 1}
    assert set(project.published()) == expected


def test_two_drains_share_the_rows(project: Project) -> None:
    """Each row is published once if no process is killed."""
    fill = """
from whyness_mixpanel.models import Event, Outbox
rows = [Outbox(encoded=Event(event="A", insert_id=n).json(), identity="distinct_id") for n in range(1, 2001)]
Outbox.objects.bulk_create(rows)
"""
    project.run(*project.script(fill))

    drains = [project.start("-m", "django", "mixpanel_outbox", "drain", "--batch=50") for _ in "12"]
    for drain in drains:
        printed, _ = drain.communicate(timeout=90)
        assert drain.returncode == 0, printed

    assert sorted(project.published(), key=int) == [str(n) for n in range(1, 2001)]


BROKEN = """
from django.db import connection, transaction
from whyness_mixpanel import counters
from whyness_mixpanel.models import Event, Log
with connection.cursor() as cursor:
    cursor.execute("DROP TABLE whyness_mixpanel_outbox")
with transaction.atomic():
    Log.objects.create(message="before")
    assert Event(event="A", insert_id=1).send() is False
    Log.objects.create(message="after")  # PostgreSQL refuses this where the failure was not in a savepoint
assert Log.objects.count() == 2
assert counters.snapshot()["unwritten"] == 1
"""


def test_without_the_table_the_transaction_of_the_page_goes_on(project: Project) -> None:
    """The page's own rows are written, and the event is published by its hook."""
    project.run(*project.script(BROKEN))

    assert project.published() == ["1"]


BROKEN_PAGE = """
from django.db import connection
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from whyness_mixpanel.models import Event, Log
def page(request):
    Log.objects.create(message="before")
    said = Event(event="A", insert_id=1).send()
    Log.objects.create(message="after")
    return HttpResponse(str(said))
with connection.cursor() as cursor:
    cursor.execute("DROP TABLE whyness_mixpanel_outbox")
connection.settings_dict["ATOMIC_REQUESTS"] = True
with override_settings(ROOT_URLCONF=(path("", page),)):
    answer = Client().get("/")
assert (answer.status_code, answer.content) == (200, b"False"), answer
assert Log.objects.count() == 2
"""


def test_without_the_table_an_atomic_request_answers_200(project: Project) -> None:
    """Through Django's own handling: the rows of the page are written, and its event is published."""
    project.run(*project.script(BROKEN_PAGE))

    assert project.published() == ["1"]


REFUSED = """
from django.db import connection, transaction
from whyness_mixpanel.models import Event, Log
with connection.cursor() as cursor:
    cursor.execute("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                   "$$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full'; END $$")
    cursor.execute("CREATE TRIGGER full_disk BEFORE INSERT ON whyness_mixpanel_outbox "
                   "FOR EACH ROW EXECUTE FUNCTION full_disk()")
with transaction.atomic():
    assert Event(event="A", insert_id=1).send() is False
    Log.objects.create(message="after")
assert Log.objects.count() == 1
"""


@pytest.mark.parametrize("project", ["postgresql"], indirect=True)
def test_a_full_disk_breaks_no_transaction(project: Project) -> None:
    """The database refuses the row as it does when there is no room."""
    project.run(*project.script(REFUSED))

    assert project.published() == ["1"]


BY_HAND = """
from django.db import connection, transaction
from whyness_mixpanel.models import Event, Outbox
connection.ensure_connection()
connection.set_autocommit(False)
assert Event(event="A", insert_id=1).send() is True
connection.commit()
assert Event(event="A", insert_id=2).send() is True
connection.rollback()
connection.set_autocommit(True)
with transaction.atomic():
    savepoint = connection.savepoint()
    Event(event="A", insert_id=3).send()
    transaction.savepoint_rollback(savepoint)
    Event(event="A", insert_id=4).send()
"""


def test_transactions_and_savepoints_by_hand(project: Project) -> None:
    """What is rolled back is never sent; what a transaction by hand commits is the drain's."""
    project.run(*project.script(BY_HAND))
    before = project.published()

    project.run("-m", "django", "mixpanel_outbox", "drain")

    assert (before, project.published()) == (["4"], ["4", "1"])


THREADS = """
import os, threading
from django.db import connection, transaction
from whyness_mixpanel import counters
from whyness_mixpanel.models import Event
def page(number):
    with transaction.atomic():
        assert Event(event="A", insert_id=number).send() is True
    connection.close()
Event(event="A", insert_id=100).send()
connection.close()
child = os.fork()
base = 1000 if child else 2000
threads = [threading.Thread(target=page, args=(base + n,)) for n in range(50)]
[t.start() for t in threads]
[t.join() for t in threads]
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_fifty_threads_of_a_forked_worker_and_of_its_parent(project: Project) -> None:
    """As gunicorn does with preload and threads."""
    project.run(*project.script(THREADS))
    project.run(*project.script(LEASES_END))
    project.run("-m", "django", "mixpanel_outbox", "drain")

    expected = {"100"} | {str(base + n) for base in (1000, 2000) for n in range(50)}
    assert set(project.published()) == expected


AWKWARD = r"""
import json
from decimal import Decimal
from django.db import connection, transaction
from django.utils.functional import SimpleLazyObject
from whyness_mixpanel import counters
from whyness_mixpanel.models import Event, Outbox, send_many
def fails():
    raise ZeroDivisionError
PLACES = [
    {"user": "u\ud83d"}, {"user": "a\0b"}, {"user": "a\0b", "event": " "}, {"user": 10**5000},
    {"event": "E\0"},
    {"data": "\0\ud83d"}, {"properties": {"\0\ud83d": "\0"}}, {"properties": {"\0": b"\0\xff"}},
    {"properties": {"x": SimpleLazyObject(fails)}}, {"properties": {"x": Decimal("NaN"), "y\ud83d\n": 1}},
    {"useragent": "\ud83d\ude00"}, {"insert_id": "\0"}, {"time": float("nan")},
    {"user": SimpleLazyObject(fails)},
]
def events():
    return [Event(**{"event": "E", "user": "7", "insert_id": n, "time": 1760000000} | each)
            for n, each in enumerate(PLACES, 1)]
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE customer (id INTEGER)")
    with transaction.atomic():
        for event in [Event(event="E", insert_id=100), *events(), Event(event="E", insert_id=101)]:
            event.send()
        cursor.execute("INSERT INTO customer VALUES (1)")
    send_many(events())
    cursor.execute("SELECT COUNT(*) FROM customer")
    parked = Outbox.objects.filter(state="parked")
    print(json.dumps([cursor.fetchone()[0], parked.count(), counters.snapshot()]))
"""


def test_no_event_takes_the_customers_row_with_it(project: Project) -> None:
    """Whatever stands in it: its own row is one that each database takes, parked or not."""
    customers, parked_count, counts = json.loads(project.run(*project.script(AWKWARD)).splitlines()[-1])

    assert (customers, counts["unwritten"], counts["lost"]) == (1, 0, 0)
    assert parked_count == counts["invalid"] == 24
    assert {"100", "101", "2", "5"} <= set(project.published())
