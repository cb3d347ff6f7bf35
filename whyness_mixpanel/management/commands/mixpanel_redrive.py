"""`manage.py mixpanel_redrive`: send dead letters to the queue again, but not those of suppressed users."""

import argparse
from contextlib import nullcontext
from typing import Any

from django.core.management.base import CommandError

from whyness_mixpanel.management.our_command import OurCommand
from whyness_mixpanel.management.plain_errors import plain_errors
from whyness_mixpanel.management.site_stack import add_stack, with_settings
from whyness_mixpanel.privacy.redrive_check import refuse_suppressed
from whyness_ops import OpsError, Stop, redrive_command
from whyness_ops.options import add_output
from whyness_ops.output import printable
from whyness_ops.stop import STOPPED, stopped_by_signals


class Command(OurCommand):
    """Redrive. `whyness-mixpanel redrive` does the same without asking who is suppressed."""

    help = "Send dead letters to the queue again; those of suppressed users stay where they are."
    examples = """examples:
  manage.py mixpanel_redrive --reason rejected --dry-run
  manage.py mixpanel_redrive --reason rejected --since 2026-11-23 --edit fixes:shorten_names
  manage.py mixpanel_redrive --all

exit codes: 0 success; 1 partly done: matched dead letters were not sent or came back, or a setting is wrong;
2 wrong command line, or an edit function that cannot be loaded; 3 AWS refuses or cannot be reached;
4 refused because it is unsafe now; 130 stopped by Ctrl-C"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `whyness-mixpanel redrive`."""
        redrive_command.add_redrive(parser)
        add_output(parser)
        add_stack(parser)

    def handle(self, **given: Any) -> None:
        """Redrive."""
        is_own_program = getattr(self, "_called_from_command_line", False)
        with plain_errors(), stopped_by_signals() if is_own_program else nullcontext(Stop()) as stop:
            try:
                code = redrive_command.redrive(
                    with_settings(given), stop, check=refuse_suppressed, write=self.stdout.write
                )
            except OpsError as error:
                raise CommandError(printable(str(error)), returncode=error.exit_code) from error
        if stop.is_set():
            raise CommandError("Stopped. Run the command again for the rest.", returncode=STOPPED)
        if code:
            raise CommandError(
                "Partly done: dead letters were not sent, or came back. See the report.", returncode=code
            )
