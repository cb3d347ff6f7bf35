"""What the counts say together, and what becomes of an absent event."""

from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.unit.audit.fake_export import FakeExport, Row, exported, lines_of, run
from whyness_events import Event
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_ops.audit.auditing import Rules
from whyness_ops.audit.project_time import ProjectTime
from whyness_ops.audit.verdicts import Counts, Verdict, exit_code, measured_offset_ms
from whyness_ops.errors import FileFault, NotJudged

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
START_MS = 20_000 * DAY_MS
UTC_ZONE = ZoneInfo("UTC")
TRANSLATE = Translator(lambda _: {}).translate


def make(number: int, *, name: str = "A", time: int = START_MS + HOUR_MS) -> Event:
    """Return an event."""
    return Event(insert_id=f"row-{number}", event=name, user="7", time=time, properties={"plan": "pro"})


def rules(**over: Any) -> Rules:
    """Return the rules of an audit of two days, long after them."""
    defaults = {"now_ms": START_MS + 9 * DAY_MS, "retention_days": 5}
    project_time = ProjectTime(UTC_ZONE, START_MS - DAY_MS, START_MS + DAY_MS)
    return Rules(project_time, **{**defaults, **over})


def rows_of(*events: Event) -> list[Row]:
    """Return a healthy export of events."""
    return [exported(TRANSLATE([event], ["distinct_id"])[0][0], UTC_ZONE) for event in events]


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.MATCHED, 0),
        (Verdict.MISSING, 1),
        (Verdict.DIFFERENT, 1),
        (Verdict.UNEXPECTED, 1),
        (Verdict.UNDECIDED, 1),
        (Verdict.UNKNOWN, 2),
        (Verdict.LATE, 0),
        (Verdict.SUPPRESSED, 0),
        (Verdict.FORGOTTEN, 0),
        (Verdict.BLOCKED, 0),
        (Verdict.BEYOND_RETENTION, 0),
    ],
)
def test_exit_code(verdict: Verdict, code: int) -> None:
    """Faults are 1, what could not be judged is 2, even beside a fault."""
    counts = Counts(verdicts=Counter({(verdict, 1, "A"): 1, (Verdict.MATCHED, 1, "A"): 5}))

    assert exit_code(counts, strict=False, is_complete=True) == code
    counts.unprobed["plan", "rule"] = 1
    assert exit_code(counts, strict=False, is_complete=True) == code
    assert exit_code(counts, strict=True, is_complete=True) == max(code, 1)
    counts.verdicts |= {(Verdict.MISSING, 1, "A"): 1}
    assert exit_code(counts, strict=False, is_complete=True) == (2 if code == 2 else 1)
    assert exit_code(counts, strict=False, is_complete=False) == 2


@pytest.mark.parametrize(
    ("over", "absent", "verdict"),
    [
        ({}, {}, "beyond retention"),
        ({"retention_days": 30}, {}, "missing"),
        ({"retention_days": 30, "settled_hours": 9 * 24.0}, {}, "late"),
        ({"retention_days": 30, "settled_hours": 9 * 24 - 1.0}, {}, "late"),
        ({"retention_days": 30, "settled_hours": 9 * 24 - 1.01}, {}, "missing"),
        ({}, {"row-1": "suppressed"}, "suppressed"),
        ({}, {"row-1": "forgotten"}, "forgotten"),
    ],
)
def test_why_an_event_is_absent(over: dict[str, float], absent: dict[str, str], verdict: str) -> None:
    """The mark of its line, then its age."""
    there, gone = make(0), make(1)

    summary, findings = run(
        lines_of([there, gone], "distinct_id", absent), FakeExport(rows_of(there)), rules(**over)
    )

    assert findings == {(verdict, "A", "row-1")}
    assert summary["verdicts"] == {"matched": 1, verdict: 1}


def test_marked_event_that_is_there_is_matched() -> None:
    """It was sent before its person was suppressed."""
    event = make(1)

    _, findings = run(
        lines_of([event], "distinct_id", {"row-1": "suppressed"}), FakeExport(rows_of(event)), rules()
    )

    assert findings == set()


