"""Which rows call sites may have sent with a context, which a backfill would take away."""

from datetime import datetime

from django.conf import settings
from django.db import router
from django.utils import timezone
from django.utils.module_loading import import_string

from whyness_mixpanel import conf
from whyness_mixpanel.middleware import ContextMiddleware
from whyness_mixpanel.sources.history import applied_at
from whyness_mixpanel.sources.source import Source
from whyness_mixpanel.tables import Log


def count_sent_live(
    source: Source, *, after: int, upper: int, since: datetime | None = None, until: datetime | None = None
) -> int:
    """Return how many rows may have been sent live, with a context.

    Those are the rows from the time on at which this app was installed, where the site has ContextMiddleware
    or SUPER_PROPERTIES.

    Args:
        source: whose rows.
        after: the key after which they begin.
        upper: the highest key.
        since: the earliest time; None for no bound.
        until: the first time that is excluded; None for no bound.
    """
    if not _has_context():
        return 0
    first = conf.HISTORY_BEFORE.get() or _installed_at()
    rows = source.rows().filter(pk__gt=after, pk__lte=upper)
    for moment in filter(None, (first, since)):
        rows = rows.filter(**{f"{source.created}__gte": _as_stored(moment)})
    if until is not None:
        rows = rows.filter(**{f"{source.created}__lt": _as_stored(until)})
    return rows.count()


def _has_context() -> bool:
    return bool(conf.SUPER_PROPERTIES.get()) or any(map(_is_ours, settings.MIDDLEWARE))


def _is_ours(path: str) -> bool:
    middleware = import_string(path)
    return isinstance(middleware, type) and issubclass(middleware, ContextMiddleware)


def _installed_at() -> datetime | None:
    first = min(applied_at(router.db_for_write(Log)).values(), default=None)
    return (
        timezone.make_aware(first, timezone.get_default_timezone())
        if first and timezone.is_naive(first)
        else first
    )


def _as_stored(moment: datetime) -> datetime:
    return moment if settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())
