"""The relay with real processes: nothing is lost and nothing sent that was rolled back."""

import os
import signal
from pathlib import Path

import pytest

from tests.integration.django.relay_project import OFTEN, RelayProject, both, only_postgresql, until

ROLLED_BACK = """
from contextlib import suppress
class Undo(Exception): pass
with transaction.atomic(durable=True):
    assert send(1) is True
    with suppress(Undo), transaction.atomic():
        send(2)
        raise Undo
    savepoint = transaction.savepoint()
    send(3)
    transaction.savepoint_rollback(savepoint)
    with transaction.atomic():
        send(4)
with suppress(Undo), transaction.atomic():
    send(5)
    raise Undo
block = transaction.atomic()
block.__enter__()
transaction.on_commit(lambda: 1 / 0)  # Django drops the hooks after it, so the relay is not woken
send(6)
with suppress(ZeroDivisionError):
    block.__exit__(None, None, None)
connection.set_autocommit(False)
assert send(7) is True
connection.commit()
assert send(8) is True
connection.rollback()
connection.set_autocommit(True)
assert send(9) is True
until(lambda: Outbox.objects.count() == 0)
"""


def test_what_commits_is_published_once_and_what_is_rolled_back_never(project: RelayProject) -> None:
    """In nested blocks, savepoints by hand, a transaction by hand, and where another's hook raises."""
    project.run(*project.script(OFTEN + ROLLED_BACK))

    assert sorted(project.published()) == ["1", "4", "6", "7", "9"]


@both
def test_events_of_many_requests_and_processes_share_messages(project: RelayProject) -> None:
    """Three processes with a hundred events in a second: a tenth of the calls, each event once."""
    text = """
for number in range(int(sys.argv[1]), int(sys.argv[1]) + 100):
    with transaction.atomic():
        assert send(number) is True
    time.sleep(0.01)
"""
    running = [project.start(*project.script(text), str(base)) for base in (1_000, 2_000, 3_000)]
    for process in running:
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0, printed
    project.run("-m", "django", "mixpanel_outbox", "drain")

    assert sorted(project.published()) == [
        str(base + n) for base in (1_000, 2_000, 3_000) for n in range(100)
    ]
    assert len(project.calls()) <= 45


@both
def test_a_process_killed_at_any_instant_loses_nothing(project: RelayProject) -> None:
    """Before, in and after a call: what it had claimed is free after its lease, and counts once."""
    text = """
print("begin", flush=True)
for number in range(int(sys.argv[1]), int(sys.argv[1]) + 400):
    with transaction.atomic():
        assert send(number) is True
    print(number, flush=True)
    time.sleep(0.003)
"""
    committed: set[str] = set()
    for turn in range(6):
        victim = project.start(*project.script(text), str(1_000 * (turn + 1)))
        assert victim.stdout is not None
        for _ in range(10 + 37 * turn):
            victim.stdout.readline()
        victim.kill()
        victim.communicate(timeout=20)
    move = "Outbox.objects.exclude(claimed_by='').update(claimed_until='2020-01-01T00:00Z')"
    rows = project.run(*project.script(f"import json\n{move}\nprint(Outbox.objects.count())"))
    before = set(project.published())
    project.run("-m", "django", "mixpanel_outbox", "drain")
    after = project.published()

    assert int(rows) > 0
    for turn in range(6):
        own = [int(each) for each in set(after) if 1_000 * (turn + 1) <= int(each) < 1_000 * (turn + 2)]
        committed |= {str(number) for number in range(1_000 * (turn + 1), max(own) + 1)}
        assert len(own) >= 9 + 37 * turn - 1
    assert set(after) == committed
    assert before <= set(after)


