"""Edge: audits of one project one after the other, which share the pace of their requests."""

import argparse
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from whyness_ops.audit.audit_report import Report, make_report
from whyness_ops.audit.auditing import Audited, Expected, Rules, audit
from whyness_ops.audit.export_days import NOTHING_JUDGED, DayReader
from whyness_ops.audit.project_time import ProjectTime
from whyness_ops.audit.rereading import moment_text
from whyness_ops.audit.traced_findings import trace_findings
from whyness_ops.audit.tracing import Trace
from whyness_ops.audit.verdicts import Counts
from whyness_ops.errors import Stopped
from whyness_ops.progress import Progress
from whyness_ops.stop import Stop

# Writes the expected events of a period, epoch milliseconds, into files in a directory.
Write = Callable[[Path, int, int], Expected]


class Found(NamedTuple):
    """What an audit found; the findings are files that go with the context."""

    report: Report
    findings: Sequence[Path]


@dataclass(frozen=True, slots=True)
class Auditor:
    """Audits.

    Args:
        options: those of `add_rules` and `add_results`.
        write: of the expected events.
        reader: of the export.
        progress: shows how far an audit is.
        stop: asked for between two calls.
        trace: given the clock, returns what finds missing events.
        insert_ids: those that expected events have; None for all.
    """

    options: argparse.Namespace
    write: Write
    reader: DayReader
    progress: Progress
    stop: Stop
    trace: Callable[[int], Trace]
    insert_ids: re.Pattern[str] | None = None

    @property
    def period(self) -> ProjectTime:
        """The whole of what is audited."""
        return ProjectTime(self.options.zone, self.options.since, self.options.until)

    @contextmanager
    def audit(self, periods: Sequence[ProjectTime], before: Report | None = None) -> Iterator[Found]:
        """Yield what an audit of some periods found.

        Args:
            periods: in their order.
            before: of an audit of more days, which knows which names are blocked.

        Raises:
            NotJudged, FileFault: see `auditing.audit`.
            Stopped: a person stopped it.
        """
        now_ms = int(time.time() * 1000)
        with ExitStack() as stack:
            parts: list[Audited] = []
            for period in periods:
                write = partial(self._write, period=period)
                rules = self._rules(period, now_ms, may_be_empty=before is not None)
                parts.append(stack.enter_context(audit(write, self.reader, rules)))
            found = Found(
                self._report(parts, periods, before), [one for part in parts for one in part.findings]
            )
            trace_findings(*found, self.trace(now_ms), progress=self.progress, is_stopped=self.stop.is_set)
            if self.stop.is_set():
                raise Stopped(NOTHING_JUDGED)
            yield found

    def _write(self, directory: Path, period: ProjectTime) -> Expected:
        return self.write(directory, period.since_ms, period.until_ms)

    def _rules(self, period: ProjectTime, now_ms: int, *, may_be_empty: bool) -> Rules:
        options = self.options
        return Rules(
            period,
            now_ms,
            settled_hours=options.settled,
            retention_days=options.retention_days,
            derived=options.derived,
            show_values=options.values,
            insert_ids=self.insert_ids,
            may_be_empty=may_be_empty,
        )

    def _report(
        self, parts: Sequence[Audited], periods: Sequence[ProjectTime], before: Report | None
    ) -> Report:
        counts = Counts()
        for part in parts:
            counts.add(part.counts)
        about = {
            "since": moment_text(periods[0].since_ms),
            "until": moment_text(periods[-1].until_ms),
            "zone": self.options.zone.key,
            "project": str(self.options.project),
        }
        incomplete = {day: why for part in parts for day, why in part.incomplete.items()}
        refused = sum(part.refused for part in parts)
        return make_report(counts, incomplete, refused, about, before.blocked if before else None)
