"""`manage.py mixpanel_outbox`: publish what waits, see what waits, look after what is parked."""

from argparse import ArgumentParser, ArgumentTypeError
from functools import partial
from typing import Any

from django.core.management.base import CommandError
from django.db import connections

from whyness_mixpanel.management import outbox_actions
from whyness_mixpanel.management.base_options import base_options
from whyness_mixpanel.management.our_command import OurCommand, help_options
from whyness_mixpanel.management.outbox_drain import drain_outboxes
from whyness_mixpanel.management.outbox_status import show_status
from whyness_mixpanel.management.plain_errors import plain_errors
from whyness_mixpanel.publishing import outbox

_EXAMPLES = """examples:
  manage.py mixpanel_outbox                             what waits, and why events are parked
  manage.py mixpanel_outbox status --json
  manage.py mixpanel_outbox drain                       publish all that waits, then end (for cron)
  manage.py mixpanel_outbox drain --loop --interval 5   go on until SIGTERM (for systemd)
  manage.py mixpanel_outbox drain --dry-run             say what would be published
  manage.py mixpanel_outbox list                        the oldest parked events, a line each
  manage.py mixpanel_outbox list --reason "too large" --limit 1000 --json
  manage.py mixpanel_outbox show 17                     all of an event: personal data
  manage.py mixpanel_outbox release 17 18
  manage.py mixpanel_outbox release --all               release every parked event that keeps the rules now
  manage.py mixpanel_outbox delete 17 18 --yes          give them up; without --yes it asks
  manage.py mixpanel_outbox delete --all --yes          give up all that is parked

exit codes: 0 done; 1 something is left: not published, still parked, not parked any more, or not deleted
because the answer was no; 2 wrong arguments, or an id that is not there: then nothing was done"""


class Command(OurCommand):
    """Publish, show, release and delete the events in the outbox."""

    help = "Publish the events that wait in the outbox, show them, release or delete those that are parked."

    examples = _EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the actions."""
        actions = parser.add_subparsers(dest="action", required=False)
        kept: dict[str, Any] = {**help_options(_EXAMPLES), "parents": [base_options()]}
        status = actions.add_parser("status", help="count what waits (without an action, too)", **kept)
        drain = actions.add_parser("drain", help="publish what waits, oldest first", **kept)
        listing = actions.add_parser("list", help="list parked events, oldest first", **kept)
        show = actions.add_parser("show", help="show all of an event: personal data", **kept)
        release = actions.add_parser("release", help="let the relay have parked events", **kept)
        delete = actions.add_parser("delete", help="give up parked events", **kept)
        _add_drain(drain)
        listing.add_argument(
            "--reason", type=_text, default="", metavar="TEXT", help="whose reason has this in it"
        )
        listing.add_argument("--limit", type=_positive, default=100, help="per database (default: 100)")
        show.add_argument("id", type=_row_id, metavar="ID", help="id of a row, parked or pending")
        delete.add_argument("--yes", action="store_true", help="do not ask")
        for action in (release, delete):
            action.add_argument("ids", nargs="*", type=_row_id, metavar="ID", help="ids of parked rows")
            action.add_argument("--all", action="store_true", help="every row that is parked now")
        for action in (status, listing, show):
            action.add_argument("--json", action="store_true", dest="as_json", help="JSON, a line each")
        for action in (status, drain, listing, show, release, delete):
            action.add_argument("--database", help="alias (default: each that has an outbox)")

    def handle(self, *, action: str | None, database: str | None = None, **options: Any) -> None:
        """Do `action`; without one, show what waits."""
        actions: dict[str, Any] = {
            "drain": partial(
                drain_outboxes, is_own_program=getattr(self, "_called_from_command_line", False)
            ),
            "status": show_status,
            "list": partial(outbox_actions.list_parked, note=self.stderr.write),
            "show": outbox_actions.show_row,
            "release": outbox_actions.release,
            "delete": outbox_actions.delete,
        }
        with plain_errors():
            actions[action or "status"](_aliases(database), self.stdout.write, **options)


def _aliases(database: str | None) -> list[str]:
    """Return the databases to look at: each that has an outbox, or the one that is named."""
    if database is not None and database in set(connections) and outbox.has_table(database):
        return [database]
    aliases = outbox.aliases()
    if database is not None:
        raise CommandError(
            f"{database} has no outbox. Those that have: {', '.join(aliases) or 'none'}.",
            returncode=outbox_actions.WRONG_ARGUMENTS,
        )
    if not aliases:
        raise CommandError("No database has an outbox: run 'manage.py migrate whyness_mixpanel'.")
    return aliases


def _add_drain(drain: ArgumentParser) -> None:
    drain.add_argument("--loop", action="store_true", help="go on until SIGTERM or Ctrl-C")
    drain.add_argument(
        "--interval", type=_positive, default=5, help="seconds between rounds of --loop (default: 5)"
    )
    drain.add_argument("--batch", type=_batch, default=500, help="events claimed at a time (default: 500)")
    drain.add_argument("--limit", type=_positive, help="events in all, per database (default: no limit)")
    drain.add_argument("--dry-run", action="store_true", help="claim and publish nothing")


def _whole_number(text: str, most: int) -> int:
    is_one = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not (is_one and 1 <= int(text) <= most):
        raise ArgumentTypeError(f"must be a positive integer, at most {most}")
    return int(text)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError("must be text in the terminal's encoding") from None
    if "\x00" in text:
        raise ArgumentTypeError("must be text without a NUL")
    return text


# No interval or limit is larger; a batch fits into one statement, and an id into its column.
_positive = partial(_whole_number, most=1_000_000_000)
_batch = partial(_whole_number, most=10_000)
_row_id = partial(_whole_number, most=2**63 - 1)
