"""Edge: one run of an audit, from its options to its files and its exit code."""

import argparse
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from whyness_ops import output
from whyness_ops.audit.audit_command import Credentials
from whyness_ops.audit.audit_page import page
from whyness_ops.audit.audit_report import Report, json_lines, make_report, report_text, to_json
from whyness_ops.audit.auditing import Expected, Rules, WriteExpected, audit
from whyness_ops.audit.expected_events import read_lines, write_expected
from whyness_ops.audit.export_client import EXPORT_URLS, ExportClient
from whyness_ops.audit.export_days import DayReader
from whyness_ops.audit.export_pace import Pace
from whyness_ops.audit.project_time import ProjectTime
from whyness_ops.audit.rereading import moment_text
from whyness_ops.audit.verdicts import exit_code
from whyness_ops.files import new_file
from whyness_ops.progress import Progress
from whyness_ops.stop import Stop

Judged = Callable[[Report, int], object]


def audit_file(options: argparse.Namespace, credentials: Credentials, stop: Stop, judged: Judged) -> int:
    """Audit the expected events of a file; return the exit code."""
    now_ms = int(time.time() * 1000)

    def write(directory: Path) -> Expected:
        lines = read_lines(options.file)
        rules = {"identity": options.identity, "now_ms": now_ms, "derived": options.derived}
        return write_expected(lines, directory, **rules)

    return run_audit(options, write, credentials, stop, now_ms=now_ms, judged=judged)


def run_audit(  # noqa: PLR0913  (what it works with, each by name)
    options: argparse.Namespace,
    write: WriteExpected,
    credentials: Credentials,
    stop: Stop,
    *,
    now_ms: int,
    judged: Judged,
    insert_ids: re.Pattern[str] | None = None,
    emit: output.Write = print,
) -> int:
    """Audit what `write` writes, print the report and write its files; return the exit code.

    Args:
        options: those of `add_rules` and `add_results`.
        write: writes the expected events into a directory.
        credentials: of the service account.
        stop: asked for between two requests.
        now_ms: the clock, epoch milliseconds.
        judged: is told the report and the exit code.
        insert_ids: those that expected events have; None for all.
        emit: prints the report.

    Raises:
        NotJudged: Mixpanel refuses, the export is empty, or in another time zone.
        FileFault: a file cannot be read or written.
        UsageFault: the export's address is wrong.
    """
    with ExitStack() as stack:
        # Before hours are spent: a name that is taken is said at once.
        findings, html = (
            stack.enter_context(new_file(path, force=options.force)) if path else None
            for path in (options.findings, options.page)
        )
        reader = _reader(options, credentials, stack.enter_context(Progress()), stop)
        audited = stack.enter_context(audit(write, reader, _rules(options, now_ms, insert_ids)))
        report = make_report(audited.counts, audited.incomplete, audited.refused, _about(options))
        if findings:
            findings.writelines(json_lines(report, _lines(audited.findings)))
        if html:
            html.write(page(report))
    if options.json:
        output.emit(to_json(report), str, as_json=True, write=emit)
    else:
        output.emit(report, report_text, as_json=False, write=emit)
    code = exit_code(report.counts, strict=options.strict, is_complete=not report.incomplete)
    judged(report, code)
    return code


def _reader(
    options: argparse.Namespace, credentials: Credentials, progress: Progress, stop: Stop
) -> DayReader:
    url = options.export_url or EXPORT_URLS[options.data_region]
    client = ExportClient(url, options.project, *credentials)
    pace = Pace(time.monotonic, stop.wait, progress.note)
    return DayReader(client.ask, pace, progress.note, stop.is_set)


def _rules(options: argparse.Namespace, now_ms: int, insert_ids: re.Pattern[str] | None) -> Rules:
    return Rules(
        ProjectTime(options.zone, options.since, options.until),
        now_ms,
        settled_hours=options.settled,
        retention_days=options.retention_days,
        derived=options.derived,
        show_values=options.values,
        insert_ids=insert_ids,
    )


def _about(options: argparse.Namespace) -> dict[str, str]:
    return {
        "since": moment_text(options.since),
        "until": moment_text(options.until),
        "zone": options.zone.key,
        "project": str(options.project),
    }


def _lines(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        with path.open() as file:
            yield from file
