"""A repair: what it publishes, when it refuses, how long it waits, and what it says in the end."""

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.unit.audit.fake_export import FakeExport, FakeTime, Row, exported, lines_of
from tests.unit.audit.fake_stack import FakeStack
from whyness_events import Event
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_ops.audit.audit_report import Report, make_report
from whyness_ops.audit.auditing import Expected
from whyness_ops.audit.auditor import Auditor
from whyness_ops.audit.expected_events import write_expected
from whyness_ops.audit.export_client import Answer
from whyness_ops.audit.project_time import DAY_MS, day_name
from whyness_ops.audit.repaired import Repaired, repaired_text
from whyness_ops.audit.repairing import Lost, Repair, lost_in, refusal, repair_lost
from whyness_ops.audit.traces import Key
from whyness_ops.audit.verdicts import Counts, Verdict, exit_code
from whyness_ops.errors import NotJudged, Stopped
from whyness_ops.progress import Progress
from whyness_ops.stop import Stop

DAY = 20_000
HOUR_S = 3_600
NOW_MS = (DAY + 30) * DAY_MS
ZONE = ZoneInfo("Europe/Berlin")
TRANSLATE = Translator(lambda _: {}).translate


def event(number: int, *, day: int = 0, name: str = "A") -> Event:
    """Return an event of noon of a day."""
    time = (DAY + day) * DAY_MS + 12 * HOUR_S * 1_000
    return Event(insert_id=f"row-{number}", event=name, user="7", time=time, properties={"plan": "pro"})


def row(of: Event, **properties: str) -> Row:
    """Return it as the export has it."""
    found = exported(TRANSLATE([of], ["distinct_id"])[0][0], ZONE)
    return {**found, "properties": {**found["properties"], **properties}}


class Clock(Stop):
    """A stop whose waits take no time; it is set after so many of them."""

    def __init__(self, time: FakeTime) -> None:
        super().__init__()
        self.time, self.set_after = time, 10**9
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        """Wait."""
        self.time.wait(seconds)
        self.waits.append(seconds)
        if len(self.waits) >= self.set_after:
            self.set()


