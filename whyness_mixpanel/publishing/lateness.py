"""The age of the oldest pending event, and the warning when it is too high."""

import logging
import time

from django.db import Error
from django.db.models.functions import Now

from whyness_mixpanel.publishing import outbox

logger = logging.getLogger("whyness_mixpanel")

LATE_S = 600
_LOOK_EACH_S, _WARN_EACH_S = 60.0, 3_600.0

_next_look_s: dict[str, float] = {}


def oldest_pending_s(alias: str) -> int | None:
    """Return the age of the oldest pending event in seconds, by the database's clock; None without events."""
    rows = outbox.pending(alias).order_by("id").annotate(now=Now()).values_list("created_at", "now")
    row = rows.first()
    return None if row is None else max(0, int((row[1] - row[0]).total_seconds()))


def warn_of_late(alias: str) -> None:
    """Warn, at most once an hour, when no drain seems to run. Checks at most once a minute."""
    now_s = time.monotonic()
    if now_s < _next_look_s.get(alias, 0.0):
        return
    _next_look_s[alias] = now_s + _LOOK_EACH_S
    try:
        age_s = oldest_pending_s(alias)
    except Error:
        return  # the next send logs it
    if age_s is not None and age_s > LATE_S:
        _next_look_s[alias] = now_s + _WARN_EACH_S
        logger.warning(
            "The oldest event in the outbox of %s has been waiting for %d minutes. Check that "
            "'manage.py mixpanel_outbox drain' is running.",
            alias,
            age_s // 60,
        )
