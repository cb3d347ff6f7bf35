"""The command line: what can be given, and which command it means."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from types import FrameType

from whyness_events.outcomes import DEAD_REASONS, LOG_REASONS
from whyness_ops import commands
from whyness_ops.capacity.command import add_capacity
from whyness_ops.errors import OpsError
from whyness_ops.option_types import Number, Whole, moment, path, text
from whyness_ops.stop import Stop

EXIT_CODES = """exit codes:
  0    done
  1    done in part: letters that were meant stay in the dead-letter queue or came back, or a task failed
  2    the command line is wrong, a file cannot be written, or the edit function cannot be loaded
  3    AWS cannot be asked: missing queue or table, no permission, region, credentials or connection
  4    refused: a message move task runs, or the queues are swapped
  5    not found
  130  stopped by Ctrl-C; what was looked at is visible again
"""
_STOPPED = 130
_count = Whole(1, 10**9)
_days = Whole(1, commands.KEPT_DAYS)
# Slower, a call's letters would reappear meanwhile; SQS's move task takes no more.
_rate = Number(0.1, 500)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = make_parser().parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # letters hold any text, a terminal not
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    _stop_on_signals(stop)
    try:
        code: int = options.run(options, stop)
        sys.stdout.flush()
    except OpsError as error:
        print(f"whyness-mixpanel: {error}", file=sys.stderr)  # noqa: T201  (a command line talks)
        code = error.exit_code
    except BrokenPipeError:  # the reader had enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except KeyboardInterrupt:  # the second one
        code = _STOPPED
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return _STOPPED if stop.is_set() else code


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; each command sets `run`."""
    parser = argparse.ArgumentParser(
        prog="whyness-mixpanel",
        description="Look at events that did not reach Mixpanel, put them right, send them again; "
        "plan cost and capacity.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    groups = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_dlq(groups)
    _add_redrive(groups)
    _add_log(groups)
    add_capacity(groups)
    return parser


def _add_dlq(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    dlq = groups.add_parser("dlq", help="look at the dead-letter queue").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = _command(
        dlq, "list", "counts by reason from the Log, and a sample of the queue", commands.dlq_list
    )
    listing.add_argument("--days", type=_days, default=7, help="of the Log, 1 to 90 (default 7)")
    listing.add_argument("--sample", type=_count, default=20, help="letters to sample (default 20)")
    showing = _command(dlq, "show", "one letter, with its body", commands.dlq_show)
    which = showing.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "message", nargs="?", type=text, metavar="MESSAGE", help="its id in the dead-letter queue"
    )
    which.add_argument("--insert-id", type=text)
    exporting = _command(dlq, "export", "all letters to a file, one line of JSON each", commands.dlq_export)
    exporting.add_argument("file", type=path, metavar="FILE", help="its folder must be there")
    exporting.add_argument("--force", action="store_true", help="replace a file that is there")


def _add_redrive(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    redrive = _command(groups, "redrive", "put dead letters back into the queue", commands.redrive)
    redrive.add_argument("--all", action="store_true", help="all of them, moved by SQS itself")
    redrive.add_argument("--reason", choices=DEAD_REASONS, help="crashed: moved by SQS; unknown: it has none")
    redrive.add_argument("--event", type=text, help="name of the event")
    redrive.add_argument("--user", type=text, help='as in the event: "123", "p:45"')
    redrive.add_argument("--insert-id", type=text)
    redrive.add_argument(
        "--since", type=moment, help="failed at or after; 2026-11-23 or 2026-11-23T10:00+01:00"
    )
    redrive.add_argument("--until", type=moment, help="failed before; without an offset it is UTC")
    redrive.add_argument("--limit", type=_count, help="at most so many letters")
    redrive.add_argument(
        "--edit",
        type=text,
        metavar="PACKAGE.MODULE:FUNCTION",
        help="gets each event, returns it put right; also from the current directory",
    )
    redrive.add_argument(
        "--site",
        type=text,
        metavar="SETTINGS_MODULE",
        default=os.environ.get("WHYNESS_MIXPANEL_SITE", ""),
        help="Django site that is asked about each event: letters of suppressed users stay "
        "(or WHYNESS_MIXPANEL_SITE)",
    )
    redrive.add_argument("--rate", type=_rate, metavar="N", help="at most so many letters a second")
    redrive.add_argument("--dry-run", action="store_true", help="look, edit and report; change nothing")


def _add_log(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    log = groups.add_parser("log", help="look at the Log table").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = _command(log, "list", "the newest rows", commands.log_list)
    stats = _command(log, "stats", "counts by day, reason, event and state", commands.log_stats)
    for command in (listing, stats):
        command.add_argument("--day", type=moment, help="this one, as 2026-11-23, in UTC")
        command.add_argument("--days", type=_days, default=7, help="the last ones, 1 to 90 (default 7)")
        command.add_argument("--reason", choices=LOG_REASONS)
        command.add_argument("--event", type=text, help="name of the event")
    listing.add_argument("--insert-id", type=text, help="this one, of whatever day")
    listing.add_argument("--limit", type=_count, default=100, help="rows (default 100)")
    showing = _command(log, "show", "the rows of one insert id", commands.log_show)
    showing.add_argument("insert_id", type=text, metavar="INSERT_ID", help="or another pk of the table")
    _command(log, "rebuild", "put rows that are missing, from the dead letters", commands.log_rebuild)


def _command(
    group: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, help_: str, run: commands.Run
) -> argparse.ArgumentParser:
    parser = group.add_parser(name, help=help_, description=help_.capitalize() + ".")
    parser.set_defaults(run=run)
    for option, variable, what in (
        ("--queue-url", "QUEUE_URL", "the queue"),
        ("--dead-letter-queue-url", "DEAD_LETTER_QUEUE_URL", "the dead-letter queue"),
        ("--log-table", "LOG_TABLE_NAME", "name of the Log table"),
    ):
        parser.add_argument(
            option, type=text, default=os.environ.get(variable, ""), help=f"{what} (or {variable})"
        )
    for option in ("--profile", "--region", "--endpoint-url"):
        parser.add_argument(option, type=text, help="as in the AWS CLI")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    return parser


def _stop_on_signals(stop: Stop) -> None:
    def handle(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        signal_name = signal.Signals(number).name
        print(f"{signal_name}: stopping after this call; once more leaves at once", file=sys.stderr)  # noqa: T201

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
