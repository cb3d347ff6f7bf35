"""Edge: one partition: reads the lines of the few events that do not match, and says what became of each."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import numpy as np

from whyness_ops.audit.audited_event import AuditedEvent, read_event
from whyness_ops.audit.comparing import compare
from whyness_ops.audit.joining import Joined, Rows, join, sort_out
from whyness_ops.audit.normalisations import Difference
from whyness_ops.audit.packed_records import HOT_SHARDED, file_and_offset
from whyness_ops.audit.project_time import DAY_MS, ProjectTime, day_name
from whyness_ops.audit.verdicts import ABSENT_MARKS, Counts, Verdict


@dataclass(frozen=True, slots=True)
class Question:
    """What all partitions share.

    Args:
        directory: has the records, and gets the findings.
        expected: the files of expected events, by number.
        exported: those of the export.
        project_time: the zone and the period.
        late_after_ms: events from this moment on may still come.
        kept_from_ms: events before it are older than Mixpanel keeps them.
        unknown_days: local days whose export is incomplete.
        derived: compare what is derived, too.
        show_values: write values into the findings, not only names.
    """

    directory: Path
    expected: Sequence[Path]
    exported: Sequence[Path]
    project_time: ProjectTime
    late_after_ms: int
    kept_from_ms: int
    unknown_days: frozenset[int] = frozenset()
    derived: bool = False
    show_values: bool = False


def judge(question: Question, number: int) -> Counts:
    """Write the findings of a partition, one line of JSON each; return the counts."""
    joined = join(question.directory, number, question.project_time)
    rows = sort_out(joined, question.project_time)
    counts = Counts(
        merged=len(rows.merged),
        hot_sharded=int(np.count_nonzero(joined.exported["place"] & np.uint64(HOT_SHARDED))),
        duplicates=rows.duplicates,
        repeated=len(joined.repeated),
        exported=len(joined.exported),
    )
    with ExitStack() as stack:
        findings = stack.enter_context(findings_path(question.directory, number).open("w"))
        judged = _Judge(question, joined, counts, findings, stack)
        judged.differing(rows)
        judged.unmatched(rows)
        judged.repeated()
    return counts


def findings_path(directory: Path, number: int) -> Path:
    """Return the file of a partition's findings."""
    return directory / f"findings-{number:02}.jsonl"


class _Lines:
    """Reads the line at a place again."""

    def __init__(self, paths: Sequence[Path], stack: ExitStack) -> None:
        self._paths, self._stack = paths, stack
        self._number, self._file = -1, None  # type: tuple[int, IO[bytes] | None]

    def read(self, place: Any) -> AuditedEvent:
        number, offset = file_and_offset(int(place))
        if self._file is None or number != self._number:
            if self._file is not None:
                self._file.close()
            self._number, self._file = number, self._stack.enter_context(self._paths[number].open("rb"))
        self._file.seek(offset)
        event = read_event(self._file.readline())
        assert event is not None  # noqa: S101  (it was read before)
        return event


