"""What each command does: call the library, print the result, return the exit code."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from whyness_events.log_entry import KEEP_S
from whyness_events.outcomes import LOG_REASONS
from whyness_ops import output
from whyness_ops.connection import connect
from whyness_ops.dead_letter_queue import DeadLetterQueue
from whyness_ops.edit import Edit, load_edit, load_site_check
from whyness_ops.errors import NotFound, UsageFault
from whyness_ops.inspecting import count_rows, export, find_letter, overview, show
from whyness_ops.log_table import LogTable, Row, last_days
from whyness_ops.moving import redrive_all
from whyness_ops.progress import Progress
from whyness_ops.rebuilding import rebuild
from whyness_ops.redriven import Redriven
from whyness_ops.redriving import Redrive
from whyness_ops.selection import Selection
from whyness_ops.stop import Stop

Run = Callable[[argparse.Namespace, Stop], int]
KEPT_DAYS = KEEP_S // 86_400
_IN_PART = 1
_SELECTING = ("reason", "event", "user", "insert_id", "since", "until", "limit")


def dlq_list(options: argparse.Namespace, stop: Stop) -> int:
    """Show counts and a sample of the dead letters."""
    found = overview(
        _queue(options),
        _log(options),
        days=last_days(options.days, _now_ms()),
        sample_count=options.sample,
        stop=stop,
    )
    output.emit(found, output.overview_text, as_json=options.json)
    return 0


def dlq_show(options: argparse.Namespace, stop: Stop) -> int:
    """Show one dead letter."""
    letter = find_letter(
        _queue(options), message_id=options.message or "", insert_id=options.insert_id or "", stop=stop
    )
    log = _log(options) if connect(options)[1].log_table else None
    output.emit(show(letter, log), output.pretty, as_json=options.json)
    return 0


def dlq_export(options: argparse.Namespace, stop: Stop) -> int:
    """Write all dead letters to a file."""
    with Progress() as progress:
        counts = export(
            _queue(options),
            options.file,
            force=options.force,
            stop=stop,
            progress=lambda done, total: progress(done, total, "dead letters"),
        )
    found = {**counts, "file": str(options.file)}
    output.emit(found, output.exported_text, as_json=options.json)
    return 0


def redrive(options: argparse.Namespace, stop: Stop) -> int:
    """Send dead letters to the queue again."""
    given = [name for name in (*_SELECTING, "edit") if getattr(options, name) is not None]
    if options.all == bool(given):
        raise UsageFault(
            "--all cannot be combined with a filter or --edit. Remove one of them."
            if given
            else "Nothing selected. Give --all, or a filter such as --reason rejected."
        )
    # SQS moves dead letters unseen; if a site must be asked about each, they are sent one by one.
    is_moved = options.all and not options.site
    return _redrive_all(options, stop) if is_moved else _redrive_selection(options, stop)


def _redrive_all(options: argparse.Namespace, stop: Stop) -> int:
    queue = _queue(options)
    if options.dry_run:
        found: dict[str, Any] = {"dry_run": True, "would_move": queue.depth().visible}
        output.emit(found, output.would_move_text, as_json=options.json)
        return 0
    rate = None if options.rate is None else max(1, int(options.rate))
    with Progress() as progress:
        move = redrive_all(
            *connect(options),
            rate_per_s=rate,
            stop=stop,
            progress=lambda m: progress(m.moved, m.to_move, f"dead letters moved ({m.status.lower()})"),
        )
    output.emit(asdict(move), output.moved_text, as_json=options.json)
    return 0 if move.status == "COMPLETED" and not move.came_back else _IN_PART


def _redrive_selection(options: argparse.Namespace, stop: Stop) -> int:
    selection = Selection(
        reason=options.reason,
        event=options.event,
        user=options.user,
        insert_id=options.insert_id,
        since_ms=options.since,
        until_ms=options.until,
        limit=options.limit,
    )
    with Progress() as progress:
        report = Redrive(
            *connect(options),
            selection,
            edit=_load_edit(options.edit, options.site),
            edit_name=options.edit or "",
            rate_per_s=options.rate,
            dry_run=options.dry_run,
            stop=stop,
            progress=lambda r: progress(r.looked_at, r.total, _so_far(r)),
        ).run()
    output.emit(report.to_json(), output.redriven_text, as_json=options.json)
    return _IN_PART if report.left or report.stopped or report.came_back else 0


def _load_edit(name: str | None, site: str) -> Edit | None:
    """Return the edit function, preceded by the site's check for suppressed users; each only if given."""
    if name or site:
        # Last, and only if an option names a module: a boto3.py in that directory must not replace ours.
        sys.path.append("")
    edit = load_edit(name) if name else None
    if not site:
        return edit
    refuse = load_site_check(site)
    return (lambda raw: edit(refuse(raw))) if edit else refuse


def log_list(options: argparse.Namespace, _: Stop) -> int:
    """Show the newest rows."""
    rows = _rows(options)[: options.limit]
    output.emit(rows, output.rows_text, as_json=options.json)
    return 0


def log_stats(options: argparse.Namespace, _: Stop) -> int:
    """Show how many rows there are by day, reason, event and state."""
    rows = [{**row, "day": str(row.get("gsi1pk", "")).partition("#")[0]} for row in _rows(options)]
    found = count_rows(rows, ("day", "reason", "event", "state"))
    output.emit(sorted(found, key=lambda row: str(row["day"])), output.rows_text, as_json=options.json)
    return 0


def log_show(options: argparse.Namespace, _: Stop) -> int:
    """Show the rows of one insert id."""
    rows = _log(options).get(options.insert_id)
    if not rows:
        raise NotFound(
            f"Log table {connect(options)[1].log_table} has no row {options.insert_id}. "
            f"Its event did not fail, or failed more than {KEPT_DAYS} days ago."
        )
    output.emit(rows, output.pretty, as_json=options.json)
    return 0


def log_rebuild(options: argparse.Namespace, stop: Stop) -> int:
    """Add the missing rows."""
    with Progress() as progress:
        found = rebuild(
            _queue(options),
            _log(options),
            stop=stop,
            now_ms=_now_ms(),
            progress=lambda done, total: progress(done, total, "dead letters"),
        )
    output.emit(found, output.rebuilt_text, as_json=options.json)
    return _IN_PART if found["cut_short"] else 0


def _rows(options: argparse.Namespace) -> list[Row]:
    log = _log(options)
    if getattr(options, "insert_id", None):
        rows = [row for row in log.get(options.insert_id) if _is_named(row, options)]
        return [row for row in rows if options.reason in (None, row.get("reason"))]
    days = last_days(options.days, _now_ms())
    if options.day is not None:
        days = [datetime.fromtimestamp(options.day / 1000, UTC).date()]
    reasons = [options.reason] if options.reason else LOG_REASONS
    return [row for row in log.rows(days, reasons) if _is_named(row, options)]


def _is_named(row: Row, options: argparse.Namespace) -> bool:
    return options.event in (None, row.get("event", ""))


def _queue(options: argparse.Namespace) -> DeadLetterQueue:
    aws, stack = connect(options)
    return DeadLetterQueue(aws.sqs, stack.dead_letter_queue_url)


def _log(options: argparse.Namespace) -> LogTable:
    aws, stack = connect(options)
    return LogTable(aws.dynamodb, stack.log_table)


def _so_far(report: Redriven) -> str:
    return f"dead letters inspected: {report.matched} matched, {report.sent} sent"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
