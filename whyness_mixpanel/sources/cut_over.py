"""Since when this version of the app has been sending: the moment its first own migration was applied."""

from datetime import datetime

from django.db import connections, router
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Min

from whyness_mixpanel.models import Log

# The one that older versions of the app had applied themselves.
_OLD_MIGRATION = "0001_initial"


class NotMigrated(Exception):  # noqa: N818  (a state, which `migrate` ends)
    """The app's migrations are not applied, so nobody can tell which rows older versions have sent."""

    def __str__(self) -> str:
        return "The migrations of whyness_mixpanel are not applied. Run: manage.py migrate"


def cut_over() -> datetime:
    """Return when this version of the app was migrated to, on the database of its own tables.

    Raises:
        NotMigrated: it was not.
    """
    recorder = MigrationRecorder(connections[router.db_for_read(Log)])
    if not recorder.has_table():
        raise NotMigrated
    own = recorder.migration_qs.filter(app="whyness_mixpanel").exclude(name=_OLD_MIGRATION)
    found: datetime | None = own.aggregate(first=Min("applied"))["first"]
    if found is None:
        raise NotMigrated
    return found
