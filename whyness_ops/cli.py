"""The command line: runs a command, and turns errors and signals into texts and exit codes."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from whyness_ops import terminal
from whyness_ops.argument_parser import parse
from whyness_ops.errors import OpsError
from whyness_ops.options import make_parser
from whyness_ops.output import printable
from whyness_ops.stop import STOPPED, stopped_by_signals


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = parse(make_parser(), arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # dead letters hold any text, a terminal not
    with stopped_by_signals() as stop:
        try:
            code: int = options.run(options, stop)
            sys.stdout.flush()
        except OpsError as error:
            text = f"whyness-mixpanel: {terminal.red('error')}: {printable(str(error))}"
            print(text, file=sys.stderr)  # noqa: T201  (a command line talks)
            code = error.exit_code
        except BrokenPipeError:  # the reader had enough, as in `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except KeyboardInterrupt:  # the second one
            code = STOPPED
    return STOPPED if stop.is_set() else code
