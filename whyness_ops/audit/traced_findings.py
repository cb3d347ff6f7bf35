"""Edge: the findings with the trace of each missing event; those that no trace can decide are `undecided`."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from whyness_ops.audit.audit_report import Report
from whyness_ops.audit.project_time import day_number
from whyness_ops.audit.traces import UNDECIDED_TRACES, Asked
from whyness_ops.audit.tracing import Trace
from whyness_ops.audit.verdicts import Counts, Verdict
from whyness_ops.files import private

_AT_ONCE = 500
Finding = dict[str, Any]


def trace_findings(
    report: Report,
    findings: Sequence[Path],
    trace: Trace,
    *,
    progress: Callable[[int, int, str], object],
    is_stopped: Callable[[], bool],
) -> None:
    """Write the trace of each missing event into the findings and the report's counts.

    Those that the outbox has are traced already, and those of a blocked name are not missing.

    Args:
        report: of the audit.
        findings: its files, which are replaced.
        trace: returns where events may still be.
        progress: told how many are traced, of how many.
        is_stopped: ends it; then the rest is not traced.
    """
    total, done = report.counts.by_verdict()[Verdict.MISSING], 0
    for path in findings if total else ():
        traced = path.with_suffix(".traced")
        with path.open() as lines, open(traced, "w", opener=private, encoding="utf-8") as file:
            for some in _batched(map(json.loads, lines)):
                wanted = [finding for finding in some if _is_untraced(finding, report)]
                if wanted and not is_stopped():
                    _trace(wanted, trace, report.counts)
                    done += len(wanted)
                    if total > _AT_ONCE:
                        progress(done, total, "missing events traced")
                file.writelines(json.dumps(finding) + "\n" for finding in some)
        traced.replace(path)
    report.counts.verdicts = +report.counts.verdicts  # without those that are none any more


def _is_untraced(finding: Finding, report: Report) -> bool:
    is_missing = finding["verdict"] == Verdict.MISSING and finding["event"] not in report.blocked
    return is_missing and "trace" not in finding


def _trace(findings: Sequence[Finding], trace: Trace, counts: Counts) -> None:
    traces = trace([_asked(finding) for finding in findings])
    for finding, found in zip(findings, traces, strict=True):
        finding["trace"] = found
        counts.traced[found] += 1
        if found in UNDECIDED_TRACES:
            finding["verdict"] = Verdict.UNDECIDED
            place = day_number(finding["day"]), finding["event"]
            counts.verdicts[Verdict.MISSING, *place] -= 1
            counts.verdicts[Verdict.UNDECIDED, *place] += 1


def _asked(finding: Finding) -> Asked:
    time_ms = round(datetime.fromisoformat(finding["time"]).timestamp() * 1000)
    return Asked(finding["event"], finding["insert_id"], time_ms)


def _batched(findings: Iterable[Finding]) -> Iterator[Sequence[Finding]]:
    rest = iter(findings)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
