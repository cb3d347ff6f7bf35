"""`manage.py mixpanel_outbox`: count, publish, list, release and delete the events in the outbox."""

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
  manage.py mixpanel_outbox                             count events by state and reason; show the last audit
  manage.py mixpanel_outbox status --json
  manage.py mixpanel_outbox drain                       publish all pending events, then exit (for cron)
  manage.py mixpanel_outbox drain --loop --interval 5   run until SIGTERM (for systemd)
  manage.py mixpanel_outbox drain --dry-run             count what would be published
  manage.py mixpanel_outbox list                        list the oldest parked events, one per line
  manage.py mixpanel_outbox list --reason "too large" --limit 1000 --json
  manage.py mixpanel_outbox show 17                     show an event in full (personal data)
  manage.py mixpanel_outbox release 17 18
  manage.py mixpanel_outbox release --all               release every parked event that is valid now
  manage.py mixpanel_outbox delete 17 18 --yes          delete them without asking
  manage.py mixpanel_outbox delete --all --yes          delete all parked events

exit codes: 0 done; 1 some events are left: not published, still parked, no longer parked, or not deleted
because the answer was no; 2 wrong arguments or an unknown id, and nothing was done"""


class Command(OurCommand):
    """Publish, show, release and delete the events in the outbox."""

    help = "Publish the pending events of the outbox; list, release or delete the parked ones."

    examples = _EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the actions."""
        actions = parser.add_subparsers(dest="action", required=False)
        kept: dict[str, Any] = {**help_options(_EXAMPLES), "parents": [base_options()]}
        status = actions.add_parser(
            "status", help="count pending and parked events, show the last audit (default)", **kept
        )
        drain = actions.add_parser("drain", help="publish pending events, oldest first", **kept)
        listing = actions.add_parser("list", help="list parked events, oldest first", **kept)
        show = actions.add_parser("show", help="show an event in full (personal data)", **kept)
        release = actions.add_parser(
            "release", help="let the relay publish parked events that are valid now", **kept
        )
        delete = actions.add_parser("delete", help="delete parked events permanently", **kept)
        _add_drain(drain)
        listing.add_argument(
            "--reason", type=_text, default="", metavar="TEXT", help="only events whose reason contains TEXT"
        )
        listing.add_argument(
            "--limit", type=_positive, default=100, help="events listed per database (default: 100)"
        )
        show.add_argument("id", type=_row_id, metavar="ID", help="id of a row, parked or pending")
        delete.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        for action in (release, delete):
            action.add_argument("ids", nargs="*", type=_row_id, metavar="ID", help="ids of parked rows")
            action.add_argument("--all", action="store_true", help="every row that is parked now")
        for action in (status, listing, show):
            action.add_argument(
                "--json", action="store_true", dest="as_json", help="print JSON, one object per line"
            )
        for action in (status, drain, listing, show, release, delete):
            action.add_argument("--database", help="alias of the database (default: each with an outbox)")

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
    """Return the aliases of the databases with an outbox, or only the one that is named."""
    if database is not None and database in set(connections) and outbox.has_table(database):
        return [database]
    aliases = outbox.aliases()
    if database is not None:
        raise CommandError(
            f"The database {database} has no outbox. Databases with one: {', '.join(aliases) or 'none'}.",
            returncode=outbox_actions.WRONG_ARGUMENTS,
        )
    if not aliases:
        raise CommandError("No database has an outbox. Run 'manage.py migrate whyness_mixpanel'.")
    return aliases


def _add_drain(drain: ArgumentParser) -> None:
    drain.add_argument("--loop", action="store_true", help="run until SIGTERM or Ctrl-C")
    drain.add_argument(
        "--interval", type=_positive, default=5, help="seconds between rounds of --loop (default: 5)"
    )
    drain.add_argument("--batch", type=_batch, default=500, help="events claimed at a time (default: 500)")
    drain.add_argument("--limit", type=_positive, help="events published per database (default: unlimited)")
    drain.add_argument("--dry-run", action="store_true", help="count the pending events, and publish none")


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
