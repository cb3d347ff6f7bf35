"""`redrive --site`, for one more version: the Django site redrives, by a command of its own."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from whyness_ops import redrive_command, terminal
from whyness_ops.option_types import text
from whyness_ops.stack_options import connect
from whyness_ops.stop import Stop

# Run as a program: these tools import no Django.
_PROGRAM = "whyness_mixpanel.management.redrive_site"
_WARNING = (
    "--site is deprecated; the next version does not have it. Run 'manage.py mixpanel_redrive' in the site: "
    "it takes the same options and always withholds the dead letters of suppressed users."
)


def add_redrive(parser: argparse.ArgumentParser) -> None:
    """Add the options of redrive, and --site."""
    redrive_command.add_redrive(parser)
    group = parser.add_argument_group("deprecated")
    group.add_argument(
        "--site",
        type=text,
        metavar="SETTINGS_MODULE",
        default=os.environ.get("WHYNESS_MIXPANEL_SITE", ""),
        help="run 'manage.py mixpanel_redrive' of this Django site (or WHYNESS_MIXPANEL_SITE)",
    )


def redrive(options: argparse.Namespace, stop: Stop) -> int:
    """Redrive; with --site this process becomes the site's command, which ends with its exit code."""
    if options.site:
        _become_command_of_site(options)
    return redrive_command.redrive(options, stop)


def _become_command_of_site(options: argparse.Namespace) -> NoReturn:
    print(f"whyness-mixpanel: {terminal.bold('warning')}: {_WARNING}", file=sys.stderr)  # noqa: T201
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: no module of the current directory replaces another.
    command = [sys.executable, "-P", "-m", _PROGRAM, options.site, *_forwarded(options)]
    os.execv(sys.executable, command)  # noqa: S606  (our own program)


def _forwarded(options: argparse.Namespace) -> Iterator[str]:
    """Yield the arguments for the site's command, which does not read QUEUE_URL and so on."""
    yield from _without_site(options.arguments[1:])
    stack = connect(options)[1]
    for name in ("queue_url", "dead_letter_queue_url", "log_table"):
        if value := getattr(stack, name):
            yield f"--{name.replace('_', '-')}={value}"


def _without_site(arguments: Sequence[str]) -> Iterator[str]:
    rest = iter(arguments)
    for argument in rest:
        if argument == "--site":
            next(rest)
        elif not argument.startswith("--site="):
            yield argument
