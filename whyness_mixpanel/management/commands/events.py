"""`manage.py events`: publish single rows of the three Whyness tables."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import CommandError
from django.db import Error, OperationalError, ProgrammingError

from whyness_mixpanel import conf, sources
from whyness_mixpanel.management.our_command import OurCommand
from whyness_mixpanel.management.plain_errors import plain_errors
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.publishing import publisher
from whyness_mixpanel.sources.sent_live import count_sent_live
from whyness_mixpanel.sources.whyness import ACTIVITY, PROSPECT_CLICK, USER_CLICK

_SOURCES = {
    "activity": ("Activity", ACTIVITY),
    "user_click": ("User click", USER_CLICK),
    "contact_click": ("Contact click", PROSPECT_CLICK),
}
# What databases raise if a table is missing.
_MAY_BE_MISSING = (OperationalError, ProgrammingError)


class Command(OurCommand):
    """Publish the selected rows as the events that their call sites sent, so that each counts once."""

    help = "Publish the events of single rows. Each counts once, however often it is published."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --activity, --user-click and --contact-click."""
        parser.add_argument("--activity", type=int, metavar="ID", help="an activity (TrackerLog)")
        parser.add_argument("--user-click", type=int, metavar="ID", help="a click of a registered user")
        parser.add_argument("--contact-click", type=int, metavar="ID", help="a click of a prospect")
        parser.add_argument(
            "--again", action="store_true", help="also rows that were sent live, with their request's context"
        )

    def handle(self, **options: Any) -> None:
        """Publish."""
        asked = [name for name in _SOURCES if options[name] is not None]
        if not asked:
            raise CommandError("Nothing selected. Give --activity, --user-click or --contact-click.")
        with plain_errors():
            self._check(asked)
            faults = [
                fault
                for name in asked
                if (fault := self._send(*_SOURCES[name], options[name], again=options["again"]))
            ]
        if faults:
            raise CommandError("\n".join(faults))

    def _check(self, asked: list[str]) -> None:
        """Fail if no row can be sent."""
        if not conf.ENABLED.get():
            raise CommandError("Nothing was sent: the setting ENABLED is False.")
        missing = {_SOURCES[name][1].model for name in asked if not _SOURCES[name][1].is_installed}
        if missing:
            raise CommandError(
                f"Nothing was sent: {', '.join(sorted(missing))} is not installed. Check INSTALLED_APPS."
            )
        try:
            before = sources.history_before()
        except sources.HistoryUnknown as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"HISTORY_BEFORE: {before.isoformat() if before else None}")

    def _send(self, title: str, source: sources.Source, key: int, *, again: bool) -> str:
        """Publish a row; return its fault, or `""`."""
        what = f'{title} "{key}"'
        try:
            encoded = _encoded(source, key)
            if not again:
                _refuse_sent_live(source, key)
            _publish(encoded)
        except filters.CannotFilter as error:
            return f"{what} was not published: {error}"
        except _NotSentError as error:
            return f"{what} was not published: {error}"
        self.stdout.write(self.style.SUCCESS(f"{what} was published"))
        return ""


class _NotSentError(Exception):
    """Why a row was not published."""


def _encoded(source: sources.Source, key: int) -> str:
    try:
        return source.encode(source.rows().get(pk=key))
    except ObjectDoesNotExist as error:
        raise _NotSentError("the row does not exist") from error
    except sources.NoEvent as error:
        raise _NotSentError(f"{error}") from error
    except (Error, ValueError) as error:  # a database may hold values that a field may not
        hint = f". Is {source.model} migrated?" if isinstance(error, _MAY_BE_MISSING) else ""
        raise _NotSentError(f"the row cannot be read ({type(error).__name__}){hint}") from error


def _refuse_sent_live(source: sources.Source, key: int) -> None:
    if count_sent_live(source, after=key - 1, upper=key):
        raise _NotSentError(
            "it may have been sent live, with a context (page, campaign, address, browser), and its event in "
            "Mixpanel would be replaced by one without it. To publish it all the same, give --again"
        )


def _publish(encoded: str) -> None:
    if not filters.filter_suppressed([encoded]):
        raise _NotSentError("its person is suppressed or opted out")
    done = publisher.publish_each([encoded])
    if done.early:
        raise _NotSentError("its time is in the future; try again later")
    if not all(done.confirmed):
        raise _NotSentError(done.dead.get(0, done.fault))
