"""The command `whyness-mixpanel audit`: its options, and what it prints."""

import argparse
import getpass
import os
import sys
import time
from collections.abc import Mapping
from types import ModuleType
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from whyness_ops.argument_parser import Commands, add_parser
from whyness_ops.audit.audit_line import AuditLine, printer, told
from whyness_ops.errors import UsageFault
from whyness_ops.option_types import Number, Whole, moment, path, text, wrong
from whyness_ops.stack_options import add_connection
from whyness_ops.stop import Stop

EXAMPLES = """examples:
  whyness-mixpanel audit expected.jsonl --since 2026-11-01 --until 2026-11-08 --zone UTC --project 1234567
  whyness-mixpanel audit expected.jsonl --since 2026-11-23 --until 2026-11-24 --zone Europe/Berlin \\
    --project 1234567 --data-region eu --findings findings.jsonl --stack whyness-mixpanel-prod

expected.jsonl has a message of the contract on each line. The service account (role Consumer) comes from
AUDIT_ACCOUNT and AUDIT_PASSWORD, else from MIXPANEL_SERVICE_ACCOUNT and MIXPANEL_SERVICE_PASSWORD; a
password that is not set is asked for. The stack is asked only about missing events: whether they are in its
queues or its Log. Exit codes: 0 all accounted for, 1 something is missing, different, unexpected or
undecided, 2 it could not be judged.
"""
# Mixpanel does not document how long an event takes into its export.
SETTLED_HOURS = 6.0
_DAY_S = 86_400
_ACCOUNTS = (
    ("AUDIT_ACCOUNT", "AUDIT_PASSWORD"),
    ("MIXPANEL_SERVICE_ACCOUNT", "MIXPANEL_SERVICE_PASSWORD"),
)


class Credentials(NamedTuple):
    """A service account. Its password shows nowhere."""

    account: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(…)"


def add_audit(group: Commands) -> None:
    """Add the command."""
    help_ = "compare expected events with Mixpanel's export"
    parser = add_parser(group, "audit", help_, EXAMPLES)
    parser.set_defaults(run=audit)
    parser.add_argument("file", type=path, metavar="FILE", help="JSON lines of expected events")
    add_rules(parser).add_argument(
        "--identity",
        choices=("distinct_id", "simplified"),
        default="distinct_id",
        metavar="MODE",
        help="of events that do not name one: %(choices)s (default distinct_id)",
    )
    add_results(parser)
    add_connection(parser)


def add_rules(parser: argparse.ArgumentParser, *, has_settings: bool = False) -> "argparse._ArgumentGroup":
    """Add which part of which project is compared, and how; return the group of the selection.

    Args:
        parser: of the command.
        has_settings: what belongs to the project need not be given.
    """
    group = parser.add_argument_group("selection")
    group.add_argument(
        "--since",
        type=day_or_moment,
        required=True,
        metavar="TIME",
        help="from this time on, in UTC; today and yesterday are the beginning of that day",
    )
    group.add_argument(
        "--until", type=day_or_moment, required=True, metavar="TIME", help="to this time, not included"
    )
    _add_project(group, has_settings=has_settings)
    group.add_argument(
        "--export-url", type=text, metavar="URL", help="address of a simulator on this machine"
    )
    _add_comparison(parser.add_argument_group("comparison"))
    return group


def _add_project(group: "argparse._ArgumentGroup", *, has_settings: bool) -> None:
    """Add what belongs to the project; a site has settings of the same, and then there is no default."""
    of_site = " (default: the setting {})" if has_settings else ""
    group.add_argument(
        "--zone",
        type=zone,
        required=not has_settings,
        metavar="NAME",
        help="time zone of the project, as Europe/Berlin" + of_site.format("PROJECT_TIME_ZONE"),
    )
    group.add_argument(
        "--project",
        type=Whole(1, 10**12),
        required=not has_settings,
        metavar="N",
        help="id of the Mixpanel project" + of_site.format("PROJECT_ID"),
    )
    group.add_argument(
        "--data-region",
        choices=("us", "eu", "in"),
        default=None if has_settings else "us",
        metavar="R",
        help="%(choices)s" + (of_site.format("MIXPANEL_URL") or " (default us)"),
    )


def _add_comparison(group: "argparse._ArgumentGroup") -> None:
    hours, days = Number(0, 24 * 30), Whole(1, 10_000)
    group.add_argument(
        "--settled",
        type=hours,
        default=SETTLED_HOURS,
        metavar="H",
        help="younger events are late (default 6 hours)",
    )
    group.add_argument(
        "--retention-days",
        type=days,
        default=1_825,
        metavar="N",
        help="how long Mixpanel keeps events (1825)",
    )
    group.add_argument(
        "--derived", action="store_true", help="compare browser, system, library, geography too"
    )
    group.add_argument("--strict", action="store_true", help="differences of unprobed rules are faults")


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add where the results go."""
    group = parser.add_argument_group("output")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object instead of text")
    form.add_argument(
        "--line", action="store_true", help="end with a line of JSON for an alarm, also if nothing is judged"
    )
    group.add_argument("--findings", type=path, metavar="FILE", help="new file of JSON lines, one each event")
    group.add_argument("--page", type=path, metavar="FILE", help="new HTML file")
    group.add_argument("--values", action="store_true", help="write values into --findings, not only ids")
    group.add_argument("--force", action="store_true", help="replace the files if they exist")


def day_or_moment(given: str) -> int:
    """Return the epoch milliseconds of a time, or of the beginning of a day in UTC that has a name."""
    days_ago = {"today": 0, "yesterday": 1}.get(given)
    if days_ago is None:
        return moment(given)
    return (int(time.time()) // _DAY_S - days_ago) * _DAY_S * 1000


def zone(given: str) -> ZoneInfo:
    """Return a time zone."""
    try:
        return ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong(given, "a time zone such as Europe/Berlin (if it is one, install tzdata)") from None


def credentials(environ: Mapping[str, str]) -> Credentials:
    """Return the service account, from the environment or a prompt.

    Raises:
        UsageFault: there is none, and nobody can be asked.
    """
    names = next((names for names in _ACCOUNTS if environ.get(names[0])), None)
    if names is None:
        raise UsageFault("No service account. Set AUDIT_ACCOUNT and AUDIT_PASSWORD.")
    password = environ.get(names[1], "")
    if not password and sys.stdin.isatty():
        password = getpass.getpass(f"Password of the service account ({names[1]}): ")
    if not password:
        raise UsageFault(f"No password. Set {names[1]}.")
    return Credentials(environ[names[0]], password)


def audit(options: argparse.Namespace, stop: Stop) -> int:
    """Compare, and print the report.

    Raises:
        UsageFault: the libraries of the extra are missing, or the period is empty.
    """
    with told(AuditLine(options.since, options.until), printer(print, is_wanted=options.line)) as line:
        account, run = begin(options)
        code: int = run.audit_file(options, account, stop, line.judged)
    return code


def begin(options: argparse.Namespace) -> tuple[Credentials, ModuleType]:
    """Check what an audit needs; return the service account, and the module `audit_run`.

    Raises:
        UsageFault: the libraries of the extra are missing, or the period is empty.
    """
    if options.since >= options.until:
        raise UsageFault("--until must be later than --since.")
    account = credentials(os.environ)
    try:
        from whyness_ops.audit import audit_run  # noqa: PLC0415  (its libraries are an extra)
    except ModuleNotFoundError as missing:
        library = missing.name
        raise UsageFault(f"An audit needs {library}. Install the wheel with its extra `audit`.") from None
    return account, audit_run
