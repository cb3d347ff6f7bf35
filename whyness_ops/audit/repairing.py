"""What is missing without a trace is published, and its days are audited again until it is there.

Killed at any moment, it may be run again: what it publishes twice counts once.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from whyness_ops.audit.audit_report import Report
from whyness_ops.audit.auditor import Auditor
from whyness_ops.audit.project_time import ProjectTime, day_name, day_number
from whyness_ops.audit.repaired import Repaired
from whyness_ops.audit.traces import NO_TRACE, NOT_TRACED, Key
from whyness_ops.audit.verdicts import Counts, Verdict
from whyness_ops.errors import Stopped

MOST_EVENTS, MOST_PERCENT = 1_000, 1
# Between two audits. Mixpanel does not document how long an event takes into its export.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 60.0, 900.0
_HOUR_S = 3_600
Publish = Callable[[frozenset[Key], Counter[str]], None]


class Lost(NamedTuple):
    """An event that is missing without a trace, and its local day from 1970."""

    key: Key
    day: int


@dataclass(frozen=True, slots=True)
class Repair:
    """How to repair.

    Args:
        send: publishes the events of these keys, or only counts them, and tells counts by name as it goes.
        is_dry: publish nothing.
        is_confirmed: publish, however many are missing.
    """

    send: Publish
    is_dry: bool
    is_confirmed: bool


def lost_in(findings: Iterable[Path]) -> list[Lost]:
    """Return the events that are missing without a trace: no other verdict is repaired."""
    return [
        Lost((line["event"], line["insert_id"]), day_number(line["day"]))
        for line in _lines(findings)
        if line["verdict"] == Verdict.MISSING and line.get("trace") == NO_TRACE
    ]


def refusal(lost: Sequence[Lost], report: Report) -> str:
    """Return why so many are more likely an error; `""` where they are few."""
    expected = Counter[int]()
    for (verdict, day, _), count in report.counts.verdicts.items():
        expected[day] += count if verdict is not Verdict.UNEXPECTED else 0
    by_day = Counter(one.day for one in lost)
    above = [day for day, count in sorted(by_day.items()) if count * 100 > expected[day] * MOST_PERCENT]
    if len(lost) > MOST_EVENTS:
        many = f"{len(lost)} events are missing without a trace, more than {MOST_EVENTS}"
    elif above:
        of_day = f"{by_day[above[0]]} of {expected[above[0]]} events"
        many = f"On {day_name(above[0])}, {of_day} are missing without a trace, more than {MOST_PERCENT} %"
    else:
        return ""
    return (
        f"{many}. So many are more often a wrong zone, a wrong project or a late export than lost events. "
        "Check them, then give --yes."
    )


def repair_lost(  # noqa: PLR0913  (what it works with, each by name)
    repair: Repair,
    auditor: Auditor,
    first: Report,
    lost: Sequence[Lost],
    done: Repaired,
    *,
    now_s: Callable[[], float] = time.monotonic,
) -> Report:
    """Publish what is lost, wait until it is in the export, and return what is known of all days then.

    Args:
        repair: how.
        auditor: of the first audit.
        first: what it found.
        lost: the events.
        done: is told what was done.
        now_s: a monotonic clock.

    Raises:
        NotJudged: Mixpanel refuses the export.
        Stopped: a person stopped it.
    """
    done.refusal = "" if repair.is_confirmed else refusal(lost, first)
    if done.refusal or not lost:
        return first
    repair.send(frozenset(one.key for one in lost), done.counts)
    if repair.is_dry or not done.counts["published"]:
        return first
    done.after = _await(auditor, first, lost, now_s)
    return _together(first, done.after, {one.day for one in lost})


def _await(auditor: Auditor, first: Report, lost: Sequence[Lost], now_s: Callable[[], float]) -> Report:
    """Audit the days again and again, until nothing is awaited or the time is up; return the last report."""
    periods = periods_of({one.day for one in lost}, auditor.period)
    keys, wait_s = {one.key for one in lost}, _FIRST_WAIT_S
    end_s = now_s() + auditor.options.settled * _HOUR_S
    while True:
        left_s = max(0.0, end_s - now_s())
        auditor.progress.note(
            f"Waiting {min(wait_s, left_s):.0f} s, of at most {left_s:.0f}, for what was published."
        )
        auditor.stop.wait(min(wait_s, left_s))
        if auditor.stop.is_set():
            raise Stopped("Stopped. The events were published; whether they arrived was not judged.")
        with auditor.audit(periods, first) as found:
            if now_s() >= end_s or not any(_is_awaited(line, keys) for line in _lines(found.findings)):
                return found.report
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


def _is_awaited(line: Mapping[str, Any], keys: set[Key]) -> bool:
    """Whether an event was published and may still come: the Log does not say that it died."""
    if (line["event"], line["insert_id"]) not in keys:
        return False
    trace = str(line.get("trace", ""))
    is_missing = line["verdict"] == Verdict.MISSING and trace.startswith((NO_TRACE, NOT_TRACED))
    return is_missing or line["verdict"] in (Verdict.UNDECIDED, Verdict.UNKNOWN)


def periods_of(days: Iterable[int], whole: ProjectTime) -> list[ProjectTime]:
    """Return the parts of a period that these local days are; neighbours are one part."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [whole.part(run[0], run[-1]) for run in runs]


def _together(first: Report, after: Report, days: set[int]) -> Report:
    """Return what is known of all days after the repair of some."""
    rest = {key: count for key, count in first.counts.verdicts.items() if key[1] not in days}
    counts = Counts(
        verdicts=Counter(rest) + after.counts.verdicts, unprobed=first.counts.unprobed + after.counts.unprobed
    )
    incomplete = {day: why for day, why in first.incomplete.items() if day not in days}
    return first._replace(counts=counts, incomplete=incomplete | dict(after.incomplete))


def _lines(findings: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in findings:
        with path.open() as file:
            yield from map(json.loads, file)
