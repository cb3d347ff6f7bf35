"""What each command does: call the library, print the result, return the exit code."""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime

from whyness_events.log_entry import KEEP_S
from whyness_events.outcomes import LOG_REASONS
from whyness_ops import output, stack_options
from whyness_ops.errors import NotFound
from whyness_ops.inspecting import count_rows, export, find_dead_letter, overview, show
from whyness_ops.log_table import Row, last_days
from whyness_ops.progress import Progress
from whyness_ops.rebuilding import rebuild
from whyness_ops.stop import Stop

Run = Callable[[argparse.Namespace, Stop], int]
KEPT_DAYS = KEEP_S // 86_400
_IN_PART = 1


def dlq_list(options: argparse.Namespace, stop: Stop) -> int:
    """Show counts and a sample of the dead letters."""
    summary = overview(
        stack_options.queue_of(options),
        stack_options.log_of(options),
        days=last_days(options.days, _now_ms()),
        sample_count=options.sample,
        stop=stop,
    )
    output.emit(summary, output.overview_text, as_json=options.json)
    return 0


def dlq_show(options: argparse.Namespace, stop: Stop) -> int:
    """Show one dead letter."""
    dead_letter = find_dead_letter(
        stack_options.queue_of(options),
        message_id=options.message or "",
        insert_id=options.insert_id or "",
        stop=stop,
    )
    log = stack_options.log_of(options) if stack_options.connect(options)[1].log_table else None
    output.emit(show(dead_letter, log), output.pretty, as_json=options.json)
    return 0


def dlq_export(options: argparse.Namespace, stop: Stop) -> int:
    """Write all dead letters to a file."""
    with Progress() as progress:
        counts = export(
            stack_options.queue_of(options),
            options.file,
            force=options.force,
            stop=stop,
            progress=lambda done, total: progress(done, total, "dead letters"),
        )
    result = {**counts, "file": str(options.file)}
    output.emit(result, output.exported_text, as_json=options.json)
    return 0


def log_list(options: argparse.Namespace, _: Stop) -> int:
    """Show the newest rows."""
    rows = _rows(options)[: options.limit]
    output.emit(rows, output.rows_text, as_json=options.json)
    return 0


def log_stats(options: argparse.Namespace, _: Stop) -> int:
    """Show how many rows there are by day, reason, event and state."""
    rows = [{**row, "day": str(row.get("gsi1pk", "")).partition("#")[0]} for row in _rows(options)]
    counts = count_rows(rows, ("day", "reason", "event", "state"))
    output.emit(sorted(counts, key=lambda row: str(row["day"])), output.rows_text, as_json=options.json)
    return 0


def log_show(options: argparse.Namespace, _: Stop) -> int:
    """Show the rows of one insert id."""
    rows = stack_options.log_of(options).get(options.insert_id)
    if not rows:
        raise NotFound(
            f"Log table {stack_options.connect(options)[1].log_table} has no row {options.insert_id}. "
            f"Its event did not fail, or failed more than {KEPT_DAYS} days ago."
        )
    output.emit(rows, output.pretty, as_json=options.json)
    return 0


def log_rebuild(options: argparse.Namespace, stop: Stop) -> int:
    """Add the missing rows."""
    with Progress() as progress:
        counts = rebuild(
            stack_options.queue_of(options),
            stack_options.log_of(options),
            stop=stop,
            now_ms=_now_ms(),
            progress=lambda done, total: progress(done, total, "dead letters"),
        )
    output.emit(counts, output.rebuilt_text, as_json=options.json)
    return _IN_PART if counts["cut_short"] else 0


def _rows(options: argparse.Namespace) -> list[Row]:
    log = stack_options.log_of(options)
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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
