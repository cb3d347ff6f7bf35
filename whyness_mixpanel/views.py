"""The health view: how many events wait in the outbox, for how long, and what the last audit found."""

import re
from typing import Any, TypedDict

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from whyness_mixpanel.last_audit import last_audit
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.publishing.lateness import LATE_S, oldest_pending_s

# Counting more would be slow where a database has millions.
MOST_COUNTED = 10_000
# Anybody may ask: how many events there are is left out, and why nothing was judged, which may name a path.
_OF_AUDIT = ("at", "since", "until", "exit_code", "result", "faults")
_SECONDS = re.compile("[0-9]{1,9}")


class Figures(TypedDict):
    """The figures of a database: counts up to MOST_COUNTED; the age is None where nothing is pending."""

    pending: int
    parked: int
    oldest_pending_s: int | None


@never_cache
@require_safe
@transaction.non_atomic_requests  # with ATOMIC_REQUESTS a database error would be raised outside the view
def health(request: HttpRequest) -> JsonResponse:
    """Return the figures of each database and the last audit.

    The status is 503 where a database fails, or an event is older than `?max_age_s=`.
    """
    max_age_s = request.GET.get("max_age_s", "")
    if max_age_s and not _SECONDS.fullmatch(max_age_s):
        error = "max_age_s must be a number of seconds: an integer of at most 9 digits."
        return JsonResponse({"error": error}, status=400)
    try:
        by_alias = {alias: figures(alias) for alias in outbox.aliases()}
        audit = _audit()
    except Exception as error:  # noqa: BLE001  (any failure of the database is the answer)
        return JsonResponse({"ok": False, "error": type(error).__name__}, status=503)
    ages_s = [numbers["oldest_pending_s"] or 0 for numbers in by_alias.values()]
    is_ok = bool(by_alias) and not (max_age_s and max(ages_s) > int(max_age_s))
    late = [alias for alias, numbers in by_alias.items() if (numbers["oldest_pending_s"] or 0) > LATE_S]
    warnings = [
        f"{alias}: the oldest event has been waiting for more than 10 minutes. Run manage.py mixpanel_check."
        for alias in late
    ]
    document = {"ok": is_ok, "databases": by_alias, "audit": audit}
    document |= {"warnings": warnings} if warnings else {}
    return JsonResponse(document, status=200 if is_ok else 503)


def _audit() -> dict[str, Any] | None:
    line = last_audit()
    return line and {name: line.get(name) for name in _OF_AUDIT}


def figures(alias: str) -> Figures:
    """Return the figures of a database."""
    return {
        "pending": outbox.pending(alias)[:MOST_COUNTED].count(),
        "parked": outbox.parked(alias)[:MOST_COUNTED].count(),
        "oldest_pending_s": oldest_pending_s(alias),
    }
