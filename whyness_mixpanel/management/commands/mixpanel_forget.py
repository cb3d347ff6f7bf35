"""`manage.py mixpanel_forget`: send nothing more about a person, and have deleted what was sent."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError
from django.db import Error
from django.utils import timezone

from whyness_events import InvalidEvent
from whyness_mixpanel import conf
from whyness_mixpanel.management.our_command import OurCommand
from whyness_mixpanel.privacy import dead_letters, forget
from whyness_mixpanel.privacy.deletion_api import NotAsked, from_settings
from whyness_mixpanel.privacy.suppression import Suppression
from whyness_mixpanel.publishing.purge import purge_outbox
from whyness_ops import OpsError

INCOMPLETE = 3

_EXAMPLES = """
examples:
  manage.py mixpanel_forget 123 p:45 --dry-run   what would be deleted; nothing is
  manage.py mixpanel_forget 123 p:45             user 123, and the prospect 45 that the user used to be
  manage.py mixpanel_forget --due                ask Mixpanel for whom it is time: run it once a day
  manage.py mixpanel_forget --status             how far Mixpanel is

exit codes: 0 all is done or on its way; 1 it was stopped, or the request makes no sense;
3 not all of it could be done: the output says what, run the command again. The last line is JSON.
"""


class Command(OurCommand):
    """Forget people. May be run again at any time."""

    help = "Send nothing more about people, delete what waits, and have Mixpanel delete what it has."

    examples = _EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the users and the options."""
        parser.add_argument(
            "users", nargs="*", metavar="USER", help="as in an event: 123, p:45 for a prospect"
        )
        parser.add_argument("--dry-run", action="store_true", help="count what would be deleted")
        parser.add_argument(
            "--due", action="store_true", help="ask Mixpanel, first or again, where it is time"
        )
        parser.add_argument(
            "--status", action="store_true", help="show how far Mixpanel is, of all or of USER"
        )

    def handle(self, **options: Any) -> None:
        """Forget."""
        users = list(dict.fromkeys(options["users"]))
        if sum((bool(users) and not options["status"], options["due"], options["status"])) != 1:
            raise CommandError("Name users, or give --due or --status. --help has examples.")
        if options["dry_run"] and not users:
            raise CommandError("--dry-run is for users.")
        self.faults: list[str] = []
        try:
            found = (
                self._status(users) if options["status"] else self._forget(users, dry_run=options["dry_run"])
            )
        except (Error, conf.SettingError) as error:
            fault = (
                str(error)
                if isinstance(error, conf.SettingError)
                else f"the database: {type(error).__name__}"
            )
            raise CommandError(f"Stopped by {fault}. Is the app migrated? Then run it again.") from error
        self.stdout.write(json.dumps(found | {"faults": self.faults}))
        if self.faults:
            raise CommandError("Not all of it is done: run it again.", returncode=INCOMPLETE)

    def _forget(self, users: Sequence[str], *, dry_run: bool) -> dict[str, Any]:
        _check(users)
        found: dict[str, Any] = {"users": users, "dry_run": dry_run, "suppressed": 0}
        if users:
            if not dry_run:
                found["suppressed"] = forget.suppress(users)
            found["outbox_rows"] = purge_outbox(users, dry_run=dry_run)
            self._say(f"Outbox: {found['outbox_rows']} events{' would be' if dry_run else ''} deleted.")
            found["dead_letters"] = self._purge_letters(users, dry_run=dry_run)
        found["asked"] = 0 if dry_run else self._ask(users)
        return found

    def _purge_letters(self, users: Sequence[str], *, dry_run: bool) -> dict[str, Any] | None:
        try:
            queue = dead_letters.queue_from_settings()
            if queue is None:
                self._say("Dead letters: not looked at, DEAD_LETTER_QUEUE_URL is not set.")
                return None
            report = dead_letters.purge(queue, users, dry_run=dry_run)
        except OpsError as error:
            self._fault(f"Dead letters: {error}")
            return None
        self._say(
            f"Dead letters: {report.looked_at} looked at, {report.purged} of these people alone, "
            f"{report.rewritten} with others' events, {report.unreadable} unreadable."
        )
        if not report.is_clean:
            self._fault("Dead letters: some could not be looked at or deleted. Run it again in 10 minutes.")
        return report.to_json()

    def _ask(self, users: Sequence[str]) -> int:
        now = timezone.now()
        asked = [each for each in forget.due(now) if not users or each.user in users]
        if not asked:
            self._say("Mixpanel: nobody has to be asked for.")
            return 0
        try:
            forget.ask(from_settings(), asked, now)
        except NotAsked as error:
            self._fault(f"{error} Then: manage.py mixpanel_forget --due")
            return 0
        self._say(f"Mixpanel: asked to delete {len(asked)} people. It takes up to 30 days.")
        return len(asked)

    def _status(self, users: Sequence[str]) -> dict[str, Any]:
        rows = Suppression.objects.filter(user__in=users) if users else Suppression.objects.all()
        if rows.exclude(tracking_id="").exists():
            try:
                forget.refresh(from_settings())
            except NotAsked as error:
                self._fault(f"{error} What follows was noted earlier.")
        listed = [_describe(row) for row in rows.order_by("pk").iterator()]
        for each in listed:
            self._say(
                f"{each['user']}: {each['status']}, asked {each['asked_at'] or 'never'}, "
                f"again {each['ask_again_at'] or '-'}"
            )
        return {"suppressed": listed, "unknown": sorted(set(users) - {each["user"] for each in listed})}

    def _say(self, text: str) -> None:
        self.stdout.write(text)

    def _fault(self, text: str) -> None:
        self.faults.append(text)
        self.stderr.write(text)


def _check(users: Sequence[str]) -> None:
    for user in users:
        try:
            forget.check_user(user)
        except InvalidEvent as error:
            raise CommandError(f"Nobody can be named {user!r}. {error}") from error


def _describe(row: Suppression) -> dict[str, Any]:
    again = forget.ask_again_at(row)
    return {
        "user": row.user,
        "status": row.status or "not asked",
        "suppressed_at": row.created_at.isoformat(),
        "asked_at": row.asked_at.isoformat() if row.asked_at else None,
        "ask_again_at": again.isoformat() if again else None,
    }
