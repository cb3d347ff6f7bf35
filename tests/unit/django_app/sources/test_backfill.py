import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.conf import settings as django_settings
from django.core.management import CommandError
from django.db import OperationalError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from example.whyness_django.models import TrackerLog, UserAgent
from tests.builders import large_properties
from tests.django_support import override, published
from tests.unit.django_app.rows import (
    CREATED,
    CREATED_MS,
    LONG_BEFORE,
    backfill,
    failing_after,
    make_activities,
)
from whyness_events import limits, sqs_batch
from whyness_mixpanel import counters, sources
from whyness_mixpanel.backends import locmem, sqs
from whyness_mixpanel.models import Event, Log, Outbox
from whyness_mixpanel.publishing import messages as packing
from whyness_mixpanel.sources import Source, backfill_sender, registry
from whyness_mixpanel.sources import backfill as walk

MARKER = "MARKER-4711"
_PROGRESS = r"(?P<read>\d+) of 11 keys, \d+ events published, --resume (?P<key>\d+)"


@pytest.fixture(autouse=True)
def small_pages(db: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  (needed, not read)
    """Pages of 4 rows, and no pauses."""
    monkeypatch.setattr(walk, "PAGE_ROWS", 4)
    monkeypatch.setattr(backfill_sender, "PAUSES_S", ())


@pytest.fixture
def small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two events to a message, two messages to a call."""
    monkeypatch.setattr(packing, "MESSAGE_BYTES", 400)
    monkeypatch.setattr(limits, "BATCH_ENTRIES", 2)
    monkeypatch.setattr(walk, "_FULL_CALL_BYTES", 2 * 400)


def keys() -> list[int]:
    """Return the keys of the rows whose events are published, in order."""
    return [int(event["insert_id"]) for event in published()]


def test_every_row_is_published_once_in_the_order_of_its_key() -> None:
    """Over several pages, packed together, and counted."""
    made = make_activities(11)

    summary = backfill("activity")

    assert keys() == [row.pk for row in made]
    assert len(locmem.messages) == 1
    assert summary == {
        "source": "activity",
        "dry_run": False,
        "resume": 11,
        "history_before": None,
        "read": 11,
        "outside_period": 0,
        "too_young": 0,
        "invalid": 0,
        "suppressed": 0,
        "parked": 0,
        "published": 11,
        "messages": 1,
        "calls": 1,
    }


def test_no_rows_are_no_event() -> None:
    """An empty table is not an error."""
    assert backfill("activity")["published"] == 0
    assert locmem.messages == []


def test_messages_are_packed_full_across_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the last are just under 64 KiB, and all but the last call have ten of them."""
    make_activities(1)
    row = TrackerLog.objects.select_related("item", "useragent").get()
    calls: list[list[int]] = []
    event_bytes = len(sources.get("activity").encode(row)) + 1
    per_message = packing.MESSAGE_BYTES // event_bytes
    row_count = 22 * per_message + 1
    starts = range(0, row_count, 100)
    pages = [(at, dict.fromkeys(range(at, min(at + 100, row_count)), row)) for at in starts]
    monkeypatch.setattr(walk, "pages", lambda *_: pages)

    def send(encoded: Sequence[str]) -> dict[int, str]:
        calls.append([len(message.body) for message in packing.pack(encoded, identity="distinct_id")])
        return {}

    run = make_walk(unwanted=lambda _: set(), send=send)
    run.run(after=0, upper=1)

    assert [len(call) for call in calls] == [10, 10, 3]
    sizes = [size for call in calls for size in call]
    assert all(packing.MESSAGE_BYTES - event_bytes < size <= packing.MESSAGE_BYTES for size in sizes[:-1])
    assert run.counts.published == row_count


def make_walk(
    unwanted: Callable[[set[str]], set[str]], send: Callable[[Sequence[str]], dict[int, str]]
) -> walk.Backfill:
    """Return a walk over all activities."""
    now = timezone.now()
    return walk.Backfill(
        source=sources.get("activity"),
        period=walk.Period(None, None, now, now),
        unwanted=unwanted,
        send=send,
        identity="distinct_id",
        on_page=lambda _: None,
        on_trouble=lambda *_: None,
    )


def test_a_page_costs_two_queries_whatever_is_on_it() -> None:
    """Two pages more are four queries of the table more, and as many of any other kind each time."""
    counted, of_table = [], []
    for _ in range(3):
        make_activities(8)
        with CaptureQueriesContext(connection) as queries:
            backfill("activity")
        counted.append(len(queries))
        of_table.append(sum("trackerlog" in query["sql"] for query in queries))

    assert [later - sooner for sooner, later in pairwise(of_table)] == [4, 4]
    assert counted[2] - counted[1] == counted[1] - counted[0]


def test_rows_that_come_during_the_walk_are_not_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last key is fixed at the start, or it might never end."""
    make_activities(5)
    pages = walk.pages

    def growing(*args: Any) -> Iterator[Any]:
        for page in pages(*args):
            make_activities(1)
            yield page

    monkeypatch.setattr(walk, "pages", growing)

    assert backfill("activity")["published"] == 5
    assert TrackerLog.objects.count() == 7


def test_rows_that_are_too_young_wait_and_no_key_goes_past_them() -> None:
    """Their call site may not have sent them yet; a later run with the key printed takes them up."""
    make_activities(2)
    young = make_activities(1, created=timezone.now() - timedelta(minutes=14))[0]
    make_activities(1)

    summary = backfill("activity")

    assert keys() == [1, 2, 4]
    assert (summary["too_young"], summary["resume"]) == (1, young.pk - 1)
    TrackerLog.objects.filter(pk=young.pk).update(create_date=timezone.now() - timedelta(minutes=16))
    locmem.messages.clear()
    assert backfill("activity", f"--resume={summary['resume']}")["resume"] == 4
    assert keys() == [3, 4]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--since=2025-11-22"], [2, 3]),
        (["--until=2025-11-23"], [1]),
        (["--since", "2025-11-23T12:13:20.987654", "--until", "2025-11-23T12:13:20.987655+00:00"], [2]),
        (["--since=2027-01-01"], []),
    ],
)
def test_a_period_begins_with_since_and_ends_before_until(arguments: list[str], expected: list[int]) -> None:
    """Dates and times, in the site's time zone where they name none."""
    for days in (-2, 0, 2):
        make_activities(1, created=CREATED + timedelta(days=days))

    summary = backfill("activity", *arguments)

    assert keys() == expected
    assert summary["outside_period"] == 3 - len(expected)


def test_rows_of_the_older_versions_are_the_events_that_those_sent() -> None:
    """By the setting alone, which is said; the others are events of today."""
    make_activities(2, created=LONG_BEFORE - timedelta(microseconds=1))
    make_activities(1, created=LONG_BEFORE)
    stderr = StringIO()

    with override(HISTORY_BEFORE=LONG_BEFORE):
        summary = backfill("activity", stderr=stderr)

    assert [(e["insert_id"], e.get("time_unit")) for e in published()] == [
        ("1", "s"),
        ("2", "s"),
        ("3", None),
    ]
    assert summary["history_before"] == LONG_BEFORE.isoformat()
    assert stderr.getvalue().splitlines()[0] == f"HISTORY_BEFORE: {LONG_BEFORE.isoformat()}"


def test_each_line_of_progress_ends_in_the_key_that_resume_takes() -> None:
    """So that a run that is killed can go on; the last line is of the last row."""
    make_activities(11)
    stderr = StringIO()

    backfill("activity", stderr=stderr)

    shown = [re.fullmatch(_PROGRESS, line) for line in stderr.getvalue().splitlines() if " keys, " in line]
    assert [int(line["key"]) <= int(line["read"]) for line in shown if line] == [True] * len(shown)
    assert shown


def test_a_dry_run_sends_nothing_and_counts_the_same() -> None:
    """It also says what a run would cost."""
    make_activities(5)

    dry = backfill("activity", "--dry-run")

    assert locmem.messages == []
    assert dry | {"dry_run": False} == backfill("activity")


def test_a_row_that_makes_no_event_is_named_and_the_others_are_sent() -> None:
    """By its key and the reason, never by its value."""
    make_activities(1)
    make_activities(1, title=" ")
    make_activities(1)
    stderr = StringIO()

    summary = backfill("activity", stderr=stderr)

    assert keys() == [1, 3]
    assert summary["invalid"] == 1
    assert "Row 2 was skipped: event: found a blank string" in stderr.getvalue()


@pytest.mark.usefixtures("small_calls")
@pytest.mark.parametrize("calls", [0, 1, 2, 3])
@pytest.mark.parametrize("fault", [RuntimeError(MARKER), KeyboardInterrupt()])
def test_it_goes_on_where_it_was_ended(
    calls: int, fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any call: the key printed loses no row and repeats none that was confirmed."""
    make_activities(14)
    stderr = StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(locmem, "publish", failing_after(calls, fault))
        with pytest.raises(CommandError) as failed:
            backfill("activity", "--since=2025-01-01", stderr=stderr)
    done = keys()

    command = stderr.getvalue().splitlines()[-1]
    key = command.rpartition("--resume ")[2]
    backfill("activity", "--since=2025-01-01", f"--resume={key}")

    assert command.startswith(
        "To continue, run: manage.py mixpanel_backfill activity --since 2025-01-01T00:00:00+00:00"
    )
    assert len(done) == min(calls * 4, 14)
    assert keys() == list(range(1, 15))
    assert MARKER not in f"{stderr.getvalue()}{failed.value}"


def test_what_is_suppressed_is_counted_and_not_sent() -> None:
    """The people of a page are asked about together; the order stays."""
    make_activities(2)
    make_activities(1, user_id=8)
    make_activities(1)
    sent: list[str] = []
    asked: list[set[str]] = []

    def unwanted(people: set[str]) -> set[str]:
        asked.append(people)
        return {"8", "9"}

    def send(encoded: Sequence[str]) -> dict[int, str]:
        sent.extend(encoded)
        return {}

    run = make_walk(unwanted=unwanted, send=send)
    run.run(after=0, upper=4)

    assert asked == [{"7", "8"}]
    assert [json.loads(event)["insert_id"] for event in sent] == ["1", "2", "4"]
    assert (run.counts.suppressed, run.counts.published, run.done_key) == (1, 3, 4)


def test_people_who_opted_out_are_left_out() -> None:
    """The setting is asked, as it is for live events; where it fails, nothing goes."""
    make_activities(1)
    make_activities(1, user_id=8)

    with override(OPT_OUT=lambda people: {"8"} & set(people)):
        assert backfill("activity")["suppressed"] == 1
    with override(OPT_OUT=lambda _: 1 / 0), pytest.raises(CommandError, match=r"^Publishing failed"):
        backfill("activity")

    assert keys() == [1]


def test_a_source_that_was_never_sent_before_needs_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its rows are new to Mixpanel, however old, so HISTORY_BEFORE is not needed."""
    make_activities(1, created=LONG_BEFORE - timedelta(days=1))
    Log.objects.create(message="sent by an older version")
    monkeypatch.setattr(registry, "_sources", dict(registry._sources))
    activity = sources.get("activity")
    sources.register(Source(name="again", model=activity.model, build=activity.build, joins=activity.joins))

    summary = backfill("again")

    assert [event["insert_id"] for event in published()] == ["again-1"]
    assert "history_before" not in summary


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["payments"], "invalid choice"),
        (["activity", "--history"], "unrecognized arguments"),
        (["activity", "--since=soon"], "must be a date or a time"),
        (["activity", "--until=2026-02-30"], "must be a date or a time"),
        (["activity", "--since=\udcff"], "must be a date or a time"),
        (["activity", "--resume=x"], "invalid int value"),
        (["activity", f"--resume={'9' * 5_000}"], "invalid int value"),
        (["activity", "--rate=0"], "a number from 0.01"),
        (["activity", "--rate=-1"], "a number from 0.01"),
        (["activity", "--rate=nan"], "a number from 0.01"),
        (["activity", "--rate=inf"], "a number from 0.01"),
        (["activity", "--rate=1e-300"], "a number from 0.01"),
        (["activity", "--rate=x"], "a number from 0.01"),
    ],
)
def test_mistakes_on_the_command_line_are_named(arguments: list[str], match: str) -> None:
    """And nothing is sent."""
    with pytest.raises(CommandError, match=match):
        backfill(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        [f"--resume={2**63}"],
        [f"--resume={10**30}"],
        ["--since=9999-12-31T23:59:59-12:00"],
        ["--until=0001-01-01T00:00+14:00"],
    ],
)
def test_what_lies_beyond_all_rows_is_no_mistake(arguments: list[str]) -> None:
    """Numbers and moments that no row and no database can have."""
    make_activities(1)

    assert backfill("activity", *arguments)["published"] == 0


