"""What the management commands have in common."""

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter


class _HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Lists Django's options last, and leaves the examples as they are."""


class OurCommand(BaseCommand):
    """A command with examples in its help, whose options are given by their whole names.

    With argparse's abbreviations a new option would change the meaning of a command line that somebody has.
    """

    examples = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser."""
        return super().create_parser(prog_name, subcommand, **help_options(self.examples), **kwargs)


def help_options(examples: str) -> dict[str, Any]:
    """Return the arguments of a parser, or of an action's."""
    return {"epilog": examples, "formatter_class": _HelpFormatter, "allow_abbrev": False}
