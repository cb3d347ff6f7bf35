"""`manage.py events`: publish single rows of the three Whyness tables, as it always did."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError

from whyness_events import WhynessEventsError
from whyness_mixpanel import privacy, sources
from whyness_mixpanel.publishing import publisher
from whyness_mixpanel.sources.whyness import ACTIVITY, PROSPECT_CLICK, USER_CLICK

_SOURCES = {
    "activity": ("Activity", ACTIVITY),
    "user_click": ("User click", USER_CLICK),
    "contact_click": ("Contact click", PROSPECT_CLICK),
}


class Command(BaseCommand):
    """Publish the rows named: the events that their call sites sent, so that they count once."""

    help = "Publish the event of a row; it counts once, however often it is sent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --activity, --user-click and --contact-click."""
        parser.add_argument("--activity", type=int, metavar="ID", help="an activity (TrackerLog)")
        parser.add_argument("--user-click", type=int, metavar="ID", help="a click of a registered user")
        parser.add_argument("--contact-click", type=int, metavar="ID", help="a click of a prospect")

    def handle(self, **options: Any) -> None:
        """Publish."""
        asked = [name for name in _SOURCES if options[name] is not None]
        if not asked:
            raise CommandError("Nothing to send: name a row by --activity, --user-click or --contact-click.")
        for name in asked:
            title, source = _SOURCES[name]
            self._send(f'{title} "{options[name]}"', source, options[name])

    def _send(self, what: str, source: sources.Source, key: int) -> None:
        try:
            encoded = source.encode(source.rows().get(pk=key), cut_over=sources.cut_over())
        except ObjectDoesNotExist as error:
            raise CommandError(f"{what} does not exist") from error
        except (LookupError, sources.NotMigrated) as error:
            raise CommandError(str(error)) from error
        except WhynessEventsError as error:
            raise CommandError(f"{what} makes no event: {error}") from error
        try:
            kept = privacy.filter_suppressed([encoded])
        except privacy.CannotFilter as error:
            raise CommandError(f"{what} is not sent: {error}") from error
        if not kept:
            raise CommandError(f"{what} is not sent: its person is suppressed or opted out")
        if not publisher.publish([encoded]):
            raise CommandError(f"{what} was not published: the log says why")
        self.stdout.write(self.style.SUCCESS(f"{what} is published"))
