"""Edge: one run of an audit, from its options to its files and its exit code."""

import argparse
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from whyness_ops import output
from whyness_ops.audit.audit_command import Credentials
from whyness_ops.audit.audit_page import page
from whyness_ops.audit.audit_report import Report, json_lines, report_text, to_json
from whyness_ops.audit.auditing import Expected
from whyness_ops.audit.auditor import Auditor, Write
from whyness_ops.audit.expected_events import read_lines, write_expected
from whyness_ops.audit.export_client import EXPORT_URLS, ExportClient
from whyness_ops.audit.export_days import NOTHING_JUDGED, DayReader
from whyness_ops.audit.export_pace import Pace
from whyness_ops.audit.repaired import Repaired, repaired_text
from whyness_ops.audit.repairing import Lost, Repair, lost_in, repair_lost
from whyness_ops.audit.tracing import StackTrace, Trace
from whyness_ops.audit.verdicts import exit_code
from whyness_ops.errors import Stopped
from whyness_ops.files import new_file
from whyness_ops.progress import Progress
from whyness_ops.stack_options import connect
from whyness_ops.stop import Stop

Judged = Callable[[Report, int], object]


def audit_file(options: argparse.Namespace, credentials: Credentials, stop: Stop, judged: Judged) -> int:
    """Audit the expected events of a file; return the exit code."""
    now_ms = int(time.time() * 1000)

    def write(directory: Path, *_: int) -> Expected:
        lines = _until_stopped(read_lines(options.file), stop)
        rules = {"identity": options.identity, "now_ms": now_ms, "derived": options.derived}
        return write_expected(lines, directory, **rules)

    trace = partial(StackTrace, partial(connect, options), stop)
    return run_audit(options, write, credentials, stop, trace=trace, judged=judged)


def run_audit(  # noqa: PLR0913  (what it works with, each by name)
    options: argparse.Namespace,
    write: Write,
    credentials: Credentials,
    stop: Stop,
    *,
    trace: Callable[[int], Trace],
    judged: Judged,
    insert_ids: re.Pattern[str] | None = None,
    emit: output.Write = print,
    repair: Repair | None = None,
) -> int:
    """Audit what `write` writes, print the report and write its files; return the exit code.

    The files are those of the audit before a repair.

    Args:
        options: those of `add_rules` and `add_results`.
        write: writes the expected events of a period, epoch milliseconds, into a directory.
        credentials: of the service account.
        stop: asked for between two requests.
        trace: given the clock, returns what finds missing events.
        judged: is told the last report and the exit code.
        insert_ids: those that expected events have; None for all.
        emit: prints the report.
        repair: publishes what is missing without a trace; None to publish nothing.

    Raises:
        NotJudged: Mixpanel refuses, the export is empty, or in another time zone.
        Stopped: a person stopped it; then nothing is printed or written.
        FileFault: a file cannot be read or written.
        UsageFault: the export's address is wrong.
    """
    with Progress() as progress:
        reader = _reader(options, credentials, progress, stop)
        auditor = Auditor(options, write, reader, progress, stop, trace, insert_ids)
        report, lost = _first(auditor, is_repaired=repair is not None)
        if repair is None or not options.json:
            _say(report, options, emit)
        if repair is not None:
            report = _repair(repair, auditor, report, lost, emit)
    code = exit_code(report.counts, strict=options.strict, is_complete=not report.incomplete)
    judged(report, code)
    return code


def _repair(
    repair: Repair, auditor: Auditor, report: Report, lost: Sequence[Lost], emit: output.Write
) -> Report:
    done = Repaired(len(lost), repair.is_dry)
    try:
        return repair_lost(repair, auditor, report, lost, done)
    finally:  # what was published is said, whatever happens while it is awaited
        _say_repaired(report, done, auditor.options, emit)


def _first(auditor: Auditor, *, is_repaired: bool) -> tuple[Report, list[Lost]]:
    """Audit the whole period and write the files; return the report, and what a repair would publish."""
    options = auditor.options
    with ExitStack() as stack:
        # Before hours are spent: a name that is taken is said at once.
        findings, html = (
            stack.enter_context(new_file(path, force=options.force)) if path else None
            for path in (options.findings, options.page)
        )
        found = stack.enter_context(auditor.audit([auditor.period]))
        if findings:
            findings.writelines(json_lines(found.report, _lines(found.findings)))
        if html:
            html.write(page(found.report))
        return found.report, lost_in(found.findings) if is_repaired else []


def _say(report: Report, options: argparse.Namespace, emit: output.Write) -> None:
    if options.json:
        output.emit(to_json(report), str, as_json=True, write=emit)
    else:
        output.emit(report, report_text, as_json=False, write=emit)


def _say_repaired(report: Report, done: Repaired, options: argparse.Namespace, emit: output.Write) -> None:
    if options.json:
        output.emit({**to_json(report), "repair": done.to_json()}, str, as_json=True, write=emit)
    else:
        output.emit(done, repaired_text, as_json=False, write=emit)


def _reader(
    options: argparse.Namespace, credentials: Credentials, progress: Progress, stop: Stop
) -> DayReader:
    url = options.export_url or EXPORT_URLS[options.data_region]
    client = ExportClient(url, options.project, *credentials)
    pace = Pace(time.monotonic, stop.wait, progress.note)
    return DayReader(client.ask, pace, progress.note, stop.is_set)


def _until_stopped(lines: Iterable[str], stop: Stop) -> Iterator[str]:
    for line in lines:
        if stop.is_set():
            raise Stopped(NOTHING_JUDGED)
        yield line


def _lines(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        with path.open() as file:
            yield from file
