"""Logs activity and sends it as an event."""

import logging

from django.db import transaction
from django.http import HttpRequest

from example.whyness_django.models import NOBODY_ID, AuthUser, TrackerItem, TrackerLog, UserAgent
from whyness_mixpanel import sources

logger = logging.getLogger("whyness_mixpanel")


def client_ip(request: HttpRequest) -> str:
    """Return the address the request says it comes from; it may be empty or forged."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded.split(",")[0].strip() or request.META.get("REMOTE_ADDR", "")


@transaction.atomic
def tracker_log(activity: str, request: HttpRequest, user: AuthUser | None) -> TrackerLog:
    """Log that `user` (None: nobody who is signed in) did `activity`, and send the event of it."""
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