@pytest.mark.parametrize(
    "arguments", [["--resume=-5"], [f"--resume={-(10**30)}"], ["--since=0001-01-01"], ["--until=9999-12-31"]]
)
def test_what_lies_before_all_rows_leaves_none_out(arguments: list[str]) -> None:
    """As above."""
    make_activities(1)

    assert backfill("activity", *arguments)["published"] == 1


def test_where_the_app_is_off_nothing_is_sent() -> None:
    """It says so instead of looking done; a dry run may be made."""
    make_activities(1)

    with override(ENABLED=False):
        with pytest.raises(CommandError, match="ENABLED is False"):
            backfill("activity")
        assert backfill("activity", "--dry-run")["published"] == 1


def test_without_a_queue_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong setting stays wrong, so there is no second attempt."""
    make_activities(1)
    monkeypatch.setattr(backfill_sender, "PAUSES_S", (60,))

    with override(BACKEND="sqs"), pytest.raises(CommandError, match="QUEUE_URL"):
        backfill("activity")


def test_a_walk_counts_nothing_as_sent_by_the_site() -> None:
    """The counters are the site's own."""
    make_activities(1)

    backfill("activity")

    assert counters.snapshot()["published"] == 0


ODD_KEYS = (-7, -1, 0)


def make_odd() -> None:
    """Make one activity of each kind of trouble, and one that has none at each end."""
    make_activities(1)
    for key in ODD_KEYS:
        make_activities(1)
        TrackerLog.objects.filter(pk=TrackerLog.objects.order_by("-pk")[0].pk).update(id=key)
    with without_constraints():
        damaged = make_activities(5)
        for field, row in zip(("item_id", "user_id", "useragent_id"), damaged, strict=False):
            TrackerLog.objects.filter(pk=row.pk).update(**{field: 4_711})
        execute("UPDATE {} SET create_date = 'nonsense' WHERE id = %s", damaged[3].pk)
        execute("UPDATE {} SET ip = CAST(X'ff' AS TEXT) WHERE id = %s", damaged[4].pk)
    make_activities(1, created=timezone.now() + timedelta(days=400))
    make_activities(1, title=" ")
    make_activities(1)


