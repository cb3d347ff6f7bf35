"""The command `whyness-mixpanel completion`: a script with which a shell completes commands and options."""

import argparse
import importlib
import sys
from typing import Any

from whyness_ops import help_texts
from whyness_ops.argument_parser import ArgumentParser, Commands, add_parser, walk
from whyness_ops.errors import UsageFault
from whyness_ops.option_types import path
from whyness_ops.stop import Stop

SHELLS = ("bash", "zsh", "fish")


def add_completion(group: Commands, root: ArgumentParser) -> None:
    """Add the command, which completes all commands of `root`."""
    help_ = "print a completion script for a shell"
    parser = add_parser(group, "completion", help_, help_texts.COMPLETION)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    parser.set_defaults(run=completion, root=root)


def completion(options: argparse.Namespace, _: Stop) -> int:
    """Print the script of a shell."""
    try:
        shtab: Any = importlib.import_module("shtab")
    except ModuleNotFoundError as error:
        raise UsageFault(
            "Completion needs the library shtab. Install the wheel with its extra `cli`, or shtab itself."
        ) from error
    for _names, parser in walk(options.root):
        for action in parser._actions:  # noqa: SLF001  (argparse has no other way to ask)
            if action.type is path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own way to say so
    sys.stdout.write(shtab.complete(options.root, options.shell) + "\n")
    return 0
