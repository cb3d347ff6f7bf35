"""The command `whyness-mixpanel probe`: its options, and what it prints."""

import argparse
import contextlib
import getpass
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from whyness_ops import output
from whyness_ops.argument_parser import Commands, add_parser
from whyness_ops.errors import Refused, UsageFault
from whyness_ops.option_types import Whole, path, text
from whyness_ops.probe import record
from whyness_ops.probe.asking import ask, check
from whyness_ops.probe.case import Case, Run
from whyness_ops.probe.cases import all_cases
from whyness_ops.probe.row import Row
from whyness_ops.probe.scratch_project import HOSTS, Credentials, Mixpanel, hosts
from whyness_ops.progress import Progress
from whyness_ops.stop import Stop

EXAMPLES = """examples:
  whyness-mixpanel probe --project 123 --account me.1a2b3c.mp-service-account
  whyness-mixpanel probe --project 123 --account me.1a2b3c.mp-service-account --later whyness-probe-123.json

The project must be one for trials: up to 2,200 events are sent to it, and cannot be taken back. The first
call leaves a file; the second, an hour later, reads the export and compares it. Exit code 0 if Mixpanel does
what this project believes, 1 if there are differences, 3 if it refuses or cannot be reached.
"""
PRODUCTION = 2780485
PASSWORD_VARIABLE = "MIXPANEL_PROBE_PASSWORD"  # noqa: S105  (its name)
_SETTLED_S = 3_600
_COLUMNS = ("", "case", "expected", "Mixpanel says")

ReadBack = Callable[[Run, Sequence[Case]], list[Row]]


def add_probe(group: Commands) -> None:
    """Add the command."""
    help_ = "ask Mixpanel what its documents leave open, with a project for trials"
    parser = add_parser(group, "probe", help_, EXAMPLES)
    parser.set_defaults(run=probe)
    what = parser.add_argument_group("selection")
    what.add_argument(
        "--later", type=path, metavar="FILE", help="compare the export with what the first call sent"
    )
    out = parser.add_argument_group("output")
    out.add_argument("--save", type=path, metavar="FILE", help="default whyness-probe-PROJECT.json, here")
    out.add_argument("--json", action="store_true", help="a line of JSON for each case instead of a table")
    to = parser.add_argument_group("connection")
    to.add_argument(
        "--project", type=Whole(1, 10**12), required=True, metavar="N", help="a project for trials"
    )
    to.add_argument(
        "--account", type=text, required=True, metavar="NAME", help="a service account of the project"
    )
    to.add_argument(
        "--password-file",
        type=path,
        metavar="FILE",
        help=f"holds its password (or {PASSWORD_VARIABLE}; else it is asked for)",
    )
    to.add_argument("--region", choices=HOSTS, default="us", help="where the project lives (default us)")
    to.add_argument("--api-url", type=text, metavar="URL", help="of a Mixpanel simulator on this machine")


def probe(options: argparse.Namespace, stop: Stop) -> int:
    """Ask, or read back; return 0 where all is as expected."""
    if options.project == PRODUCTION:
        raise Refused(f"Project {PRODUCTION} is in production. Give a project for trials.")
    addresses = hosts(options.region, options.api_url)
    cases = all_cases()
    found = record.read(options.later, cases) if options.later else None
    if found and found.project != str(options.project):
        raise UsageFault(f"{options.later} is of project {found.project}.")
    mixpanel = Mixpanel(*addresses, str(options.project), _credentials(options))
    read_back = _reading_back(mixpanel)
    rows = _read_back(read_back, found, cases) if found else _ask(mixpanel, cases, options, stop)
    _print(rows, as_json=options.json)
    return 1 if any(row.differs for row in rows) else 0


def _ask(mixpanel: Mixpanel, cases: Sequence[Case], options: argparse.Namespace, stop: Stop) -> list[Row]:
    file = options.save or Path(f"whyness-probe-{mixpanel.project}.json")
    run = Run(secrets.token_hex(4), time.time_ns() // 1_000_000)
    kept = record.Record(mixpanel.project, run.run_id, run.started_ms, record.table_of(cases), [])
    if file.exists():
        raise UsageFault(f"{file} exists, of an earlier probe. Give another with --save.")
    rows: list[Row] = []
    record.write(kept, file, force=False)
    try:
        with Progress() as progress:
            rows.append(check(mixpanel, run, cases[0]))
            for count, case in enumerate(cases[1:], 2):
                if stop.is_set():
                    break
                rows.append(ask(mixpanel, run, case))
                progress(count, len(cases), "cases asked")
    finally:
        if rows:
            kept.asked.extend(row.case for row in rows)
            record.write(kept, file, force=True)
            _say(f"In an hour, run the same command with --later {file}.")
        else:
            file.unlink()
    return rows


def _reading_back(mixpanel: Mixpanel) -> ReadBack:
    """Return what reads the export, before anything is sent that nothing could read back.

    Raises:
        UsageFault: its library is missing, or the address is not one of an export.
    """
    try:
        from whyness_ops.probe import reading_back  # noqa: PLC0415  (its library is an extra)
    except ModuleNotFoundError as missing:
        library = missing.name
        raise UsageFault(f"A probe needs {library}. Install the wheel with its extra `audit`.") from None
    ask_export = reading_back.client(mixpanel).ask
    return partial(reading_back.read_back, ask_export, mixpanel.credentials)


def _read_back(read_back: ReadBack, found: record.Record, cases: Sequence[Case]) -> list[Row]:
    age_s = time.time() - found.started_ms / 1_000
    if age_s < _SETTLED_S:
        _say(f"Sent {age_s / 60:.0f} minutes ago: events can be late in the export. An hour is safe.")
    return read_back(found.run, [case for case in cases if case.name in found.asked])


def _credentials(options: argparse.Namespace) -> Credentials:
    """Return the account with its password, which is never an argument: other users see those.

    Raises:
        UsageFault: there is no password, or none that can be sent.
    """
    password = _of_file(options.password_file) if options.password_file else _of_environment()
    if not (password and options.account and password.isprintable()):
        raise UsageFault(
            f"No password, or not one line of text. Give --password-file or {PASSWORD_VARIABLE}."
        )
    return Credentials(options.account, password)


def _of_file(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise UsageFault(f"Cannot read {file}: {error.strerror}.") from error
    except UnicodeDecodeError:
        return ""


def _of_environment() -> str:
    if password := os.environ.get(PASSWORD_VARIABLE):
        return password
    with contextlib.suppress(EOFError):
        return getpass.getpass("Password of the service account: ") if sys.stdin.isatty() else ""
    return ""


def _print(rows: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(json.dumps(row.to_json()))  # noqa: T201  (a command line talks)
    else:
        output.emit(rows, rows_text, as_json=False)


def rows_text(rows: Sequence[Row]) -> str:
    """Return the table and the count of differences."""
    cells = [
        {
            "": "DIFFERS" if row.differs else "",
            "case": row.case,
            "expected": row.expected,
            "Mixpanel says": f"{row.says} ({row.message})" if row.differs and row.message else row.says,
        }
        for row in rows
    ]
    count = sum(row.differs for row in rows)
    return f"{output.table(cells, _COLUMNS)}\n\n{len(rows)} cases, {count} differ."


def _say(line: str) -> None:
    print(output.printable(line), file=sys.stderr, flush=True)  # noqa: T201  (a command line talks)