FORKED = """
import signal
send(1)
children = []
for number in range(2, 22):
    time.sleep(0.013)  # before, in and after the relay's calls
    connection.close()  # as everyone does who forks: the relay's own is another
    child = os.fork()
    if child == 0:
        signal.alarm(40)
        send(number)
        if number % 2:
            relay.stop()
        os._exit(0)
    children.append(child)
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 20
Outbox.objects.filter(claimed_until__isnull=False).update(claimed_until="2020-01-01T00:00Z")  # of the ended
until(lambda: Outbox.objects.count() == 0)
"""


@both
def test_a_process_forked_at_any_instant_loses_nothing(project: RelayProject) -> None:
    """Also children that end before they have published: whoever has sent looks after their rows."""
    project.run(*project.script(OFTEN + FORKED))

    assert sorted(map(int, project.published())) == list(range(1, 22))


def test_before_the_tables_are_made_nothing_is_lost(unmigrated: RelayProject) -> None:
    """The page's transaction lives, what is rolled back is not sent, and no log claims that rows wait."""
    text = """
from contextlib import suppress
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE page (id integer)")
with suppress(ZeroDivisionError), transaction.atomic():
    send(1)
    1 / 0
for number in range(2, 12):
    with transaction.atomic():
        assert send(number) is False
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO page VALUES (1)")
assert send(12) is False
until(lambda: counters.snapshot()["published"] == 11)
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM page")
    assert cursor.fetchone() == (10,)
assert (counters.snapshot()["unwritten"], counters.snapshot()["lost"]) == (12, 0)
"""
    printed = unmigrated.run(*unmigrated.script(text))

    assert sorted(map(int, unmigrated.published())) == list(range(2, 13))
    assert printed.count("The outbox does not accept events") == 1
    assert "in the outbox" not in printed


@both
def test_while_the_queue_fails_few_calls_are_made_and_then_all_is_published(project: RelayProject) -> None:
    """No page waits, there is one warning, and fresh events do not wait for what fails."""
    text = """
import logging
said = []
handler = logging.StreamHandler(sys.stdout)
handler.addFilter(lambda record: said.append(record.getMessage()) or True)
logging.basicConfig(level=logging.INFO, handlers=[handler])
began = time.monotonic()
for number in range(1, 501):
    assert send(number) is True
assert time.monotonic() - began < 4
time.sleep(2)
open(os.environ["QUEUE"] + ".state", "w").close()
until(lambda: Outbox.objects.count() == 0)
assert counters.snapshot()["published"] == 500
until(lambda: "Publishing works again." in said, 40)
"""
    project.be("down")

    printed = project.run(*project.script(text))

    assert sorted(map(int, project.published())) == list(range(1, 501))
    assert printed.count("Publishing failed: TimeoutError. Events wait in the outbox") == 1
    assert printed.count("Publishing works again.") == 1


@both
def test_what_the_queue_does_not_take_now_holds_up_nothing_behind_it(project: RelayProject) -> None:
    """500 such rows at the head: fresh events go within 2 s, and the calls stay below one a second."""
    text = """
from whyness_mixpanel import send_many
send_many(Event(event="Bad", insert_id=number) for number in range(1, 501))
time.sleep(0.5)
began = time.monotonic()
for number in range(501, 504):
    at = time.monotonic()
    send(number)
    until(lambda: not Outbox.objects.filter(encoded__contains=f'"{number}"').exists(), 2)
    time.sleep(max(0.0, at + 1.3 - time.monotonic()))
print(time.monotonic() - began)
"""
    project.be("picky")

    project.run(*project.script(text))

    assert project.published() == ["501", "502", "503"]
    assert len(project.calls()) <= 10


def test_a_dropped_connection_costs_at_most_the_first_event(project: RelayProject) -> None:
    """In a process without requests, which would close broken connections."""
    text = """
send(1)
if connection.vendor == "postgresql":
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        own = cursor.fetchone()[0]
    import psycopg
    with psycopg.connect(**{k: v for k, v in connection.get_connection_params().items()
                            if k in ("host", "port", "user", "dbname")}, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                      "AND datname = current_database()")
assert [send(number) for number in (2, 3, 4)] == [True] * 3
until(lambda: Outbox.objects.count() == 0)
"""
    project.run(*project.script(OFTEN + text))

    assert sorted(project.published()) == ["1", "2", "3", "4"]