def test_name_of_which_nothing_came_may_be_blocked() -> None:
    """From ten events on, while others came; fewer are missing one by one."""
    there = make(0)
    for count, verdict in ((10, "blocked?"), (9, "missing")):
        gone = [make(number, name="B") for number in range(1, count + 1)]
        _, findings = run(
            lines_of([there, *gone], "distinct_id"), FakeExport(rows_of(there)), rules(retention_days=30)
        )

        assert {finding[0] for finding in findings} == {verdict}


def test_empty_export_is_not_judged() -> None:
    """A wrong project, more likely than that all is lost; without expected events it is in order."""
    with pytest.raises(NotJudged, match=r"no event at all.*Nothing is reported as missing"):
        run(lines_of([make(1)], "distinct_id"), FakeExport([]), rules(retention_days=30))

    summary, findings = run([], FakeExport([]), rules())
    assert (summary["verdicts"], findings) == ({}, set())


def test_events_outside_the_period_are_nobodys_fault() -> None:
    """Neither expected ones, nor those that the export has of the rest of its days."""
    inside, before, foreign = make(1), make(2, time=START_MS - HOUR_MS), make(3, time=START_MS - 2 * HOUR_MS)
    period = ProjectTime(UTC_ZONE, START_MS - HOUR_MS // 2, START_MS + DAY_MS)
    narrow = Rules(period, START_MS + 9 * DAY_MS)

    summary, findings = run(
        lines_of([inside, before], "distinct_id"), FakeExport(rows_of(inside, foreign)), narrow
    )

    assert (summary["verdicts"], findings) == ({"matched": 1}, set())


def test_repeated_line_counts_once() -> None:
    """An event that the file says twice is one event, there or not."""
    there, gone = make(1), make(2)

    summary, findings = run(
        lines_of([there, gone, there, gone], "distinct_id"),
        FakeExport(rows_of(there)),
        rules(retention_days=30),
    )

    assert summary["verdicts"] == {"matched": 1, "missing": 1}
    assert summary["repeated"] == 2
    assert findings == {("missing", "A", "row-2")}


def test_export_without_insert_ids_is_unexpected_row_by_row() -> None:
    """What another sender sends so cannot be matched, and is not one event."""
    rows = rows_of(make(1), make(2), make(3))
    for row in rows[1:]:
        del row["properties"]["$insert_id"]

    summary, _ = run(lines_of([make(1)], "distinct_id"), FakeExport(rows), rules())

    assert summary["verdicts"] == {"matched": 1, "unexpected": 2}
    assert summary["duplicates"] == 0


def test_refused_event_is_not_expected() -> None:
    """It breaks a rule, so that the pipeline never sends it; what cannot be read ends the audit."""
    bad = lines_of([make(2)], "distinct_id")[0].replace("row-2", "null")

    summary, findings = run([*lines_of([make(1)], "distinct_id"), bad], FakeExport(rows_of(make(1))), rules())

    assert (summary["refused"], findings) == (1, set())
    for line in ('{"event"', "[]", '{"schema_version": 99, "events": []}', '{"absent": "lost"}'):
        with pytest.raises(FileFault, match="Line 1 "):
            run([line], FakeExport([]), rules())


@pytest.mark.parametrize(
    ("residuals", "matched", "off_ms"),
    [
        ({}, 0, 0),
        ({(1, 0): 10, (1, HOUR_MS): 9}, 19, 0),
        ({(1, 0): 9, (1, HOUR_MS): 10}, 19, HOUR_MS),
        ({(1, HOUR_MS): 10}, 21, 0),  # the others are off by anything
        ({(1, 0): 1_000, (2, HOUR_MS): 20}, 1_020, HOUR_MS),  # two zones that differ in summer
        ({(1, 0): 1_000, (2, HOUR_MS): 19}, 1_019, 0),
        ({(1, 0): 1_000, (2, HOUR_MS): 20, (2, 0): 3}, 1_023, 0),
    ],
)
def test_measured_offset(residuals: dict[tuple[int, int], int], matched: int, off_ms: int) -> None:
    """Most of all rows, or nearly all of a day with many."""
    assert measured_offset_ms(residuals, matched) == off_ms