@contextmanager
def without_constraints() -> Iterator[None]:
    """As rows are that a loader, another program or an older schema has made."""
    with connection.constraint_checks_disabled():
        yield


def execute(statement: str, key: int) -> None:
    """Put into the table what Django would not."""
    with connection.cursor() as cursor:
        cursor.execute(statement.format(TrackerLog._meta.db_table), [key])


def test_each_row_that_makes_no_event_is_named_and_the_others_go_on() -> None:
    """Without a relation or a moment, damaged, in the future, with a key that is a placeholder."""
    make_odd()
    stderr = StringIO()

    first = backfill("activity", stderr=stderr)
    said = stderr.getvalue()
    again = backfill("activity", f"--resume={first['resume']}")

    assert keys() == [-7, 1, 6, 12]
    assert (first["read"], first["published"], first["invalid"]) == (12, 4, 8)
    named = {int(key): why for key, why in re.findall(r"^Row (-?\d+) was skipped: (.*)$", said, re.MULTILINE)}
    assert sorted(named) == [-1, 0, 5, 7, 8, 9, 10, 11]
    assert again["read"] == 0
    assert "MARKER" not in said


@pytest.mark.parametrize("since", ["2025-11-22", "2025-11-22T00:00:00+02:00"])
@pytest.mark.parametrize("use_tz", [True, False])
def test_a_period_is_the_same_with_and_without_time_zones(since: str, *, use_tz: bool) -> None:
    """Naive moments, in the database or on the command line, are of the site's time zone."""
    for days in (-2, 0):
        make_activities(1, created=CREATED + timedelta(days=days))

    with override_settings(USE_TZ=use_tz, TIME_ZONE="UTC"):
        summary = backfill("activity", f"--since={since}")

    assert (keys(), summary["outside_period"]) == ([2], 1)
    assert published()[0]["time"] == CREATED_MS


