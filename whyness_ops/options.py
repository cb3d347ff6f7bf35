"""The commands and their options, in the groups in which `--help` lists them."""

import argparse
from collections.abc import Callable
from typing import NamedTuple

from whyness_events.outcomes import LOG_REASONS
from whyness_ops import commands, help_texts, site
from whyness_ops.argument_parser import ArgumentParser, Commands, ShowVersion, add_parser
from whyness_ops.audit.audit_command import add_audit
from whyness_ops.capacity.capacity_command import add_capacity
from whyness_ops.completion import add_completion
from whyness_ops.live.live_command import add_live
from whyness_ops.option_types import Whole, count, moment, path, text
from whyness_ops.probe.probe_command import add_probe
from whyness_ops.send_file import add_send
from whyness_ops.stack_options import add_connection
from whyness_ops.watch.pausing import add_pausing
from whyness_ops.watch.status_command import add_doctor, add_status
from whyness_ops.watch.tail import add_tail

_days = Whole(1, commands.KEPT_DAYS)


class _Command(NamedTuple):
    name: str
    help: str
    run: commands.Run
    add_options: Callable[[argparse.ArgumentParser], object]
    examples: str


def make_parser() -> ArgumentParser:
    """Return the parser; each command sets `run`."""
    parser = ArgumentParser(
        prog="whyness-mixpanel",
        description="Inspect events that did not reach Mixpanel, fix them and send them again; "
        "estimate cost and capacity.",
        examples=help_texts.ROOT + help_texts.EXIT_CODES,
    )
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="show the version and exit")
    group = parser.add_subparsers(title="commands", metavar="COMMAND")
    dlq = _add_group(group, "dlq", "inspect the dead-letter queue", help_texts.DLQ)
    for command in _dlq_commands():
        _add_command(dlq, command)
    _add_command(group, _redrive_command())
    log = _add_group(group, "log", "inspect the Log table", help_texts.LOG)
    for command in _log_commands():
        _add_command(log, command)
    add_status(group)
    add_doctor(group)
    add_tail(group)
    add_live(group)
    add_send(group)
    add_pausing(group)
    add_audit(group)
    add_capacity(group)
    add_probe(group)
    add_completion(group, parser)
    return parser


def _dlq_commands() -> list[_Command]:
    counts = "count dead letters by reason and sample the queue"
    one = "show one dead letter with its body and its Log row"
    file = "write all dead letters to a file, one line of JSON each"
    return [
        _Command("list", counts, commands.dlq_list, _add_dlq_list, help_texts.DLQ_LIST),
        _Command("show", one, commands.dlq_show, _add_dlq_show, help_texts.DLQ_SHOW),
        _Command("export", file, commands.dlq_export, _add_dlq_export, help_texts.DLQ_EXPORT),
    ]


def _redrive_command() -> _Command:
    help_ = "send dead letters to the queue again"
    return _Command("redrive", help_, site.redrive, site.add_redrive, help_texts.REDRIVE)


def _log_commands() -> list[_Command]:
    counts = "count rows by day, reason, event and state"
    missing = "add missing rows from the dead letters"
    return [
        _Command("list", "show the newest rows", commands.log_list, _add_log_list, help_texts.LOG_LIST),
        _Command("stats", counts, commands.log_stats, _add_rows, help_texts.LOG_STATS),
        _Command(
            "show", "show the rows of one insert id", commands.log_show, _add_log_show, help_texts.LOG_SHOW
        ),
        _Command("rebuild", missing, commands.log_rebuild, lambda _: None, help_texts.LOG_REBUILD),
    ]


def _add_dlq_list(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("selection")
    group.add_argument(
        "--days", type=_days, metavar="N", default=7, help="days of the Log to count, 1 to 90 (default 7)"
    )
    group.add_argument(
        "--sample", type=count, metavar="N", default=20, help="dead letters to sample (default 20)"
    )


def _add_dlq_show(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("selection").add_mutually_exclusive_group(required=True)
    group.add_argument(
        "message", nargs="?", type=text, metavar="MESSAGE", help="message id in the dead-letter queue"
    )
    group.add_argument("--insert-id", type=text, metavar="ID", help="insert id of one of its events")


def _add_dlq_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=path, metavar="FILE", help="new file in an existing directory")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")


def _add_rows(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    group = parser.add_argument_group("selection")
    group.add_argument("--day", type=moment, metavar="DATE", help="one day in UTC, as 2026-11-23")
    group.add_argument(
        "--days", type=_days, metavar="N", default=7, help="the last days, 1 to 90 (default 7)"
    )
    group.add_argument("--reason", choices=LOG_REASONS, metavar="REASON", help="why it failed: %(choices)s")
    group.add_argument("--event", type=text, metavar="NAME", help="name of the event")
    return group


def _add_log_list(parser: argparse.ArgumentParser) -> None:
    group = _add_rows(parser)
    group.add_argument("--insert-id", type=text, metavar="ID", help="insert id of the event, on any day")
    group.add_argument(
        "--limit", type=count, metavar="N", default=100, help="at most this many rows (default 100)"
    )


def _add_log_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("insert_id", type=text, metavar="INSERT_ID", help="or another `pk` of the table")


def _add_group(group: Commands, name: str, help_: str, examples: str) -> Commands:
    parser = add_parser(group, name, help_, examples)
    return parser.add_subparsers(title="commands", metavar="COMMAND")


def _add_command(group: Commands, command: _Command) -> None:
    parser = add_parser(group, command.name, command.help, command.examples)
    parser.set_defaults(run=command.run)
    command.add_options(parser)
    add_output(parser)
    add_connection(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="one JSON object instead of text")
