"""Log a click on a link, send it as an event, and redirect to the link's destination."""

import logging
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect

from example.whyness_crm.models import AuthUserTrackerClick, Contact, ContactTrackerClick, TrackerDestination
from example.whyness_django.models import AuthUser
from example.whyness_django.tracking import client_ip
from whyness_mixpanel import sources

logger = logging.getLogger("whyness_mixpanel")


@transaction.atomic
def goto(request: HttpRequest, link: UUID, user: UUID) -> HttpResponseRedirect:
    """Log that the person with the xref `user` clicked `link`, and redirect to its destination."""
    destination = get_object_or_404(TrackerDestination, xref=link)
    registered = AuthUser.objects.filter(xref=user).first()
    click: AuthUserTrackerClick | ContactTrackerClick
    if registered:
        click = AuthUserTrackerClick.objects.create(
            destination=destination, contact=registered, update_ip=client_ip(request)
        )
    else:
        click = ContactTrackerClick.objects.create(
            destination=destination,
            contact=get_object_or_404(Contact, xref=user),
            update_ip=client_ip(request),
        )
    try:
        sources.event_for(click).send()
    except Exception:
        logger.exception("The event of a click could not be sent")
    return redirect(destination.url)
