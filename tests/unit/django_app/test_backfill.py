import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from example.whyness_django.models import TrackerLog
from tests.django_support import override, published
from tests.unit.django_app.rows import CREATED, LONG_BEFORE, backfill, make_activities, migrated_at
from whyness_events import limits
from whyness_mixpanel import conf, counters, sources
from whyness_mixpanel.backends import BACKFILL_GROUP, LIVE_GROUP, Answer, Publish, all_of, locmem
from whyness_mixpanel.publishing import messages as packing
from whyness_mixpanel.sources import Source, registry, sender
from whyness_mixpanel.sources import backfill as walk
from whyness_mixpanel.sources.sender import NotPublished, Sender

MARKER = "MARKER-4711"


@pytest.fixture(autouse=True)
def small_pages(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001  (needed, not read)
    """Pages of 4 rows, no pauses, and an app that has been there for long."""
    monkeypatch.setattr(walk, "PAGE_ROWS", 4)
    monkeypatch.setattr(sender, "PAUSES_S", ())
    with migrated_at(LONG_BEFORE):
        yield


@pytest.fixture
def small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two events to a message, two messages to a call."""
    monkeypatch.setattr(packing, "MESSAGE_BYTES", 400)
    monkeypatch.setattr(limits, "BATCH_ENTRIES", 2)
    monkeypatch.setattr(walk, "_FULL_CALL_BYTES", 2 * 400)


def keys() -> list[int]:
    """Return the keys of the rows whose events are published, in order."""
    return [int(event["insert_id"]) for event in published()]


def failing_after(calls: int, fault: BaseException) -> Publish:
    """Return a `publish` that works for some calls, and then raises."""
    left = iter(range(calls))

    def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (a Publish)
        if next(left, None) is None:
            raise fault
        locmem.messages.extend(bodies)
        return all_of(bodies)

    return publish


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
        "read": 11,
        "outside_period": 0,
        "too_young": 0,
        "invalid": 0,
        "suppressed": 0,
        "published": 11,
        "messages": 1,
        "calls": 1,
    }


def test_no_rows_are_no_event() -> None:
    """An empty table is no error."""
    assert backfill("activity")["published"] == 0
    assert locmem.messages == []


def test_messages_are_packed_full_across_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the last are just under 64 KiB, and all but the last call have ten of them."""
    make_activities(1)
    row = TrackerLog.objects.select_related("item", "useragent").get()
    calls: list[list[int]] = []
    event_bytes = len(sources.get("activity").encode(row, cut_over=None)) + 1
    per_message = packing.MESSAGE_BYTES // event_bytes
    row_count = 22 * per_message + 1
    pages = [[row] * min(100, row_count - at) for at in range(0, row_count, 100)]
    monkeypatch.setattr(walk, "_pages", lambda *_: pages)

    def send(messages: Sequence[packing.Packed]) -> None:
        calls.append([len(message.body) for message in messages])

    run = walk.Backfill(
        source=sources.get("activity"),
        period=walk.Period(None, None, timezone.now()),
        encode=lambda row: sources.get("activity").encode(row, cut_over=None),
        keep=list,
        send=send,
        identity="distinct_id",
        on_page=lambda _: None,
        on_invalid=lambda *_: None,
    )
    run.run(after=0, upper=1)

    assert [len(call) for call in calls] == [10, 10, 3]
    sizes = [size for call in calls for size in call]
    assert all(packing.MESSAGE_BYTES - event_bytes < size <= packing.MESSAGE_BYTES for size in sizes[:-1])
    assert run.counts.published == row_count


def test_a_page_costs_one_query_whatever_is_on_it() -> None:
    """Two pages more are two queries of the table more, and as many of any other kind each time."""
    counted, of_table = [], []
    for _ in range(3):
        make_activities(8)
        with CaptureQueriesContext(connection) as queries:
            backfill("activity")
        counted.append(len(queries))
        of_table.append(sum("trackerlog" in query["sql"] for query in queries))

    assert [later - sooner for sooner, later in pairwise(of_table)] == [2, 2]
    assert counted[2] - counted[1] == counted[1] - counted[0]


def test_rows_that_come_during_the_walk_are_not_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last key is fixed at the start, or it might never end."""
    make_activities(5)
    pages = walk._pages

    def growing(*args: Any) -> Iterator[list[Any]]:
        for page in pages(*args):
            make_activities(1)
            yield page

    monkeypatch.setattr(walk, "_pages", growing)

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


def test_rows_of_the_older_versions_are_sent_by_history_alone() -> None:
    """With it only those, without it only the others: no row is sent in both ways."""
    make_activities(2, created=LONG_BEFORE - timedelta(microseconds=1))
    make_activities(1, created=LONG_BEFORE)

    without = backfill("activity")
    history = backfill("activity", "--history", "--dry-run")

    assert keys() == [3]
    assert without["outside_period"] == 2
    assert history["outside_period"] == 1
    assert history["published"] == 2


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
    assert "Row 2 makes no event: event: found a blank string" in stderr.getvalue()


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
        "To go on: manage.py mixpanel_backfill activity --since 2025-01-01T00:00:00+00:00"
    )
    assert len(done) == min(calls * 4, 14)
    assert keys() == list(range(1, 15))
    assert MARKER not in f"{stderr.getvalue()}{failed.value}"


def test_any_other_end_prints_the_key_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that goes away is no reason to begin anew."""
    make_activities(3)
    monkeypatch.setattr(Source, "encode", lambda *_, **__: 1 / 0)
    stderr = StringIO()

    with pytest.raises(ZeroDivisionError):
        backfill("activity", stderr=stderr)

    assert stderr.getvalue().endswith("To go on: manage.py mixpanel_backfill activity --resume 0\n")


def test_what_is_suppressed_is_counted_and_not_sent() -> None:
    """`keep` is asked once a page; the order stays."""
    make_activities(2)
    make_activities(1, user_id=8)
    make_activities(1)
    sent: list[str] = []
    asked: list[int] = []

    def keep(encoded: Sequence[str]) -> list[str]:
        asked.append(len(encoded))
        return [event for event in encoded if json.loads(event)["user"] != "8"]

    run = walk.Backfill(
        source=sources.get("activity"),
        period=walk.Period(None, None, timezone.now()),
        encode=lambda row: sources.get("activity").encode(row, cut_over=None),
        keep=keep,
        send=lambda messages: sent.extend(message.body for message in messages),
        identity="distinct_id",
        on_page=lambda _: None,
        on_invalid=lambda *_: None,
    )
    run.run(after=0, upper=4)

    assert asked == [4]
    assert [event["insert_id"] for event in json.loads(sent[0])["events"]] == ["1", "2", "4"]
    assert (run.counts.suppressed, run.counts.published, run.done_key) == (1, 3, 4)


def test_people_who_opted_out_are_left_out() -> None:
    """The setting is asked, as it is for live events; where it fails, nothing goes."""
    make_activities(1)
    make_activities(1, user_id=8)

    with override(OPT_OUT=lambda people: {"8"} & set(people)):
        assert backfill("activity")["suppressed"] == 1
    with override(OPT_OUT=lambda _: 1 / 0), pytest.raises(CommandError, match=r"^Not published"):
        backfill("activity")

    assert keys() == [1]


def test_a_source_that_was_never_sent_before_needs_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its rows are new to Mixpanel, however old; `--history` is a mistake."""
    make_activities(1, created=LONG_BEFORE - timedelta(days=1))
    monkeypatch.setattr(registry, "_sources", dict(registry._sources))
    activity = sources.get("activity")
    sources.register(Source(name="again", model=activity.model, build=activity.build, joins=activity.joins))

    backfill("again")

    assert [event["insert_id"] for event in published()] == ["again-1"]
    with pytest.raises(CommandError, match="sent nothing from this table"):
        backfill("again", "--history")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["payments"], "invalid choice"),
        (["activity", "--since=soon"], "write a date or a time"),
        (["activity", "--rate=0"], "a number above 0"),
        (["activity", "--rate=nan"], "a number above 0"),
    ],
)
def test_mistakes_on_the_command_line_are_named(arguments: list[str], match: str) -> None:
    """And nothing is sent."""
    with pytest.raises(CommandError, match=match):
        backfill(*arguments)


def test_where_the_app_is_off_nothing_is_sent() -> None:
    """It says so instead of looking done; a dry run may be made."""
    make_activities(1)

    with override(ENABLED=False):
        with pytest.raises(CommandError, match="ENABLED is False"):
            backfill("activity")
        assert backfill("activity", "--dry-run")["published"] == 1


def test_without_a_queue_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting does not mend itself: no second attempt."""
    make_activities(1)
    monkeypatch.setattr(sender, "PAUSES_S", (60,))

    with override(BACKEND="sqs"), pytest.raises(CommandError, match="QUEUE_URL"):
        backfill("activity")


def test_a_walk_counts_nothing_as_sent_by_the_site() -> None:
    """The counters are the site's own."""
    make_activities(1)

    backfill("activity")

    assert counters.snapshot()["published"] == 0


def test_its_messages_have_a_group_of_their_own() -> None:
    """Live events carry another one, so that a backfill does not delay them."""
    asked: list[str] = []

    def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:
        asked.append(group)
        return all_of(bodies)

    send, _ = make_sender(publish, Clock())
    send(messages("a"))

    assert asked == [BACKFILL_GROUP]


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept_s: list[float] = []

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        """Let that much time go by."""
        self.slept_s.append(duration_s)
        self.now_s += duration_s


def make_sender(publish: Publish, clock: Clock, rate: float | None = None) -> tuple[Sender, list[str]]:
    """Return a sender, and the list of the faults it tells."""
    faults: list[str] = []
    made = Sender(
        publish,
        rate=rate,
        monotonic=clock,
        sleep=clock.sleep,
        on_fault=lambda fault, _: faults.append(fault),
    )
    return made, faults


def messages(*bodies: str, events: int = 1) -> list[packing.Packed]:
    """Return messages of some events each."""
    return [packing.Packed(body, events) for body in bodies]


def test_only_what_was_refused_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause, under the same bytes."""
    monkeypatch.setattr(sender, "PAUSES_S", (1, 2))
    answers = iter([Answer(frozenset({0, 2}), "InternalError"), Answer(frozenset({0}))])
    sent: list[list[str]] = []
    clock = Clock()

    def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (a Publish)
        sent.append(list(bodies))
        return next(answers)

    send, faults = make_sender(publish, clock)
    send(messages("a", "b", "c"))

    assert sent == [["a", "b", "c"], ["b"]]
    assert (faults, clock.slept_s) == (["InternalError"], [1])


def test_a_queue_that_stays_away_ends_it_after_every_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault is named without the text, which may quote what was sent."""
    monkeypatch.setattr(sender, "PAUSES_S", (1, 2))
    clock = Clock()
    send, faults = make_sender(failing_after(0, ValueError(MARKER)), clock)

    with pytest.raises(NotPublished, match=r"^ValueError$"):
        send(messages("a"))

    assert clock.slept_s == [1, 2]
    assert faults == ["ValueError", "ValueError"]


def test_a_wrong_setting_is_not_tried_again() -> None:
    """It would not be right later."""
    clock = Clock()
    send, _ = make_sender(failing_after(0, conf.SettingError("QUEUE_URL", "a URL")), clock)

    with pytest.raises(conf.SettingError):
        send(messages("a"))

    assert clock.slept_s == []


def test_the_rate_is_kept_on_average_and_never_caught_up() -> None:
    """A pause that something else made gives nothing on credit."""
    clock = Clock()
    send, _ = make_sender(all_of, clock, rate=10)

    for _ in range(3):
        send(messages("a", "b", events=5))
    clock.now_s += 60
    send(messages("a", events=5))
    send(messages("a", events=5))

    assert clock.slept_s == [1.0, 1.0, 0.5]
