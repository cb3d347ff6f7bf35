"""The whole command names each discrepancy, and where a missing event may be, and asks for nothing else."""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.test_audit_laws import INJECTIONS, Case, audits, drop
from tests.unit.audit.fake_export import FakeExport, Row, day_of, local_ms
from tests.unit.audit.fake_stack import FakeStack
from whyness_events import Event
from whyness_ops.audit.auditing import Rules
from whyness_ops.audit.project_time import DAY_MS, day_name
from whyness_ops.audit.rereading import moment_text
from whyness_ops.cli import main

Finding = tuple[str, str, str, str]
MOSTLY_MISSING = (*[drop] * 2 * len(INJECTIONS), *INJECTIONS)
# Where a missing event is, and its trace. `lost` is nowhere.
TRACES = {
    "pending": "pending",
    "parked": "parked",
    "dead": "dead: rejected",
    "crashed": "dead: crashed",
    "redriven": "redriven: exhausted",
    "delivered": "delivered: oversized",
    "lost": "",
}


@st.composite
def stacks(draw: st.DrawFn, case: Case, rules: Rules) -> tuple[FakeStack, dict[str, str]]:
    """Draw a stack and the place of each missing event in it."""
    numbers = st.sampled_from([0, 0, 1])
    stack = FakeStack(
        visible=draw(numbers),
        hidden=draw(numbers),
        age_s=draw(st.sampled_from([0.0, (rules.now_ms - rules.project_time.since_ms) / 2000])),
        dead_hidden=draw(numbers),
    )
    missing = {insert_id for verdict, _, insert_id in case.findings if verdict == "missing"}
    places = {one: draw(st.sampled_from([*TRACES, "lost", "lost"])) for one in sorted(missing)}
    for event in case.events:
        if (place := places.get(event.insert_id, "")) in ("dead", "redriven", "delivered"):
            state, _, reason = TRACES[place].partition(": ")
            stack.log(event, state=state, reason=reason)
        elif place == "crashed":
            stack.bury([event])
    for _ in range(draw(st.integers(0, 2))):
        stack.bury([Event(insert_id="another", event="Other", user="7", time=1)], reason="rejected")
    return stack, places


def traced(event: Event, place: str, stack: FakeStack, rules: Rules) -> tuple[str, str]:
    """Return verdict and trace of a missing event."""
    if trace := TRACES[place]:
        return "missing", trace
    is_older = stack.age_s and event.time >= rules.now_ms - stack.age_s * 1000
    if stack.visible or stack.hidden or is_older:
        return "undecided", "queue not empty"
    return ("undecided", "dead letters hidden") if stack.dead_hidden else ("missing", "no trace")


def marked(lines: Sequence[str], places: dict[str, str]) -> list[str]:
    """Return the expected events; those of the outbox say so."""
    found = []
    for line in map(json.loads, lines):
        place = places.get(line["events"][0]["insert_id"], "")
        found.append(json.dumps(line | ({"absent": place} if place in ("pending", "parked") else {})))
    return found


def run(lines: Sequence[str], export: FakeExport, stack: FakeStack, rules: Rules) -> tuple[int, list[Any]]:
    """Run the command; return its exit code and its findings, the summary first."""
    time, zone = rules.project_time, rules.project_time.zone.key
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        expected, findings = Path(name) / "expected.jsonl", Path(name) / "findings.jsonl"
        expected.write_text("\n".join(lines))
        patch.setenv("AUDIT_ACCOUNT", "account")
        patch.setenv("AUDIT_PASSWORD", "password")
        patch.setattr("time.time", lambda: rules.now_ms / 1000)
        patch.setattr("whyness_ops.audit.export_days._WAITS_S", (0.0,) * 3)
        patch.setattr("whyness_ops.audit.export_pace._LIMITS", ((9_999, 1.0),))
        patch.setattr("whyness_ops.audit.audit_run.ExportClient", lambda *_: SimpleNamespace(ask=export.ask))
        patch.setattr("whyness_ops.audit.audit_run.connect", lambda _: stack.connect())
        period = ["--since", moment_text(time.since_ms), "--until", moment_text(time.until_ms)]
        rest = ["--zone", zone, "--settled", str(rules.settled_hours), "--findings", str(findings)]
        code = main(["audit", str(expected), *period, "--project", "7", *rest])
        return code, [json.loads(line) for line in findings.read_text().splitlines()]


def expectation(  # noqa: PLR0913, PLR0917  (all that decides)
    case: Case, rows: Sequence[Row], rules: Rules, cut: str, stack: FakeStack, places: dict[str, str]
) -> set[Finding]:
    """Return what must be named: on a cut day each event is unknown, or late."""
    zone, late_ms = rules.project_time.zone, rules.now_ms - rules.settled_hours * 3_600_000
    is_empty = all(day_of(row) == cut for row in rows)
    events = {event.insert_id: event for event in case.events}
    of_cut = {one for one, event in events.items() if is_empty or day_name(_day(event, zone)) == cut}
    found: set[Finding] = set()
    for verdict, name, insert_id in case.findings:
        if insert_id.removeprefix("foreign-") in of_cut:
            continue
        trace = ""
        if verdict == "missing":
            verdict, trace = traced(events[insert_id], places[insert_id], stack, rules)  # noqa: PLW2901
        found.add((verdict, name, insert_id, trace))
    for insert_id in of_cut:
        verdict = "late" if events[insert_id].time >= late_ms else "unknown"
        found.add((verdict, events[insert_id].event, insert_id, ""))
    return found


def _day(event: Event, zone: ZoneInfo) -> int:
    return local_ms(event.time, zone) // DAY_MS


@given(audits(MOSTLY_MISSING), st.data())
def test_the_command_names_each_discrepancy_and_its_trace(
    drawn: tuple[list[str], list[Row], Case, Rules], data: st.DataObject
) -> None:
    """Whatever the order, the split lines, the cut day, and what the queues and the Log have."""
    lines, rows, case, rules = drawn
    stack, places = data.draw(stacks(case, rules))
    days = sorted({day_of(row) for row in rows})
    cut = data.draw(st.sampled_from(["", *days]))
    # An event whose time was altered over midnight is on another day than its expectation.
    home = {event.insert_id: day_name(_day(event, rules.project_time.zone)) for event in case.events}
    ids = [str(row["properties"]["$insert_id"]).removeprefix("foreign-") for row in rows]
    assume(not cut or all(home[one] == day_of(row) for one, row in zip(ids, rows, strict=True)))
    splits = data.draw(st.dictionaries(st.integers(0, len(rows)), st.lists(st.integers(0, 999)), max_size=2))
    export = FakeExport(rows, splits=splits, cut_days=[cut])

    code, (summary, *rest) = run(marked(lines, places), export, stack, rules)

    found = [line for line in rest if line["kind"] == "event"]
    named = {(f["verdict"], f["event"], f["insert_id"], f.get("trace", "")) for f in found}
    wanted = expectation(case, rows, rules, cut, stack, places)
    assert named == wanted
    assert len(found) == len(wanted)
    assert summary["traced"] == Counter(trace for _, _, _, trace in wanted if trace)
    faults = {"missing", "different", "unexpected", "undecided"}
    assert code == (2 if cut else int(any(verdict in faults for verdict, _, _, _ in wanted)))
    asked = any(trace not in ("", "pending", "parked") for _, _, _, trace in wanted)
    assert bool(stack.calls) == asked
    assert stack.held == set()
