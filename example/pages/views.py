"""The pages: the latest events, two ways to send one, and the counts."""

from datetime import datetime
from typing import NamedTuple

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from example.whyness_crm.clicks import goto
from example.whyness_crm.models import AuthUserTrackerClick, Contact, ContactTrackerClick, TrackerDestination
from example.whyness_django.models import NOBODY_ID, AuthUser, TrackerItem, TrackerLog
from example.whyness_django.tracking import tracker_log
from whyness_mixpanel import conf, counters

__all__ = ["activity", "goto", "home", "stats"]

_LATEST_COUNT = 12
_TITLES = ("Video watched", "Audio upload", "Profile viewed")


class Happening(NamedTuple):
    """A row of the table of the latest events, sorted by time."""

    time: datetime
    event: str
    who: str
    data: str


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the latest events, and links that send more."""
    context = {
        "latest": _latest(),
        "counts": counts(),
        "backend": conf.BACKEND.get(),
        "titles": _TITLES,
        "users": AuthUser.objects.exclude(id=NOBODY_ID).order_by("id")[:2],
        "contacts": Contact.objects.exclude(id=NOBODY_ID).order_by("id")[:2],
        "destination": TrackerDestination.objects.order_by("id").first(),
    }
    return render(request, "pages/home.html", context)


@csrf_exempt  # safe, because the page has no cookies and no session
def activity(request: HttpRequest, title: str, user_id: int | None = None) -> HttpResponse:
    """Log `title` for a registered user or an anonymous one; the address replaces a session."""
    longest = TrackerItem._meta.get_field("title").max_length or 0  # noqa: SLF001  (Django's public API for models)
    if len(title) > longest:
        raise Http404(f"A title can have at most {longest} characters.")
    user = get_object_or_404(AuthUser, id=user_id) if user_id is not None else None
    log = tracker_log(title, request, user)
    return render(request, "pages/activity.html", {"log": log})


@require_safe
def stats(request: HttpRequest) -> JsonResponse:  # noqa: ARG001  (Django's signature)
    """Return the counts as JSON."""
    return JsonResponse(counts())


def counts() -> dict[str, int]:
    """Return the number of rows, in total and by table, and the counters of this process's events."""
    logged = {
        "activities": TrackerLog.objects.count(),
        "user_clicks": AuthUserTrackerClick.objects.count(),
        "prospect_clicks": ContactTrackerClick.objects.count(),
    }
    return {"logged": sum(logged.values()), **logged, **counters.snapshot()}


def _latest() -> list[Happening]:
    activities = TrackerLog.objects.select_related("user", "item")[:_LATEST_COUNT]
    user_clicks = AuthUserTrackerClick.objects.select_related("contact", "destination").order_by("-id")
    prospect_clicks = ContactTrackerClick.objects.select_related("contact", "destination").order_by("-id")
    happenings = [
        *(Happening(row.create_date, row.item.title, str(row.user), row.method) for row in activities),
        *(_click("User click", row) for row in user_clicks[:_LATEST_COUNT]),
        *(_click("Prospect click", row) for row in prospect_clicks[:_LATEST_COUNT]),
    ]
    return sorted(happenings, reverse=True)[:_LATEST_COUNT]


def _click(event: str, row: AuthUserTrackerClick | ContactTrackerClick) -> Happening:
    return Happening(row.create_date, event, str(row.contact), row.destination.title)
