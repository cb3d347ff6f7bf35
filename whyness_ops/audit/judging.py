"""Edge: one partition: reads the lines of the few events that do not match, and says what became of each."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from whyness_ops.audit.audited_event import AuditedEvent
from whyness_ops.audit.comparing import compare
from whyness_ops.audit.joining import Joined, Rows, join, sort_out
from whyness_ops.audit.normalisations import Difference
from whyness_ops.audit.packed_records import HOT_SHARDED
from whyness_ops.audit.project_time import DAY_MS
from whyness_ops.audit.rereading import Findings, Lines, Question, findings_path
from whyness_ops.audit.verdicts import ABSENT_MARKS, Counts, Verdict
from whyness_ops.files import private


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
        path = findings_path(question.directory, number)
        file = stack.enter_context(open(path, "w", opener=private, encoding="utf-8"))
        judged = _Judge(question, joined, counts, Findings(question, file), stack)
        judged.differing(rows)
        judged.unmatched(rows)
        judged.repeated()
    return counts


class _Judge:
    def __init__(
        self, question: Question, joined: Joined, counts: Counts, findings: Findings, stack: ExitStack
    ) -> None:
        self._question, self._joined, self._counts, self._findings = question, joined, counts, findings
        self._time = question.project_time
        self._expected = Lines(question.expected, stack)
        self._exported = Lines(question.exported, stack)

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
                for one in found:  # of two copies' differences, that which nothing explains
                    if one.name not in differences or not one.unprobed:
                        differences[one.name] = one
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
                verdict = self._why_absent(event, local_ms)
                if verdict is Verdict.MISSING and event.absent:
                    self._counts.traced[event.absent] += 1
                self._tell(verdict, event, local_ms)
            self._take(event, local_ms)
        for row in rows.unexpected:
            if exported_key(self._joined, row) in renamed:
                continue
            event = self._exported.read(self._joined.exported["place"][row])
            if self._is_asked_for(event):
                self._tell(Verdict.UNEXPECTED, event, event.time_ms)
            else:
                self._counts.others += 1

    def _is_asked_for(self, event: AuditedEvent) -> bool:
        ids = self._question.insert_ids
        return ids is None or ids.fullmatch(event.insert_id) is not None

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
        self._counts.verdicts[verdict, local_ms // DAY_MS, event.event] += 1
        self._findings.write(verdict, event, local_ms, faults)


def exported_key(joined: Joined, row: int) -> int:
    """Return the key of an exported row."""
    return int(joined.exported["key"][row])


def _groups(keys: Any, values: Any) -> Iterator[tuple[int, list[int]]]:
    """Yield each key with the values that belong to it; equal keys are neighbours."""
    for key, pairs in groupby(zip(keys.tolist(), values.tolist(), strict=True), itemgetter(0)):
        yield key, [value for _, value in pairs]
