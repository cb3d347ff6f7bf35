"""Django's own options for the actions of a command."""

from argparse import SUPPRESS, ArgumentParser

from django.core.management.base import BaseCommand


def base_options() -> ArgumentParser:
    """Return a parent parser with `--verbosity`, `--settings` and so on, without defaults.

    Django adds them to the command only, so `command action --verbosity 0` would be refused.
    """
    parser = BaseCommand().create_parser("", "", add_help=False)
    for action in parser._actions:  # noqa: SLF001  (argparse has no public list of them)
        action.default = SUPPRESS
    return parser