@only_postgresql
def test_a_handler_that_sends_during_a_query_does_not_hang(project: RelayProject) -> None:
    """Psycopg's lock is held: the event goes through memory."""
    text = """
import signal
said = []
signal.signal(signal.SIGALRM, lambda *_: said.append(send(1)))
with transaction.atomic():
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(1)")
    assert send(2) is True
assert said == [False]
until(lambda: counters.snapshot()["published"] == 2)
"""
    project.run(*project.script(text))

    assert sorted(project.published()) == ["1", "2"]


@both
def test_a_process_that_ends_publishes_what_it_can_in_two_seconds(project: RelayProject) -> None:
    """At once, without gathering; where the queue is slow the rest is the next one's."""
    text = """
import time
began = time.monotonic()
send(1)
import atexit
atexit.register(lambda: None)
"""
    project.run(*project.script(text))
    at_once = project.published()
    project.be("down")
    project.run(*project.script("send(2)"))
    project.be("")
    project.run("-m", "django", "mixpanel_outbox", "drain")

    assert at_once == ["1"]
    assert project.published() == ["1", "2"]


@both
def test_rows_of_the_past_travel_behind_what_is_fresh(project: RelayProject) -> None:
    """An outage's backlog does not delay today's events; a row of a year ahead does not wait for a year."""
    text = """
from datetime import timedelta
from django.utils import timezone
for number, age in ((1, 600), (2, -31_536_000)):
    Outbox.objects.create(encoded=Event(event="A", insert_id=number).json(), identity="distinct_id",
                          created_at=timezone.now() - timedelta(seconds=age),
                          claimed_until=timezone.now() + timedelta(days=365), claimed_by="x")
send(3)
until(lambda: Outbox.objects.count() == 0)
"""
    project.run(*project.script(text))

    assert sorted(project.published()) == ["1", "2", "3"]
    assert {group for _, _, group in project.calls()} == {"live", "backfill"}


def test_a_loop_stops_at_a_signal_and_publishes_what_comes(project: RelayProject) -> None:
    """Rows of processes that publish nothing by themselves; a damaged one is parked beside them."""
    project.environment["WHYNESS_MIXPANEL_RELAY"] = "command"
    loop = project.start("-m", "django", "mixpanel_outbox", "drain", "--loop", "--interval=1")
    text = """
import threading
Outbox.objects.create(encoded="{", identity="distinct_id")
for number in range(1, 6):
    assert send(number) is True
assert threading.active_count() == 1
"""
    project.run(*project.script(text))
    until(lambda: len(project.published()) == 5)
    loop.send_signal(signal.SIGTERM)
    printed, _ = loop.communicate(timeout=20)

    assert loop.returncode == 0, printed
    assert "Parked 1 events in the outbox: its JSON cannot be read" in printed
    assert os.environ.get("WHYNESS_MIXPANEL_RELAY") is None


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_with_sqlites_default_options_no_page_finds_the_database_locked(tmp_path: Path, journal: str) -> None:
    """500 pages that read and then write, with Django's own transactions; nothing is left behind."""
    options = {"init_command": f"PRAGMA journal_mode={journal}; PRAGMA synchronous=OFF"}
    made = RelayProject(
        tmp_path, {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db"), "OPTIONS": options}
    )
    made.run("-m", "django", "migrate", "--verbosity=0")
    text = """
import threading
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE page (views integer)")
    cursor.execute("INSERT INTO page VALUES (0)")
for number in range(1, 501):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT views FROM page")
        cursor.fetchone()
        time.sleep(0.001)
        cursor.execute("UPDATE page SET views = views + 1")
        assert send(number) is True
assert threading.active_count() == 1
assert Outbox.objects.count() == 0
"""
    made.run(*made.script(text))

    assert sorted(map(int, made.published())) == list(range(1, 501))
