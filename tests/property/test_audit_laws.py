"""The audit names exactly the injected discrepancies, whatever the order, the zone and the split lines."""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.unit.audit.fake_export import FakeExport, Row, day_of, exported, lines_of, run
from whyness_events import Event
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_ops.audit.auditing import Rules
from whyness_ops.audit.project_time import ProjectTime, day_name
from whyness_ops.audit.repairing import periods_of
from whyness_ops.errors import NotJudged

HOUR_MS = 3_600_000
# Zones with changes of an hour and of half an hour, on both halves of the world, and some without.
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
# Noon before nights in which clocks change: Europe in March and October, New York in November, Lord Howe.
STARTS_MS = (1_774_699_200_000, 1_792_843_200_000, 1_793_448_000_000, 1_775_304_000_000)
TRANSLATE = Translator(lambda _: {"$browser": "Chrome"}).translate


@dataclass
class Case:
    """An audit with what it must say."""

    events: list[Event]
    rows: list[Row]
    findings: set[tuple[str, str, str]]
    sums: dict[str, int]


def drop(case: Case, event: Event, _row: Row) -> None:
    """Lose it."""
    case.findings.add(("missing", event.event, event.insert_id))


def double(case: Case, _event: Event, row: Row) -> None:
    """Export it twice."""
    case.rows += [row, copy.deepcopy(row)]
    case.sums["duplicates"] += 1


def alter(case: Case, event: Event, row: Row) -> None:
    """Alter a property."""
    row["properties"]["plan"] = "another"
    _differ(case, event, row)


def lose_property(case: Case, event: Event, row: Row) -> None:
    """Lose a property."""
    del row["properties"]["plan"]
    _differ(case, event, row)


def delay(case: Case, event: Event, row: Row) -> None:
    """Give it another time."""
    row["properties"]["time"] += 7_000
    _differ(case, event, row)


def give_away(case: Case, event: Event, row: Row) -> None:
    """Give it to another person, from whom Mixpanel says it came."""
    row["properties"] |= {
        "distinct_id": "other",
        "$distinct_id_before_identity": "other",
        "$user_id": "other",
    }
    row["properties"].pop("$device_id", None)
    _differ(case, event, row)


def rename(case: Case, event: Event, row: Row) -> None:
    """Give its insert id to another name."""
    row["event"] = "Renamed"
    _differ(case, event, row)


def alter_copy(case: Case, event: Event, row: Row) -> None:
    """Export it twice, once altered."""
    case.rows.append(copy.deepcopy(row))
    case.sums["duplicates"] += 1
    alter(case, event, row)


def merge(case: Case, _event: Event, row: Row) -> None:
    """Merge its person: the canonical id is another, and what was sent stands beside it."""
    sent = row["properties"]["distinct_id"]
    if not sent:  # nobody cannot be merged
        keep(case, _event, row)
        return
    row["properties"] |= {"distinct_id": "0d0c-canonical", "$distinct_id_before_identity": sent}
    case.rows.append(row)
    case.sums["merged"] += 1


def merge_unsaid(case: Case, _event: Event, row: Row) -> None:
    """Merge its person, and do not say what was sent."""
    if not row["properties"]["distinct_id"]:
        keep(case, _event, row)
        return
    row["properties"]["distinct_id"] = "0d0c-canonical"
    for name in ("$user_id", "$device_id"):
        row["properties"].pop(name, None)
    case.rows.append(row)
    case.sums["merged"] += 1


def hot_shard(case: Case, _event: Event, row: Row) -> None:
    """Move it to a hot shard."""
    properties = row["properties"]
    properties |= {
        "mp_original_event_name": row["event"],
        "mp_original_distinct_id": properties["distinct_id"],
        "distinct_id": "",
    }
    row["event"] = "$hotshard_events"
    case.rows.append(row)
    case.sums["hot_sharded"] += 1


def simplify(case: Case, _event: Event, row: Row) -> None:
    """Return the person as a project with simplified identity does."""
    properties = row["properties"]
    if str(properties["distinct_id"]).startswith("$device:"):
        properties["$device_id"] = properties["distinct_id"].removeprefix("$device:")
    elif properties["distinct_id"]:
        properties["$user_id"] = properties["distinct_id"]
    case.rows.append(row)


def keep(case: Case, _event: Event, row: Row) -> None:
    """Do nothing."""
    case.rows.append(row)


def intrude(case: Case, event: Event, row: Row) -> None:
    """Export a foreign event beside it."""
    foreign = copy.deepcopy(row)
    foreign["properties"]["$insert_id"] = f"foreign-{event.insert_id}"
    case.rows += [row, foreign]
    case.findings.add(("unexpected", row["event"], f"foreign-{event.insert_id}"))


def _differ(case: Case, event: Event, row: Row) -> None:
    case.rows.append(row)
    case.findings.add(("different", event.event, event.insert_id))


Injection = Callable[[Case, Event, Row], None]
INJECTIONS: tuple[Injection, ...] = (
    *(keep, drop, double, alter, lose_property, delay, give_away, rename, alter_copy, merge, merge_unsaid),
    *(hot_shard, simplify, intrude),
)


