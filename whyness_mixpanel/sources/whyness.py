"""The three tables of Whyness. Each event equals that of its call site, field by field.

The insert id is given, though the source sets it, so that none is made for nothing.
"""

from typing import Any

from whyness_mixpanel.models import Event
from whyness_mixpanel.sources.source import Source

# The call sites of clicks send no user for this id, whatever ANONYMOUS_USERS says.
_NOBODY_ID = 1


def _activity(row: Any) -> Event:
    event = Event(
        event=row.item.title,
        insert_id=row.pk,
        user=str(row.user_id),
        ip=row.ip,
        useragent=row.useragent.useragent,
    )
    event.method = row.method
    return event


def _user_click(row: Any) -> Event:
    return Event(
        event="User click",
        insert_id=row.pk,
        user=_user_of_click(row),
        ip=row.update_ip,
        data=_destination(row),
    )


def _prospect_click(row: Any) -> Event:
    return Event(
        event="Prospect click",
        insert_id=row.pk,
        user=_prospect_of(row),
        ip=row.update_ip,
        data=_destination(row),
    )


def _user_of_activity(row: Any) -> str:
    return str(row.user_id)  # also for the anonymous user, for whom older versions sent "1"


def _user_of_click(row: Any) -> str:
    return "" if row.contact_id == _NOBODY_ID else str(row.contact_id)


def _prospect_of(row: Any) -> str:
    return "" if row.contact_id == _NOBODY_ID else f"p:{row.contact_id}"


def _destination(row: Any) -> str:
    return f"{row.destination.xref}: {row.destination.title}"


ACTIVITY = Source(
    name="activity",
    model="whyness_django.TrackerLog",
    build=_activity,
    joins=("item", "useragent"),
    whole_seconds=True,
    bare_key=True,
    old_user=_user_of_activity,
)
USER_CLICK = Source(
    name="user-click",
    model="whyness_crm.AuthUserTrackerClick",
    build=_user_click,
    joins=("destination",),
    whole_seconds=True,
    bare_key=True,
    old_user=_user_of_click,
)
PROSPECT_CLICK = Source(
    name="contact-click",
    model="whyness_crm.ContactTrackerClick",
    build=_prospect_click,
    joins=("destination",),
    whole_seconds=True,
    bare_key=True,
    old_user=_prospect_of,
)
SOURCES = (ACTIVITY, USER_CLICK, PROSPECT_CLICK)
