"""The command redrive: its options, and what it does with them."""

import argparse
import sys
from dataclasses import asdict
from typing import Any

from whyness_events.outcomes import DEAD_REASONS
from whyness_ops import output, stack_options
from whyness_ops.edit import Edit, load_edit, with_check
from whyness_ops.errors import UsageFault
from whyness_ops.moving import redrive_all
from whyness_ops.option_types import Number, count, moment, text
from whyness_ops.progress import Progress
from whyness_ops.redriven import Redriven
from whyness_ops.redriving import Redrive
from whyness_ops.selection import Selection
from whyness_ops.stop import Stop

_IN_PART = 1
_SELECTING = ("reason", "event", "user", "insert_id", "since", "until", "limit")
# Below, the dead letters of a call would reappear meanwhile; above, SQS's move task refuses.
_rate = Number(0.1, 500)


def add_redrive(parser: argparse.ArgumentParser) -> None:
    """Add what a redrive selects, and how it sends."""
    group = parser.add_argument_group("selection", "Filters are combined: a dead letter must match all.")
    group.add_argument("--all", action="store_true", help="all dead letters")
    group.add_argument(
        "--reason",
        choices=DEAD_REASONS,
        help="why it failed: %(choices)s (crashed: moved by SQS; unknown: no reason recorded)",
        metavar="REASON",
    )
    group.add_argument("--event", type=text, metavar="NAME", help="name of the event")
    group.add_argument(
        "--user", type=text, metavar="ID", help='user id: "123" for a user, "p:45" for a prospect'
    )
    group.add_argument("--insert-id", type=text, metavar="ID", help="insert id of the event")
    group.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="failed at or after: 2026-11-23 or 2026-11-23T10:00+01:00 (default UTC)",
    )
    group.add_argument("--until", type=moment, metavar="TIME", help="failed before; same formats")
    group.add_argument("--limit", type=count, metavar="N", help="at most this many dead letters")
    how = parser.add_argument_group("sending")
    how.add_argument("--dry-run", action="store_true", help="inspect, edit and report; change nothing")
    how.add_argument("--rate", type=_rate, metavar="N", help="at most this many dead letters a second")
    how.add_argument(
        "--edit",
        type=text,
        metavar="PACKAGE.MODULE:FUNCTION",
        help="function that takes each event and returns it fixed; the current directory is searched too",
    )


def redrive(
    options: argparse.Namespace, stop: Stop, *, check: Edit | None = None, write: output.Write = print
) -> int:
    """Send dead letters to the queue again, but for those that `check` withholds."""
    given = [name for name in (*_SELECTING, "edit") if getattr(options, name) is not None]
    if options.all == bool(given):
        raise UsageFault(
            "--all cannot be combined with a filter or --edit. Remove one of them."
            if given
            else "Nothing selected. Give --all, or a filter such as --reason rejected."
        )
    # SQS moves dead letters unseen; if each must be checked, they are sent one by one.
    if options.all and check is None:
        return _redrive_all(options, stop, write)
    return _redrive_selection(options, stop, check, write)


def _redrive_all(options: argparse.Namespace, stop: Stop, write: output.Write) -> int:
    queue = stack_options.queue_of(options)
    if options.dry_run:
        result: dict[str, Any] = {"dry_run": True, "would_move": queue.depth().visible}
        output.emit(result, output.would_move_text, as_json=options.json, write=write)
        return 0
    rate = None if options.rate is None else max(1, int(options.rate))
    with Progress() as progress:
        move = redrive_all(
            *stack_options.connect(options),
            rate_per_s=rate,
            stop=stop,
            progress=lambda m: progress(m.moved, m.to_move, f"dead letters moved ({m.status.lower()})"),
        )
    output.emit(asdict(move), output.moved_text, as_json=options.json, write=write)
    return 0 if move.status == "COMPLETED" and not move.came_back else _IN_PART


def _redrive_selection(
    options: argparse.Namespace, stop: Stop, check: Edit | None, write: output.Write
) -> int:
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
            *stack_options.connect(options),
            selection,
            edit=with_check(_load_edit(options.edit), check),
            edit_name=options.edit or "",
            rate_per_s=options.rate,
            dry_run=options.dry_run,
            stop=stop,
            progress=lambda r: progress(r.looked_at, r.total, _so_far(r)),
        ).run()
    output.emit(report.to_json(), output.redriven_text, as_json=options.json, write=write)
    return _IN_PART if report.left or report.stopped or report.came_back else 0


def _load_edit(name: str | None) -> Edit | None:
    if not name:
        return None
    # Last, and only if an option names a module: a boto3.py in that directory must not replace ours.
    sys.path.append("")
    return load_edit(name)


def _so_far(report: Redriven) -> str:
    return f"dead letters inspected: {report.matched} matched, {report.sent} sent"
