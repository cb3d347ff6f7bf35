"""The findings with their traces: each missing event once, everything else as it was."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from whyness_ops.audit.audit_report import Report, make_report
from whyness_ops.audit.project_time import day_name
from whyness_ops.audit.traced_findings import trace_findings
from whyness_ops.audit.traces import Asked
from whyness_ops.audit.verdicts import Counts, Verdict

DAY = 20_000


def finding(number: int, verdict: str = "missing", **more: Any) -> dict[str, Any]:
    """Return a finding."""
    fields = {"day": day_name(DAY), "event": "A", "time": "2024-10-04T12:00:00.000+00:00"}
    return {"verdict": verdict, **fields, "insert_id": f"row-{number}", **more}


def report_of(*findings: dict[str, Any], blocked: Sequence[str] = ()) -> Report:
    """Return the report that counts findings."""
    verdicts = Counter((Verdict(one["verdict"]), DAY, one["event"]) for one in findings)
    return make_report(Counts(verdicts=verdicts), {}, 0, {}, frozenset(blocked))


def run(
    tmp_path: Path, files: Sequence[Sequence[dict[str, Any]]], report: Report, *, stop_after: int = 10**9
) -> tuple[list[dict[str, Any]], list[Asked], list[tuple[int, int]]]:
    """Trace; return the findings afterwards, what was asked, and the progress. Every fifth is undecided."""
    paths = [tmp_path / f"findings-{number:02}.jsonl" for number, _ in enumerate(files)]
    for path, lines in zip(paths, files, strict=True):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked: list[Asked] = []
    shown: list[tuple[int, int]] = []

    def trace(events: Sequence[Asked]) -> list[str]:
        asked.extend(events)
        return ["queue not empty" if int(e.insert_id[4:]) % 5 == 0 else "no trace" for e in events]

    trace_findings(
        report,
        paths,
        trace,
        progress=lambda done, total, _: shown.append((done, total)),
        is_stopped=lambda: len(asked) >= stop_after,
    )
    assert sorted(tmp_path.iterdir()) == paths
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()], asked, shown


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1_201])
def test_each_missing_event_is_traced_once(tmp_path: Path, count: int) -> None:
    """However many there are, in the order of the findings; many are told as it goes."""
    lines = [finding(number, "different" if number % 3 == 1 else "missing") for number in range(count)]
    files = [lines[: count // 2], [], lines[count // 2 :]]
    missing = [line["insert_id"] for line in lines if line["verdict"] == "missing"]
    report = report_of(*lines)

    found, asked, shown = run(tmp_path, files, report)

    assert [line["insert_id"] for line in found] == [line["insert_id"] for line in lines]
    assert [event.insert_id for event in asked] == missing
    assert all(event.time_ms == DAY * 86_400_000 + 43_200_000 for event in asked)
    undecided = [line for line in found if line["verdict"] == "undecided"]
    assert report.counts.traced == Counter(line["trace"] for line in found if "trace" in line)
    assert report.counts.by_verdict() == Counter(Verdict(line["verdict"]) for line in found)
    assert all(int(line["insert_id"][4:]) % 5 == 0 for line in undecided)
    assert shown[-1:] == ([(len(missing), len(missing))] if len(missing) > 500 else [])


def test_what_is_traced_or_blocked_or_there_is_left(tmp_path: Path) -> None:
    """Nothing is asked about it, and its lines stay as they are."""
    lines = [
        finding(1, trace="parked"),
        finding(2, event="Blocked"),
        *(finding(number, verdict) for number, verdict in enumerate(Verdict) if verdict != "missing"),
    ]

    found, asked, _ = run(tmp_path, [lines], report_of(*lines, blocked=["Blocked"]))

    assert (found, asked) == (lines, [])


def test_a_stop_ends_it(tmp_path: Path) -> None:
    """The rest is not asked about."""
    lines = [finding(number) for number in range(1_500)]

    _, asked, _ = run(tmp_path, [lines], report_of(*lines), stop_after=1)

    assert len(asked) == 500
