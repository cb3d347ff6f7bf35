"""`manage.py mixpanel_forget`: stop sending events about a person, and delete those already sent."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django.core.management.base import CommandError
from django.db import Error
from django.utils import timezone

from whyness_events import InvalidEvent
from whyness_mixpanel import conf
from whyness_mixpanel.management.our_command import OurCommand
from whyness_mixpanel.people import engage
from whyness_mixpanel.people.forgotten import delete_profiles
from whyness_mixpanel.people.state import Sender
from whyness_mixpanel.people.update import Project
from whyness_mixpanel.privacy import dead_letters, forget
from whyness_mixpanel.privacy.deletion_api import NotAsked, from_settings
from whyness_mixpanel.privacy.suppression import Suppression
from whyness_mixpanel.publishing.purge import purge_outbox
from whyness_ops import OpsError

INCOMPLETE = 3

_EXAMPLES = """
examples:
  manage.py mixpanel_forget 123 p:45 --dry-run   show what would be deleted, and delete nothing
  manage.py mixpanel_forget 123 p:45             user 123, and the prospect 45 that the user used to be
  manage.py mixpanel_forget --due                send the requests to Mixpanel that are due: run it once a day
  manage.py mixpanel_forget --status             show the state of the deletions at Mixpanel

exit codes: 0 done, or in progress at Mixpanel; 1 stopped, or wrong arguments; 3 partly done: the output
says what is missing, run the command again. The last line of the output is JSON.
"""


class Command(OurCommand):
    """Forget people. Running it again is safe."""

    help = "Stop sending events about people, delete those that wait, and have Mixpanel delete those it has."

    examples = _EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the users and the options."""
        parser.add_argument(
            "users", nargs="*", metavar="USER", help="a user id as in events: 123, or p:45 for a prospect"
        )
        parser.add_argument("--dry-run", action="store_true", help="count what would be deleted")
        parser.add_argument(
            "--due", action="store_true", help="send the deletion requests to Mixpanel that are due"
        )
        parser.add_argument(
            "--status", action="store_true", help="show the state of the deletions, of all users or of USER"
        )

    def handle(self, **options: Any) -> None:
        """Forget."""
        users = list(dict.fromkeys(options["users"]))
        if sum((bool(users) and not options["status"], options["due"], options["status"])) != 1:
            raise CommandError("Give either user ids, or --due, or --status. See --help for examples.")
        if options["dry_run"] and not users:
            raise CommandError("--dry-run needs user ids.")
        self.faults: list[str] = []
        try:
            if options["status"]:
                result = self._status(users)
            else:
                result = self._forget(users, dry_run=options["dry_run"])
        except (Error, conf.SettingError) as error:
            fault = f"the database failed ({type(error).__name__}). Check that the app is migrated."
            if isinstance(error, conf.SettingError):
                fault = f"{error}."
            raise CommandError(f"Stopped: {fault} Then run the command again.") from error
        self.stdout.write(json.dumps(result | {"faults": self.faults}))
        if self.faults:
            raise CommandError(
                "Not everything was done: see above. Run the command again.", returncode=INCOMPLETE
            )

    def _forget(self, users: Sequence[str], *, dry_run: bool) -> dict[str, Any]:
        _check(users)
        result: dict[str, Any] = {"users": users, "dry_run": dry_run, "suppressed": 0}
        if users:
            if not dry_run:
                result["suppressed"] = forget.suppress(users)
                result["profiles_deleted"] = self._delete_profiles(users)
            result["outbox_rows"] = purge_outbox(users, dry_run=dry_run)
            self._say(f"Outbox: {'would delete' if dry_run else 'deleted'} {result['outbox_rows']} events.")
            result["dead_letters"] = self._purge_dead_letters(users, dry_run=dry_run)
        result["asked"] = 0 if dry_run else self._ask(users)
        return result

    def _delete_profiles(self, users: Sequence[str]) -> bool:
        """Delete the profiles; also where the site registers none, for browsers make some."""
        if not conf.PROJECT_TOKEN.get():
            self._say("Profiles: skipped, because PROJECT_TOKEN is not set.")
            return False
        project = Project.from_settings()
        sender, post = Sender(uuid4().hex), engage.poster(project.url)
        verdict = delete_profiles(users, project=project, sender=sender, post=post)
        if verdict is engage.Verdict.YES:
            self._say(f"Profiles: deleted those of {len(users)} people.")
            return True
        is_unsure = verdict is engage.Verdict.UNSURE
        why = "cannot be reached" if is_unsure else "did not accept it; check PROJECT_TOKEN and MIXPANEL_URL"
        self._fault(f"Profiles: they may not be deleted, because Mixpanel {why}.")
        return False

    def _purge_dead_letters(self, users: Sequence[str], *, dry_run: bool) -> dict[str, Any] | None:
        try:
            queue = dead_letters.queue_from_settings()
            if queue is None:
                self._say("Dead letters: skipped, because DEAD_LETTER_QUEUE_URL is not set.")
                return None
            report = dead_letters.purge(queue, users, dry_run=dry_run)
        except OpsError as error:
            self._fault(f"Dead letters: {error}")
            return None
        self._say(
            f"Dead letters: inspected {report.looked_at}; {report.purged} about these people only, "
            f"{report.rewritten} about others too, {report.unreadable} unreadable."
        )
        if not report.is_clean:
            self._fault(
                "Dead letters: some could not be inspected or deleted. Run the command again in 10 minutes."
            )
        return report.to_json()

    def _ask(self, users: Sequence[str]) -> int:
        now = timezone.now()
        asked = [person for person in forget.due(now) if not users or person.user in users]
        if not asked:
            self._say("Mixpanel: no deletion request is due.")
            return 0
        if not users:
            self._delete_profiles([person.user for person in asked])
        try:
            forget.ask(from_settings(), asked, now)
        except NotAsked as error:
            self._fault(f"{error} Then run: manage.py mixpanel_forget --due")
            return 0
        self._say(f"Mixpanel: requested the deletion of {len(asked)} people. It takes up to 30 days.")
        return len(asked)

    def _status(self, users: Sequence[str]) -> dict[str, Any]:
        rows = Suppression.objects.filter(user__in=users) if users else Suppression.objects.all()
        if rows.exclude(tracking_id="").exists():
            try:
                forget.refresh(from_settings())
            except NotAsked as error:
                self._fault(f"{error} The states shown may be out of date.")
        listed = [_describe(row) for row in rows.order_by("pk").iterator()]
        for person in listed:
            self._say(
                f"{person['user']}: {person['status']}, requested {person['asked_at'] or 'never'}, "
                f"next request {person['ask_again_at'] or 'none'}"
            )
        return {"suppressed": listed, "unknown": sorted(set(users) - {person["user"] for person in listed})}

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
            raise CommandError(
                f'{user!r} is not a user id: {error.found}. Use "123" for a user, "p:45" for a prospect.'
            ) from error


def _describe(row: Suppression) -> dict[str, Any]:
    again = forget.ask_again_at(row)
    return {
        "user": row.user,
        "status": row.status or "not asked",
        "suppressed_at": row.created_at.isoformat(),
        "asked_at": row.asked_at.isoformat() if row.asked_at else None,
        "ask_again_at": again.isoformat() if again else None,
    }
