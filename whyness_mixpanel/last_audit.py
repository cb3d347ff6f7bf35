"""The last audit of this site: a row that `mixpanel_audit` writes, for `status` and the health view.

The row is in the site's database because the audit is there, and whoever shows it is there, too.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connections, router, transaction

from whyness_mixpanel.tables import LastAudit

_ONLY = 1


def store(line: Mapping[str, Any]) -> None:
    """Replace the row.

    Raises:
        django.db.Error: the database fails, or is not migrated.
    """
    alias = router.db_for_write(LastAudit)
    with transaction.atomic(using=alias):
        LastAudit.objects.using(alias).update_or_create(id=_ONLY, defaults={"line": dict(line)})


def last_audit() -> dict[str, Any] | None:
    """Return what the last audit told; None if there was none, or the database has no table for it yet.

    Raises:
        django.db.Error: the database fails.
    """
    alias = router.db_for_write(LastAudit)  # a replica may be behind
    table = LastAudit._meta.db_table  # noqa: SLF001  (Django's public API for models)
    if table not in connections[alias].introspection.table_names():
        return None
    line: dict[str, Any] | None = LastAudit.objects.using(alias).values_list("line", flat=True).first()
    return line