@dataclass
class Site:
    """Expected events, an export to which what is published comes some seconds later, and a stack.

    Args:
        rows: what the export has from the beginning.
        arrives_s: from publishing to the export.
    """

    events: Sequence[Event]
    rows: list[Row]
    stack: FakeStack = field(default_factory=FakeStack)
    arrives_s: float = 0.0
    absent: dict[str, str] = field(default_factory=dict)
    time: FakeTime = field(default_factory=FakeTime)
    published: list[frozenset[Key]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    due_s: float = 1e12
    status: int = 200

    def __post_init__(self) -> None:
        self.stop = Clock(self.time)
        self.done = Repaired(0, is_dry=False)
        self.out = StringIO()

    def publish(self, keys: frozenset[Key], counts: Counter[str]) -> None:
        """Publish."""
        self.published.append(keys)
        counts["published"] += len(keys)
        self.due_s = self.time.now_s + self.arrives_s

    @contextmanager
    def ask(self, day: str) -> Iterator[Answer]:
        """Answer for a day."""
        self.asked.append(day)
        keys = self.published[-1] if self.published and self.time.now_s >= self.due_s else ()
        come = [row(one) for one in self.events if (one.event, one.insert_id) in keys]
        with FakeExport([*self.rows, *come], troubles=[self.status]).ask(day) as answer:
            yield answer

    def write(self, directory: Path, *_: int) -> Expected:
        """Write the expected events of all days."""
        lines = lines_of(self.events, "distinct_id", self.absent)
        return write_expected(lines, directory, identity="distinct_id", now_ms=NOW_MS, derived=False)

    def repair(self, *, is_dry: bool = False, is_confirmed: bool = True, days: int = 3) -> tuple[int, Report]:
        """Audit and repair; return the exit code, and the report of the first audit."""
        since_ms = DAY * DAY_MS
        options = argparse.Namespace(
            zone=ZONE,
            since=since_ms,
            until=since_ms + days * DAY_MS,
            project=7,
            settled=6.0,
            retention_days=1_825,
            derived=False,
            values=False,
        )
        reader = self.time.reader(FakeExport([]))
        reader = type(reader)(self.ask, reader.pace, reader.note, self.stop.is_set)
        auditor = Auditor(options, self.write, reader, Progress(self.out), self.stop, self.stack.trace)
        with auditor.audit([auditor.period]) as found:
            lost = lost_in(found.findings)
        self.asked.clear()
        self.done = Repaired(len(lost), is_dry=is_dry)
        repair = Repair(self.publish, is_dry=is_dry, is_confirmed=is_confirmed)
        now_s = lambda: self.time.now_s  # noqa: E731
        report = repair_lost(repair, auditor, found.report, lost, self.done, now_s=now_s)
        code = exit_code(report.counts, strict=False, is_complete=not report.incomplete)
        return code, found.report


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a month later."""
    monkeypatch.setattr("time.time", lambda: NOW_MS / 1000)


@pytest.mark.parametrize(("arrives_s", "waits"), [(0, [60]), (61, [60, 120]), (400, [60, 120, 240])])
def test_it_waits_until_what_it_published_is_there(arrives_s: float, waits: list[float]) -> None:
    """With longer and longer waits that are shown; each time it asks only for the days concerned."""
    events = [event(number, day=day) for number, day in enumerate((0, 1, 1, 2))]
    site = Site(events, [row(events[0]), row(events[1])], arrives_s=arrives_s)

    code, before = site.repair()

    assert (code, before.counts.by_verdict()[Verdict.MISSING]) == (0, 2)
    assert site.published == [frozenset({("A", "row-2"), ("A", "row-3")})]
    assert site.stop.waits == waits
    assert site.asked == [day_name(DAY + 1), day_name(DAY + 2)] * len(waits)
    assert f"Waiting 60 s, of at most {6 * HOUR_S}" in site.out.getvalue()
    assert site.done.after is not None
    assert site.done.after.counts.by_verdict() == {Verdict.MATCHED: 3}


def test_it_waits_no_longer_than_settled() -> None:
    """Then what is not there is missing still, also where its day has no other event."""
    site = Site([event(0), event(1, day=2)], [row(event(0))], arrives_s=1e9)

    code, _ = site.repair()

    assert code == 1
    assert 6 * HOUR_S - 60 < sum(site.stop.waits) <= 6 * HOUR_S  # the requests themselves were paced
    assert site.time.now_s >= 6 * HOUR_S
    assert max(site.stop.waits) == 900
    assert site.done.after is not None
    assert site.done.after.counts.by_verdict() == {Verdict.MISSING: 1}
    assert site.done.counts == {"published": 1}


def test_what_dies_meanwhile_is_not_awaited() -> None:
    """The Log says why it did not arrive."""
    site = Site([event(0), event(1)], [row(event(0))], arrives_s=1e9)
    publish = site.publish

    def die(keys: frozenset[Key], counts: Counter[str]) -> None:
        publish(keys, counts)
        site.stack.log(event(1))

    site.publish = die  # type: ignore[method-assign]

    assert site.repair()[0] == 1
    assert site.stop.waits == [60]
    assert site.done.after is not None
    assert site.done.after.counts.traced == {"dead: rejected": 1}


def test_faults_of_other_days_stay_faults() -> None:
    """The exit code is that of all days."""
    events = [event(number, day=number % 2) for number in range(4)]
    site = Site(events, [row(events[0], plan="other"), row(events[2]), row(events[1])])

    code, _ = site.repair()

    assert code == 1
    assert site.done.after is not None
    assert site.done.after.counts.by_verdict() == {Verdict.MATCHED: 2}


def test_a_name_is_not_taken_for_blocked_after_the_repair() -> None:
    """On their day alone all of its events are missing; the whole period says that others came."""
    lost = [event(number, day=1, name="B") for number in range(2, 12)]
    other, there = event(0, day=1), event(1, name="B")
    site = Site([other, there, *lost], [row(other), row(there)], arrives_s=1e9)

    assert site.repair()[0] == 1
    assert len(site.published[0]) == len(lost)
    assert site.done.after is not None
    assert site.done.after.counts.by_verdict() == {Verdict.MATCHED: 1, Verdict.MISSING: len(lost)}


def test_a_stop_ends_the_wait() -> None:
    """What was published is said; nothing is judged."""
    site = Site([event(0), event(1)], [row(event(0))], arrives_s=1e9)
    site.stop.set_after = 2

    with pytest.raises(Stopped, match="were published"):
        site.repair()

    assert len(site.stop.waits) == 2
    assert "published: 1" in repaired_text(site.done)


def test_an_export_that_refuses_meanwhile_is_not_judged() -> None:
    """What was published is said all the same."""
    site = Site([event(0), event(1)], [row(event(0))])
    publish = site.publish

    def publish_and_refuse(keys: frozenset[Key], counts: Counter[str]) -> None:
        publish(keys, counts)
        site.status = 403

    site.publish = publish_and_refuse  # type: ignore[method-assign]

    with pytest.raises(NotJudged, match="403"):
        site.repair()

    assert site.done.to_json() == {"lost": 1, "dry_run": False, "published": 1}


def test_only_what_has_no_trace_is_published() -> None:
    """Whatever else is a fault, or may be in a queue, is left as it is."""
    kinds = [
        "matched",
        "different",
        "suppressed",
        "forgotten",
        "pending",
        "parked",
        "dead",
        "crashed",
        "lost",
    ]
    events = {kind: event(number) for number, kind in enumerate(kinds)}
    late = Event(insert_id="late", event="A", user="7", time=NOW_MS - HOUR_S * 1000)
    blocked = [event(100 + number, name="Blocked") for number in range(10)]
    site = Site(
        [*events.values(), late, *blocked],
        [row(events["matched"]), row(events["different"], plan="other"), row(event(50))],
        absent={events[mark].insert_id: mark for mark in ("suppressed", "forgotten", "pending", "parked")},
    )
    site.stack.log(events["dead"])
    site.stack.bury([events["crashed"]])

    _, before = site.repair(days=31)

    assert site.published == [frozenset({("A", events["lost"].insert_id)})]
    sums = before.counts.by_verdict()
    assert (sums[Verdict.BLOCKED], sums[Verdict.LATE], sums[Verdict.UNEXPECTED]) == (10, 1, 1)


@pytest.mark.parametrize(
    "facts", [{"visible": 1}, {"hidden": 1}, {"dead_hidden": 1}, {"denied": frozenset({"query"})}]
)
def test_nothing_is_published_where_it_may_be_in_a_queue(facts: dict[str, Any]) -> None:
    """Undecided, or not traced: the exit code stays 1."""
    site = Site([event(0), event(1)], [row(event(0))], FakeStack(**facts))

    assert site.repair()[0] == 1
    assert (site.published, site.stop.waits) == ([], [])
    assert "Nothing to repair" in repaired_text(site.done)


def test_a_dry_run_publishes_nothing() -> None:
    """It says how many it would, and waits for none."""
    site = Site([event(0), event(1)], [row(event(0))])

    assert site.repair(is_dry=True)[0] == 1
    assert (site.stop.waits, site.done.after) == ([], None)
    assert "would be published: 1" in repaired_text(site.done)
    assert site.done.to_json() == {"lost": 1, "dry_run": True, "published": 1}


@pytest.mark.parametrize("is_dry", [True, False])
@pytest.mark.parametrize("reason", ["parked", "suppressed", "too_young", "gone"])
def test_what_cannot_be_published_is_said_and_not_waited_for(reason: str, is_dry: bool) -> None:  # noqa: FBT001
    """Six hours would bring nothing; each reason is a phrase, and nobody is told to publish."""
    site = Site([event(0), event(1)], [row(event(0))])

    def publish(keys: frozenset[Key], counts: Counter[str]) -> None:
        counts[reason] += len(keys)

    site.publish = publish  # type: ignore[method-assign]

    assert site.repair(is_dry=is_dry)[0] == 1
    assert (site.stop.waits, site.done.after) == ([], None)
    text = repaired_text(site.done)
    assert re.search(r"(refused|left out), .{15,}: 1$", text)
    assert "--publish" not in text


@pytest.mark.parametrize(
    ("lost", "expected", "said"),
    [
        ({0: 1}, {0: 100}, ""),
        ({0: 1}, {0: 99}, "On 2024-10-04, 1 of 99 events"),
        ({0: 10, 1: 11}, {0: 1_000, 1: 1_099}, "On 2024-10-05, 11 of 1099 events"),
        ({0: 1_000}, {0: 100_000}, ""),
        ({0: 1_001}, {0: 1_000_000}, "1001 events are missing without a trace, more than 1000"),
        ({0: 501, 1: 500}, {0: 1_000_000, 1: 1_000_000}, "more than 1000"),
        ({}, {0: 1}, ""),
    ],
)
def test_many_are_refused(lost: dict[int, int], expected: dict[int, int], said: str) -> None:
    """More than 1,000, or more than 1 % of what a day should have; unexpected events are not among it."""
    verdicts = Counter({(Verdict.MATCHED, DAY + day, "A"): count for day, count in expected.items()})
    for day, count in lost.items():
        verdicts[Verdict.MATCHED, DAY + day, "A"] -= count
        verdicts[Verdict.MISSING, DAY + day, "B"] += count
        verdicts[Verdict.UNEXPECTED, DAY + day, "C"] += 10_000_000
    report = make_report(Counts(verdicts=verdicts), {}, 0, {}, frozenset())
    some = [Lost(("B", f"{day}-{n}"), DAY + day) for day, count in lost.items() for n in range(count)]

    text = refusal(some, report)

    assert said in text
    assert bool(said) == bool(text)
    assert not text or "--yes" in text


@pytest.mark.parametrize("is_dry", [True, False])
def test_a_refused_repair_publishes_nothing(is_dry: bool) -> None:  # noqa: FBT001
    """It says why, in text and JSON; the exit code stays 1."""
    site = Site([event(0), event(1)], [row(event(0))])

    assert site.repair(is_dry=is_dry, is_confirmed=False)[0] == 1
    assert (site.published, site.stop.waits) == ([], [])
    assert "Nothing was published. On 2024-10-04, 1 of 2 events" in repaired_text(site.done)
    assert "--yes" in site.done.to_json()["refusal"]
