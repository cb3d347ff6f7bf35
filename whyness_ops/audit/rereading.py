"""Edge: what all partitions of an audit share; the lines that are read again, and the findings."""

import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from whyness_ops.audit.audited_event import AuditedEvent, read_event
from whyness_ops.audit.normalisations import Difference
from whyness_ops.audit.packed_records import file_and_offset
from whyness_ops.audit.project_time import DAY_MS, ProjectTime, day_name
from whyness_ops.audit.verdicts import Verdict


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
        insert_ids: those that expected events have; exported events with others are somebody else's. None
            for all.
        may_be_empty: an export without any event is no sign of a wrong project.
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
    insert_ids: re.Pattern[str] | None = None
    may_be_empty: bool = False


def findings_path(directory: Path, number: int) -> Path:
    """Return the file of a partition's findings."""
    return directory / f"findings-{number:02}.jsonl"


class Lines:
    """Reads the line at a place again."""

    def __init__(self, paths: Sequence[Path], stack: ExitStack) -> None:
        self._paths, self._stack = paths, stack
        self._number, self._file = -1, None  # type: tuple[int, IO[bytes] | None]

    def read(self, place: Any) -> AuditedEvent:
        """Return the event of the line at a place."""
        number, offset = file_and_offset(int(place))
        if self._file is None or number != self._number:
            if self._file is not None:
                self._file.close()
            self._number, self._file = number, self._stack.enter_context(self._paths[number].open("rb"))
        self._file.seek(offset)
        event = read_event(self._file.readline())
        assert event is not None  # noqa: S101  (it was read before)
        return event


class Findings:
    """Writes a line of JSON for each event that does not match."""

    def __init__(self, question: Question, file: IO[str]) -> None:
        self._time, self._show_values = question.project_time, question.show_values
        self._file = file

    def write(
        self, verdict: Verdict, event: AuditedEvent, local_ms: int, faults: Sequence[Difference]
    ) -> None:
        """Write one; of the values only the names, unless told."""
        finding: dict[str, Any] = {
            "verdict": verdict,
            "day": day_name(local_ms // DAY_MS),
            "event": event.event,
            "insert_id": event.insert_id,
            "time": self._moment(verdict, event),
        }
        if verdict is Verdict.MISSING and event.absent:
            finding["trace"] = event.absent
        if faults:
            finding["properties"] = [fault.name for fault in faults]
        if faults and self._show_values:
            finding["values"] = {one.name: [_shown(one.expected), _shown(one.exported)] for one in faults}
        self._file.write(json.dumps(finding) + "\n")

    def _moment(self, verdict: Verdict, event: AuditedEvent) -> str:
        if verdict is not Verdict.UNEXPECTED:
            return moment_text(event.time_ms)
        return moment_text(next(iter(self._time.moments_of(event.time_ms)), event.time_ms))


def moment_text(time_ms: int) -> str:
    """Return a moment in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _shown(value: object) -> object:
    """Return a JSON value as it is, anything else as text."""
    return value if isinstance(value, dict | list | str | int | float | bool | None) else repr(value)
