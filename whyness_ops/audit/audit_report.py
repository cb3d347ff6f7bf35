"""Pure: the result of an audit as text, and as lines of JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from whyness_ops.audit.normalisations import NORMALISATIONS, Kind
from whyness_ops.audit.project_time import day_name
from whyness_ops.audit.traces import meaning as trace_meaning
from whyness_ops.audit.verdicts import MEANINGS, Counts, Verdict, blocked_names
from whyness_ops.output import table, title

_ROW_COUNTS = {
    "merged": "matched, with the canonical id of a merged person",
    "hot_sharded": "exported rows that Mixpanel moved to a hot shard",
    "duplicates": "exported rows beyond the first of an event; Mixpanel makes some itself",
    "repeated": "lines of expected events that say an event again",
    "others": "exported events that were not asked about",
}
CANNOT_TELL = (
    "An event that was never published and one that Mixpanel lost after it confirmed it look the same here."
)


class Report(NamedTuple):
    """What an audit found.

    Args:
        counts: of all events, after `blocked?` was told from `missing`.
        blocked: the names whose events are all absent.
        incomplete: why a local day could not be judged.
        refused: expected events that are never sent.
        about: what was asked: period, zone, project.
    """

    counts: Counts
    blocked: frozenset[str]
    incomplete: Mapping[int, str]
    refused: int
    about: Mapping[str, str]


def make_report(
    counts: Counts,
    incomplete: Mapping[int, str],
    refused: int,
    about: Mapping[str, str],
    blocked: frozenset[str] | None = None,
) -> Report:
    """Return the report; the missing events of a blocked name are `blocked?`. None: the counts say which."""
    blocked = blocked_names(counts) if blocked is None else blocked
    verdicts = Counter[tuple[Verdict, int, str]]()
    for (verdict, day, name), count in counts.verdicts.items():
        verdicts[_final(verdict, name, blocked), day, name] += count
    counts.verdicts = verdicts
    return Report(counts, blocked, incomplete, refused, about)


def _final(verdict: Verdict, name: str, blocked: frozenset[str]) -> Verdict:
    return Verdict.BLOCKED if verdict is Verdict.MISSING and name in blocked else verdict


def rows_of(report: Report) -> list[dict[str, Any]]:
    """Return the counts of each local day and event name, in that order."""
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for (verdict, day, name), count in report.counts.verdicts.items():
        row = rows.setdefault((day, name), {"day": day_name(day), "event": name})
        row[verdict] = count
    return [rows[key] for key in sorted(rows)]


def report_text(report: Report) -> str:
    """Return the report for a terminal."""
    rows = rows_of(report)
    plain = [row for row in rows if set(row) == {"day", "event", Verdict.MATCHED}]
    shown = [row for row in rows if row not in plain] if plain and len(rows) > _MOST_ROWS else rows
    names = [verdict for verdict in Verdict if any(verdict in row for row in shown)]
    parts = [title("By day and event name:"), table(shown, ["day", "event", *names])]
    if len(shown) < len(rows):
        parts.append(f"Days and names of which all events matched: {len(plain)}.")
    parts += ["", title("Together:"), table(summary_rows(report), ["count", "verdict", "meaning"])]
    if report.counts.unprobed:
        parts += ["", title("Differences that Mixpanel may make itself; untested:")]
        parts.append(table(unprobed_rows(report), ["count", "property", "rule"]))
    parts += [f"{day_name(day)} is unknown: {why}." for day, why in sorted(report.incomplete.items())]
    sums = report.counts.by_verdict()
    if sums[Verdict.MISSING] and sums[Verdict.UNEXPECTED] and not sums[Verdict.MATCHED]:
        parts.append("No event matched at all: the export is more likely that of another project.")
    if sums[Verdict.MISSING]:
        parts.append(CANNOT_TELL)
    return "\n".join(parts)


_MOST_ROWS = 60


def summary_rows(report: Report) -> list[dict[str, Any]]:
    """Return the counts of all days together, with what they mean."""
    sums = report.counts.by_verdict()
    rows: list[dict[str, Any]] = [
        {"count": sums[verdict], "verdict": verdict, "meaning": meaning}
        for verdict, meaning in MEANINGS.items()
        if sums[verdict] or verdict in (Verdict.MATCHED, Verdict.MISSING)
    ]
    for name, meaning in _ROW_COUNTS.items():
        if count := getattr(report.counts, name):
            rows.append({"count": count, "verdict": name, "meaning": meaning})
    for trace, count in sorted(report.counts.traced.items()):
        rows.append({"count": count, "verdict": trace, "meaning": trace_meaning(trace)})
    if report.refused:
        meaning = "expected events that break a rule, so that they are never sent"
        rows.append({"count": report.refused, "verdict": "refused", "meaning": meaning})
    return rows


def unprobed_rows(report: Report) -> list[dict[str, Any]]:
    """Return the differences that an unprobed rule may explain."""
    return [
        {"count": count, "property": name, "rule": rule}
        for (name, rule), count in sorted(report.counts.unprobed.items())
    ]


def to_json(report: Report) -> dict[str, Any]:
    """Return all but the findings."""
    return {
        **report.about,
        "verdicts": {str(verdict): count for verdict, count in report.counts.by_verdict().items()},
        **{name: getattr(report.counts, name) for name in ("exported", *_ROW_COUNTS)},
        "traced": dict(report.counts.traced),
        "refused": report.refused,
        "unprobed": unprobed_rows(report),
        "unknown_days": {day_name(day): why for day, why in sorted(report.incomplete.items())},
        "not_compared": not_compared(),
    }


def not_compared() -> list[str]:
    """Return what the comparison leaves out."""
    kinds = (Kind.ADDED, Kind.REMOVED, Kind.DERIVED)
    return [f"{', '.join(sorted(row.names))} ({row.kind})" for row in NORMALISATIONS if row.kind in kinds]


def json_lines(report: Report, findings: Iterable[str]) -> Iterator[str]:
    """Yield the report as lines of JSON: the sum, each day and name, each finding."""
    yield json.dumps({"kind": "summary", **to_json(report)}) + "\n"
    for row in rows_of(report):
        yield json.dumps({"kind": "count", **row}) + "\n"
    for line in findings:
        finding = json.loads(line)
        finding["verdict"] = _final(Verdict(finding["verdict"]), finding["event"], report.blocked)
        yield json.dumps({"kind": "event", **finding}) + "\n"
