"""Log activity, and send it as an event."""

import logging

from django.db import transaction
from django.http import HttpRequest

from example.whyness_django.models import NOBODY_ID, AuthUser, TrackerItem, TrackerLog, UserAgent
from whyness_mixpanel import sources

logger = logging.getLogger("whyness_mixpanel")


def client_ip(request: HttpRequest) -> str:
    """Return the client's address according to the request; it may be empty or forged."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded.split(",")[0].strip() or request.META.get("REMOTE_ADDR", "")


@transaction.atomic
def tracker_log(activity: str, request: HttpRequest, user: AuthUser | None) -> TrackerLog:
    """Log `activity` of `user` (None: an anonymous visitor), and send its event."""
    useragent = request.headers.get("User-Agent", "")[:500]
    log = TrackerLog.objects.create(
        user=user or AuthUser.objects.get(id=NOBODY_ID),
        item=TrackerItem.objects.get_or_create(title=activity)[0],
        ip=client_ip(request),
        useragent=UserAgent.objects.get_or_create(useragent=useragent)[0],
        method=request.method or "",
    )
    try:
        sources.event_for(log).send()
    except Exception:
        logger.exception("The event of an activity could not be sent")
    return log
