"""The audit: expected events against Mixpanel's export, in a temporary directory that is always removed."""

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from whyness_ops.audit.comparison import compare_sides
from whyness_ops.audit.export_days import DayReader
from whyness_ops.audit.packed_records import partitions
from whyness_ops.audit.project_time import ProjectTime
from whyness_ops.audit.rereading import Question, findings_path
from whyness_ops.audit.verdicts import Counts
from whyness_ops.errors import FileFault

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Rules:
    """How to judge.

    Args:
        project_time: the zone and the period.
        now_ms: the clock, epoch milliseconds.
        settled_hours: younger events are late, not missing.
        retention_days: older events are no longer kept by Mixpanel.
        derived: compare browser, system, library and geography, too.
        show_values: write the values of differing properties into the findings.
        insert_ids: those that expected events have, of the whole project's; None for all.
        may_be_empty: an export without any event is no sign of a wrong project.
    """

    project_time: ProjectTime
    now_ms: int
    settled_hours: float = 6.0
    retention_days: int = 1_825
    derived: bool = False
    show_values: bool = False
    insert_ids: re.Pattern[str] | None = None
    may_be_empty: bool = False


class Expected(NamedTuple):
    """What Mixpanel should have.

    Args:
        files: one event a line.
        refused: how many break a rule, so that they are never sent.
    """

    files: Sequence[Path]
    refused: int


WriteExpected = Callable[[Path], Expected]


class Audited(NamedTuple):
    """The result; its findings are files in a directory that goes with the context.

    Args:
        counts: of all events.
        incomplete: why a local day (from 1970) could not be judged.
        findings: files of JSON lines.
        refused: expected events that break a rule, so that they are never sent.
    """

    counts: Counts
    incomplete: dict[int, str]
    findings: Sequence[Path]
    refused: int


@contextmanager
def audit(
    write_expected: WriteExpected,
    reader: DayReader,
    rules: Rules,
) -> Iterator[Audited]:
    """Yield the result of an audit.

    Args:
        write_expected: writes what Mixpanel should have into files in a directory.
        reader: of the export.
        rules: how to judge.

    Raises:
        NotJudged: Mixpanel refuses, the export is empty, or in another time zone.
        FileFault: an expected event cannot be read, or there is no room for the export.
    """
    with tempfile.TemporaryDirectory(prefix="whyness-audit-") as name:  # its owner's alone
        try:
            audited = _audit(write_expected, reader, rules, Path(name))
        except OSError as error:
            raise FileFault(
                f"A file in {name} cannot be written or read: {error.strerror}. "
                "Set TMPDIR to a directory with room for the export."
            ) from None
        yield audited


def _audit(write_expected: WriteExpected, reader: DayReader, rules: Rules, directory: Path) -> Audited:
    expected = write_expected(directory)
    export = reader.read(rules.project_time.days(rules.now_ms), directory)
    counts = compare_sides(
        Question(
            directory=directory,
            expected=expected.files,
            exported=export.files,
            project_time=rules.project_time,
            late_after_ms=int(rules.now_ms - rules.settled_hours * _HOUR_MS),
            kept_from_ms=rules.now_ms - rules.retention_days * _DAY_MS,
            unknown_days=frozenset(export.incomplete),
            derived=rules.derived,
            show_values=rules.show_values,
            insert_ids=rules.insert_ids,
            may_be_empty=rules.may_be_empty,
        )
    )
    findings = [findings_path(directory, number) for number in partitions(directory)]
    return Audited(counts, export.incomplete, findings, expected.refused)
