"""Refuses to reverse migrations that would lose rows, before the first of them is undone.

Each migration runs in a transaction of its own. If only the last one refused, those before it would be
reversed already, and the running code would miss their tables.
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
    """Check every migration of the plan that is reversed; a receiver of pre_migrate.

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
        except Error:  # the table is missing (--fake); any other fault the migration itself reports
            continue
