"""Outages of the queue, of rows, of a process: what waits goes soon after, and memory stays flat."""

import signal
from pathlib import Path

import pytest

from tests.integration.django.relay_project import RelayProject, both, until

DRAIN = ("-m", "django", "mixpanel_outbox", "drain")
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="a process's peak of memory is read from Linux's /proc"
)

# Rows by one statement of SQL, and the highest memory of the process since it was asked to look.
WATCHED = """
def fill(count, encoded, first=1):
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO whyness_mixpanel_outbox (encoded, identity, "user", state, reason, attempts,'
            " created_at, claimed_by)"
            " WITH RECURSIVE n(i) AS (SELECT %s UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
            " SELECT REPLACE(%s, 'N0', CAST(i AS VARCHAR(9))), 'distinct_id', '', 'pending', '', 0,"
            " CURRENT_TIMESTAMP, '' FROM n", [first, first + count - 1, encoded])

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

def start_watching():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the highest memory is now the present one
    return status("VmHWM:")

def queue(state):
    with open(os.environ["QUEUE"] + ".state", "w") as file:
        file.write(state)
"""
BACKLOG = """
queue(sys.argv[1])
idle_kib = start_watching()
fill(20_000, Event(event="A", insert_id="N0", time=1763900000000).json())
for number in range(30_000, 30_100):
    assert send(number) is True
time.sleep(1.5)
assert counters.snapshot()["published"] == 0  # so that no page has waited for the queue
queue("")
until(lambda: not Outbox.objects.exists())
print(status("VmHWM:") - idle_kib)
"""


@needs_proc
@pytest.mark.parametrize(
    ("unmigrated", "state"), [("sqlite", "throttles"), ("postgresql", "hangs")], indirect=["unmigrated"]
)
def test_the_backlog_of_an_outage_is_gone_soon_after_it(project: RelayProject, state: str) -> None:
    """Each row once; no page waits, and memory stays below what was idle and 64 MiB."""
    grown_kib = project.run(*project.script(WATCHED + BACKLOG), state)

    assert sorted(map(int, project.published())) == [*range(1, 20_001), *range(30_000, 30_100)]
    assert int(grown_kib.splitlines()[-1]) < 64 * 1024


# A queue that keeps of an event only its name.
WEIGHED = """
def publish(bodies, *, group="live"):
    with open(os.environ["QUEUE"], "a") as queue:
        for body in bodies:
            ids = [{"insert_id": event["insert_id"]} for event in json.loads(body)["events"]]
            queue.write(json.dumps({"events": ids}) + "\\n")
    return Answer(frozenset(range(len(bodies))))
sqs.publish = publish
"""
LARGE = """
from django.core.management import call_command
idle_kib = start_watching()
fill(int(sys.argv[1]), Event(event="A", insert_id="N0", properties={"text": "x" * 900_000}).json())
call_command("mixpanel_outbox", "drain", verbosity=0)
print(status("VmHWM:") - idle_kib)
"""


@needs_proc
@pytest.mark.parametrize(
    ("unmigrated", "count"), [("sqlite", 100), ("postgresql", 500)], indirect=["unmigrated"]
)
def test_large_rows_are_published_with_little_memory(project: RelayProject, count: int) -> None:
    """Of 900 kB each; SQLite writes them all to the disk, hence fewer."""
    project.set(WEIGHED)

    grown_kib = project.run(*project.script(WATCHED + LARGE), str(count))

    assert sorted(map(int, project.published())) == list(range(1, count + 1))
    assert int(grown_kib.splitlines()[-1]) < 64 * 1024


FROZEN = """
def is_gone():
    return not Outbox.objects.exclude(claimed_by="other").exists()
with transaction.atomic():
    send(1)
    send(2)
until(is_gone)
assert send(3) is True
until(is_gone)
"""
# An hour later: the lease has ended, and another process has one of the rows.
AN_HOUR = """
from datetime import timedelta
from django.utils import timezone
print(Outbox.objects.update(claimed_until="2020-01-01T00:00Z", created_at="2020-01-01T00:00Z"))
until_at = timezone.now() + timedelta(seconds=100)
Outbox.objects.filter(encoded__contains='"2"').update(claimed_by="other", claimed_until=until_at)
"""


