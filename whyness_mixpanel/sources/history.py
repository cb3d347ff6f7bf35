"""Which rows older versions of the app have sent. Only the setting HISTORY_BEFORE says so."""

from datetime import datetime, timedelta

from django.db import connections, router
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from whyness_mixpanel import conf
from whyness_mixpanel.tables import Log

# Older versions of the app had this migration too.
_OLD_MIGRATION = "0001_initial"
# A new site applies all migrations of the app in one go.
_ONE_GO = timedelta(hours=1)


class HistoryUnknown(Exception):
    """It is unknown which rows older versions have sent. The text says what to set."""


def history_before() -> datetime | None:
    """Return the time before which older versions have sent the rows; None where there was no older version.

    Raises:
        HistoryUnknown: the setting is missing, and there are traces of an older version.
        SettingError: its value is invalid.
        django.db.Error: the database fails.
    """
    if not conf.HISTORY_BEFORE.is_set():
        _refuse_where_there_was_an_older_version()
    return conf.HISTORY_BEFORE.get()


def applied_at(alias: str) -> dict[str, datetime]:
    """Return when each migration of the app was applied, as the database has it."""
    recorded = MigrationRecorder(connections[alias]).applied_migrations()
    return {name: row.applied for (app, name), row in recorded.items() if app == "whyness_mixpanel"}


def _refuse_where_there_was_an_older_version() -> None:
    alias = router.db_for_write(Log)
    applied = applied_at(alias)
    first_old = applied.pop(_OLD_MIGRATION, None)
    if not applied:
        raise HistoryUnknown("The migrations of whyness_mixpanel are not applied. Run: manage.py migrate")
    first = min(applied.values())
    was_old = first_old is not None and abs(first - first_old) > _ONE_GO
    # Only older versions wrote to it, one row per event.
    if not (was_old or Log.objects.using(alias).exists()):
        return
    if timezone.is_naive(first):
        first = timezone.make_aware(first, timezone.get_default_timezone())
    raise HistoryUnknown(
        "HISTORY_BEFORE is not set, and an older version of whyness_mixpanel was installed here. Set it in "
        f"{conf.DICT_NAME} to the time at which this version began to send, such as the time of its "
        f'migration, datetime.fromisoformat("{first.isoformat()}"), or to None if no older version was here.'
    )
