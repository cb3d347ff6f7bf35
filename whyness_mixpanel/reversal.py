"""Refuses to reverse migrations that would lose rows, before the first of them is undone.

Each migration is a transaction of its own: where only the last one to be reversed refused, those before it
would be undone already, and the code that runs would miss their tables.
"""

from collections.abc import Sequence
from types import SimpleNamespace

from django.apps.registry import Apps
from django.core.management.base import CommandError
from django.db import Error, connections
from django.db.migrations import Migration
from django.db.migrations.exceptions import IrreversibleError

_APP = "whyness_mixpanel"


def refuse_reversal(*, plan: Sequence[tuple[Migration, bool]], using: str, apps: Apps, **_: object) -> None:
    """Ask each migration that is to be reversed whether it may be; a receiver of pre_migrate.

    Raises:
        CommandError: one of them would lose rows.
    """
    editor = SimpleNamespace(connection=connections[using])
    for migration, is_backwards in plan:
        refuse = getattr(migration, "refuse_reversal", None)
        if not is_backwards or migration.app_label != _APP or refuse is None:
            continue
        try:
            refuse(apps, editor)
        except IrreversibleError as error:
            raise CommandError(f"Nothing was reversed. {error}") from error
        except Error:  # there is no such table (--fake); if something else is wrong, the migration says so
            continue