class _Judge:
    def __init__(
        self, question: Question, joined: Joined, counts: Counts, findings: IO[str], stack: ExitStack
    ) -> None:
        self._question, self._joined, self._counts, self._findings = question, joined, counts, findings
        self._time = question.project_time
        self._expected = _Lines(question.expected, stack)
        self._exported = _Lines(question.exported, stack)

    def differing(self, rows: Rows) -> None:
        """Judge the matched events of which a row is not obviously as expected."""
        order = np.argsort(self._joined.row_of[rows.differing], kind="stable")
        sorted_rows = rows.differing[order]
        merged = set(rows.merged.tolist())
        for row, copies in _groups(self._joined.row_of[sorted_rows], sorted_rows):
            expected = self._expected.read(self._joined.expected["place"][row])
            local_ms = int(self._joined.expected_local[row])
            differences: dict[str, Difference] = {}
            was_merged = row in merged
            for copy in copies:
                exported = self._exported.read(self._joined.exported["place"][copy])
                found, is_merged = self._compare(expected, exported, local_ms)
                differences |= {difference.name: difference for difference in found}
                was_merged |= is_merged
            if was_merged and row not in merged:
                self._counts.merged += 1
            self._tell_differences(expected, [*differences.values()], local_ms)

    def _compare(
        self, expected: AuditedEvent, exported: AuditedEvent, local_ms: int
    ) -> tuple[list[Difference], bool]:
        return compare(expected, exported, expected_local_ms=local_ms, derived=self._question.derived)

    def _tell_differences(self, event: AuditedEvent, differences: list[Difference], local_ms: int) -> None:
        unprobed = [difference for difference in differences if difference.unprobed]
        faults = [difference for difference in differences if not difference.unprobed]
        self._counts.unprobed.update((one.name, one.unprobed) for one in unprobed)
        is_outside = not self._time.is_inside(event.time_ms)
        if faults:
            self._tell(Verdict.DIFFERENT, event, local_ms, faults)
        if faults and not is_outside:
            self._take(event, local_ms)

    def unmatched(self, rows: Rows) -> None:
        """Judge the events that only one side has: the same insert id on both is one under another name."""
        missing = rows.missing[np.argsort(self._joined.expected["place"][rows.missing])]
        strangers = self._strangers(rows) if len(missing) else {}
        renamed = set()
        for row in missing:
            event = self._expected.read(self._joined.expected["place"][row])
            local_ms = int(self._joined.expected_local[row])
            if (other := strangers.get(event.insert_id)) is not None:
                exported = self._exported.read(self._joined.exported["place"][other])
                renamed.add(exported_key(self._joined, other))
                name = Difference("event", "", event.event, exported.event)
                found, _ = self._compare(event, exported, local_ms)
                self._tell(
                    Verdict.DIFFERENT, event, local_ms, [name, *(one for one in found if not one.unprobed)]
                )
            else:
                self._tell(self._why_absent(event, local_ms), event, local_ms)
            self._take(event, local_ms)
        for row in rows.unexpected:
            if exported_key(self._joined, row) not in renamed:
                event = self._exported.read(self._joined.exported["place"][row])
                self._tell(Verdict.UNEXPECTED, event, event.time_ms)

    def _strangers(self, rows: Rows) -> dict[str, int]:
        places = self._joined.exported["place"]
        ids = ((self._exported.read(places[row]).insert_id, int(row)) for row in rows.strangers)
        return {insert_id: row for insert_id, row in ids if insert_id}

    def _why_absent(self, event: AuditedEvent, local_ms: int) -> Verdict:
        if event.absent in ABSENT_MARKS:
            return ABSENT_MARKS[event.absent]
        if event.time_ms >= self._question.late_after_ms:
            return Verdict.LATE
        if local_ms // DAY_MS in self._question.unknown_days:
            return Verdict.UNKNOWN
        if event.time_ms < self._question.kept_from_ms:
            return Verdict.BEYOND_RETENTION
        return Verdict.MISSING

    def repeated(self) -> None:
        """Take the lines that say an event again off the number of expected events."""
        for place in self._joined.repeated:
            event = self._expected.read(place)
            if self._time.is_inside(event.time_ms):
                self._take(event, self._time.local_ms(event.time_ms))

    def _take(self, event: AuditedEvent, local_ms: int) -> None:
        """The event is not one of those that match."""
        self._counts.verdicts[Verdict.MATCHED, local_ms // DAY_MS, event.event] -= 1

    def _tell(
        self, verdict: Verdict, event: AuditedEvent, local_ms: int, faults: Sequence[Difference] = ()
    ) -> None:
        day = local_ms // DAY_MS
        self._counts.verdicts[verdict, day, event.event] += 1
        finding: dict[str, Any] = {
            "verdict": verdict,
            "day": day_name(day),
            "event": event.event,
            "insert_id": event.insert_id,
            "time": self._moment(verdict, event),
        }
        if faults:
            finding["properties"] = [fault.name for fault in faults]
        if faults and self._question.show_values:
            finding["values"] = {one.name: [repr_(one.expected), repr_(one.exported)] for one in faults}
        self._findings.write(json.dumps(finding) + "\n")

    def _moment(self, verdict: Verdict, event: AuditedEvent) -> str:
        if verdict is not Verdict.UNEXPECTED:
            return moment_text(event.time_ms)
        return moment_text(next(iter(self._time.moments_of(event.time_ms)), event.time_ms))


def moment_text(time_ms: int) -> str:
    """Return a moment in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def repr_(value: object) -> object:
    """Return a JSON value as it is, anything else as text."""
    return value if isinstance(value, dict | list | str | int | float | bool | None) else repr(value)


def exported_key(joined: Joined, row: int) -> int:
    """Return the key of an exported row."""
    return int(joined.exported["key"][row])


def _groups(keys: Any, values: Any) -> Iterator[tuple[int, list[int]]]:
    """Yield each key with the values that belong to it; equal keys are neighbours."""
    for key, pairs in groupby(zip(keys.tolist(), values.tolist(), strict=True), itemgetter(0)):
        yield key, [value for _, value in pairs]