@both
def test_a_process_that_was_frozen_for_an_hour_harms_nothing(project: RelayProject) -> None:
    """In the middle of a call: its rows are another's by then, who publishes them, also if it has not yet."""
    project.be("hangs")
    frozen = project.start(*project.script(FROZEN))
    until(lambda: bool(project.calls()))
    frozen.send_signal(signal.SIGSTOP)
    leased = project.run(*project.script(AN_HOUR))
    project.be("")
    project.run("-m", "django", "mixpanel_outbox", "drain")
    by_others = project.published()
    frozen.send_signal(signal.SIGCONT)
    printed, _ = frozen.communicate(timeout=30)
    left = project.run(*project.script("print(*Outbox.objects.values_list('claimed_by', flat=True))"))

    assert frozen.returncode == 0, printed
    assert leased == "2\n"
    assert by_others == ["1"]
    assert left == "other\n"
    assert set(project.published()) == {"1", "2", "3"}
    assert len({(e["event"], e["user"], e["time"], e["insert_id"]) for e in project.events()}) == 3


@pytest.mark.parametrize(
    ("unmigrated", "is_told"), [("sqlite", False), ("postgresql", True)], indirect=["unmigrated"]
)
def test_a_process_stops_while_the_queue_hangs(project: RelayProject, *, is_told: bool) -> None:
    """The call would last for a minute; what is left is the next one's, once its lease has ended."""
    text = """
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
send(1)
until(lambda: os.path.exists(os.environ["QUEUE"] + ".calls"))
print("in a call", flush=True)
if len(sys.argv) > 1:
    time.sleep(60)
"""
    project.be("hangs")
    process = project.start(*project.script(text), *["SIGTERM"] * is_told)
    assert process.stdout is not None
    assert process.stdout.readline() == "in a call\n"
    if is_told:
        process.terminate()
    printed, _ = process.communicate(timeout=20)
    calls = len(project.calls())
    project.be("")
    move = "Outbox.objects.update(claimed_until='2020-01-01T00:00Z')"
    drain = "from django.core.management import call_command\ncall_command('mixpanel_outbox', 'drain')"
    project.run(*project.script(f"{move}\n{drain}"))

    assert (process.returncode, printed, calls) == (0, "", 1)
    assert project.published() == ["1"]


# What a hand, a bug or another program may have left in the table. A user says that JSON can be read there.
DAMAGED = r"""
import json
good = json.loads(Event(event="A", insert_id="bad", time=1763900000000).json())
damaged = [
    "", "{", "null", "[]", "7", '"text"', "NaN", "\ufeff{}", "{'a': 1}", "[" * 5000, '{"a":' * 5000,
    '{"time":' + "1" * 5000 + "}", '{"a":1e999}}', "x" * 100_000,
]
odd = [
    "{}", '{"a":1e999}', '{"event": "\\ud800", "user": "\\udfff", "insert_id": "\\u0000"}',
    *(json.dumps(good | {name: value}) for name in ("event", "user", "time", "insert_id", "properties", "ip")
      for value in (None, [], {}, ["a"], {"a": "b"}, True, 1e308, "\x00", "x" * 300)),
]
Outbox.objects.bulk_create(
    [Outbox(encoded=text, identity="distinct_id") for text in damaged]
    + [Outbox(encoded=text, identity="distinct_id", user="odd") for text in odd]
    + [Outbox(encoded=json.dumps(good), identity=identity, user="odd") for identity in ("", "nonsense")]
)
"""
# A loop of a drain in this process, whose neighbours are good rows.
BEFORE, BEHIND = "for number in (1, 2, 3): assert send(number) is True\n", "send(4); send(5)\n"
REASONS = """
until(lambda: not Outbox.objects.filter(state="pending").exists())
send(6)
print(*Outbox.objects.filter(state="parked", user="").values_list("reason", flat=True), sep=chr(10))
"""
RECEIVER = """
from django.db.models.signals import post_delete, post_save, pre_delete
def fail(**_):
    raise ZeroDivisionError
for each in (post_delete, pre_delete, post_save):
    each.connect(fail)
"""


def is_published(project: RelayProject, number: str) -> bool:
    """Whether the queue has an event with that insert id, beside others that may have none."""
    return any(event.get("insert_id") == number for event in project.events())


@both
def test_damaged_rows_and_receivers_that_raise_stop_no_loop(project: RelayProject) -> None:
    """Their neighbours go, what has no JSON is parked, nothing else is left, and the loop lives on."""
    project.set(RECEIVER)
    project.environment["WHYNESS_MIXPANEL_RELAY"] = "command"
    loop = project.start("-m", "django", "mixpanel_outbox", "drain", "--loop", "--interval=1")
    try:
        project.run(*project.script(BEFORE + DAMAGED + BEHIND))
        until(lambda: all(is_published(project, number) for number in "12345"), 10)
        reasons = project.run(*project.script(REASONS))
        until(lambda: is_published(project, "6"), 10)
    finally:
        loop.send_signal(signal.SIGTERM)
        printed, _ = loop.communicate(timeout=30)

    assert loop.returncode == 0, printed
    assert reasons.splitlines() == ["its JSON cannot be read"] * 14