def test_a_damaged_row_is_not_taken_for_a_database_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a database that fails is not taken for damaged rows: it ends, and says how to go on."""
    make_activities(6)
    stderr = StringIO()
    read = walk._read

    def fail_on_second_page(source: Source, keys: Sequence[int]) -> Any:
        if keys[0] > 4:
            monkeypatch.setattr(connection, "cursor", refuse_cursor)
        return read(source, keys)

    monkeypatch.setattr(walk, "_read", fail_on_second_page)
    with pytest.raises(CommandError, match=r"^The database failed: OperationalError"):
        backfill("activity", stderr=stderr)
    monkeypatch.undo()

    assert stderr.getvalue().endswith("To continue, run: manage.py mixpanel_backfill activity --resume 0\n")
    assert "was skipped" not in stderr.getvalue()


def refuse_cursor(*_: object) -> None:
    """Be a database that is gone."""
    raise OperationalError(MARKER)


def test_only_sources_whose_tables_are_there_are_offered() -> None:
    """A site without Whyness's CRM has one of the three; with none of its tables it is told so."""
    apps = [app for app in django_settings.INSTALLED_APPS if app != "example.whyness_crm"]
    with (
        override_settings(INSTALLED_APPS=apps),
        pytest.raises(CommandError, match=r"choose from '?activity'?\)"),
    ):
        backfill("user-click")