OTHER_ZONES_MS = (-2 * HOUR_MS, HOUR_MS // 4, HOUR_MS // 2, HOUR_MS, 13 * HOUR_MS)


@st.composite
def audits(
    draw: st.DrawFn, injections: Sequence[Injection] = INJECTIONS
) -> tuple[list[str], list[Row], Case, Rules]:
    """Draw expected events, what an export makes of them, and what must be said."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    start_ms, hours = draw(st.sampled_from(STARTS_MS)), draw(st.integers(9, 60))
    identity = draw(st.sampled_from(["distinct_id", "simplified"]))
    case = Case([], [], set(), {"duplicates": 0, "merged": 0, "hot_sharded": 0})
    for number, injection in enumerate(draw(st.lists(st.sampled_from(injections), min_size=1, max_size=30))):
        event = Event(
            insert_id=f"row-{number}",
            event=f"Event {number % 5}",
            user=draw(st.sampled_from(["", "7", "p:7"])),
            time=start_ms + draw(st.integers(4 * HOUR_MS, (hours - 4) * HOUR_MS)) // 1000 * 1000,
            time_unit=draw(st.sampled_from(["", "s"])),  # history, in its old form
            ip="8.8.8.8",
            properties={"plan": draw(st.text(max_size=3)) + "!", "seconds": 1.5},
        )
        row = exported(TRANSLATE([event], [identity])[0][0], zone)
        case.events.append(event)
        injection(case, event, row)
    assume(case.rows)
    project_time = ProjectTime(zone, start_ms, start_ms + hours * HOUR_MS)
    settled_hours = draw(st.sampled_from([6, 48]))
    now_ms = start_ms + (hours + 24) * HOUR_MS
    young = {event.insert_id for event in case.events if event.time >= now_ms - settled_hours * HOUR_MS}
    case.findings = {
        ("late", name, one) if verdict == "missing" and one in young else (verdict, name, one)
        for verdict, name, one in case.findings
    }
    rules = Rules(project_time, now_ms, settled_hours=settled_hours)
    lines = draw(st.permutations(lines_of(case.events, identity)))
    return lines, draw(st.permutations(case.rows)), case, rules


@given(audits(), st.data())
def test_exactly_what_was_injected_is_named(
    drawn: tuple[list[str], list[Row], Case, Rules], data: st.DataObject
) -> None:
    """No healthy event is called a fault, and no fault is missed."""
    lines, rows, case, rules = drawn
    numbers = st.integers(0, max(0, len(rows) - 1))
    splits = data.draw(st.dictionaries(numbers, st.lists(st.integers(0, 10_000), max_size=2), max_size=3))

    summary, findings = run(lines, FakeExport(rows, splits=splits), rules)

    assert findings == case.findings
    assert {name: summary[name] for name in case.sums} == case.sums
    healthy = len(case.events) - len([verdict for verdict, _, _ in findings if verdict != "unexpected"])
    assert summary["verdicts"].get("matched", 0) == healthy
    assert summary["unprobed"] == []


@given(audits(), st.data())
def test_cut_day_is_unknown(drawn: tuple[list[str], list[Row], Case, Rules], data: st.DataObject) -> None:
    """Nothing of a day that comes cut is called missing, and nothing else changes."""
    lines, rows, case, rules = drawn
    cut = data.draw(st.sampled_from(sorted({day_of(row) for row in rows})))

    summary, findings = run(lines, FakeExport(rows, cut_days=[cut]), rules)

    assert set(summary["unknown_days"]) == {cut}
    known = {verdict for verdict in findings if verdict[0] != "unknown"}
    # An event whose time was altered over midnight is on another day than its expectation.
    assert {finding for finding in known if finding[0] not in ("missing", "late")} <= case.findings
    missing = {finding[2] for finding in known if finding[0] == "missing"}
    late_shift = {f[2] for f in case.findings if f[0] == "different"}
    assert missing <= {f[2] for f in case.findings if f[0] == "missing"} | late_shift


@given(audits((keep, keep, keep, double, alter, merge, hot_shard, intrude)), st.sampled_from(OTHER_ZONES_MS))
def test_another_zone_stops_the_audit(drawn: tuple[list[str], list[Row], Case, Rules], off_ms: int) -> None:
    """Where most matched events are off by the same quarter hours, nothing is called different."""
    lines, rows, _, rules = drawn
    shifted: list[Any] = json.loads(json.dumps(rows))
    for row in shifted:
        row["properties"]["time"] += off_ms
    days = set(map(day_name, rules.project_time.days(rules.now_ms)))
    assume(any(day_of(row) in days for row in shifted))  # no event at all stops it as well, in other words
    with pytest.raises(NotJudged, match="another time zone"):
        run(lines, FakeExport(shifted), rules)


@given(st.data())
def test_days_to_audit_again_are_those_days_and_no_others(data: st.DataObject) -> None:
    """Each moment of the period on one of the days is in one part; no other day is asked for."""
    zone = ZoneInfo(data.draw(st.sampled_from(ZONES)))
    start_ms = data.draw(st.sampled_from(STARTS_MS)) - data.draw(st.integers(0, 4 * 24)) * HOUR_MS
    whole = ProjectTime(zone, start_ms, start_ms + data.draw(st.integers(1, 6 * 24)) * HOUR_MS)
    now_ms = whole.until_ms + 48 * HOUR_MS
    days = data.draw(st.sets(st.sampled_from(whole.days(now_ms)), min_size=1))

    parts = periods_of(days, whole)

    assert [day for part in parts for day in part.days(now_ms)] == sorted(days)
    for moment_ms in range(whole.since_ms - HOUR_MS, whole.until_ms + HOUR_MS, HOUR_MS // 4):
        count = sum(part.is_inside(moment_ms) for part in parts)
        assert count == (whole.is_inside(moment_ms) and whole.day_of(moment_ms) in days)