def test_a_table_that_is_not_migrated_is_named() -> None:
    """Also one that is only joined."""
    make_activities(1)
    with connection.schema_editor() as editor:
        editor.alter_db_table(UserAgent, UserAgent._meta.db_table, "elsewhere")
    try:
        with pytest.raises(CommandError, match=r"tables of activity cannot be read \(OperationalError\)"):
            backfill("activity")
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(UserAgent, "elsewhere", UserAgent._meta.db_table)


class SmallQueue:
    """SQS with a queue that takes 256 KiB at once, as they were made before August 2025."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG002, N803  (as boto3 calls it)
        """Take a call, or refuse it as a whole."""
        if sum(len(entry["MessageBody"]) for entry in Entries) > 256 * 1024:
            raise ClientError({"Error": {"Code": "AWS.SimpleQueueService.BatchRequestTooLong"}}, "Send")
        self.taken += [entry["MessageBody"] for entry in Entries]
        digest = sqs_batch.body_digest
        return {
            "Successful": [{"Id": e["Id"], "MD5OfMessageBody": digest(e["MessageBody"])} for e in Entries]
        }


def test_an_event_too_large_for_an_older_queue_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is parked at once, named and counted; the others are published, without a pause."""
    monkeypatch.setattr(backfill_sender, "PAUSES_S", (3_600,))
    monkeypatch.setattr(registry, "_sources", dict(registry._sources))
    activity, queue = sources.get("activity"), SmallQueue()
    monkeypatch.setattr(sqs, "_client", lambda: queue)
    [_, _, large, *_] = make_activities(5)

    def build(row: Any) -> Event:
        properties = large_properties(300_000) if row.pk == large.pk else {}
        return Event(event="Upload", user=row.user_id, properties=properties)

    sources.register(Source(name="uploads", model=activity.model, build=build))
    stderr = StringIO()

    with override(BACKEND="sqs", QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/1/events"):
        summary = backfill("uploads", stderr=stderr)

    assert (summary["published"], summary["parked"], summary["resume"]) == (4, 1, 5)
    assert sum(len(json.loads(body)["events"]) for body in queue.taken) == 4
    assert f"Row {large.pk} was parked in the outbox: longer than the queue accepts" in stderr.getvalue()
    assert Outbox.objects.get().reason.startswith("longer than the queue accepts")
