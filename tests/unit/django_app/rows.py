"""Rows of the three tables, and the commands that read them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from django.core.management import call_command

from example.whyness_crm.models import AuthUserTrackerClick, Contact, ContactTrackerClick, TrackerDestination
from example.whyness_django.models import AuthUser, TrackerItem, TrackerLog, UserAgent
from tests.django_support import published
from whyness_mixpanel.backends import LIVE_GROUP, Answer, Publish, all_of, locmem

CREATED = datetime(2025, 11, 23, 12, 13, 20, 987_654, tzinfo=UTC)
CREATED_MS = 1_763_900_000_000
LONG_BEFORE = CREATED - timedelta(days=30)


def make_activities(
    count: int = 1, *, user_id: int = 7, title: str = "Audio upload", created: datetime = CREATED
) -> list[TrackerLog]:
    """Return `count` new activities of a user."""
    user = AuthUser.objects.get_or_create(id=user_id, defaults={"uid": f"user-{user_id}"})[0]
    useragent = UserAgent.objects.get_or_create(useragent="UA")[0]
    item = TrackerItem.objects.get_or_create(title=title)[0]
    made = [
        TrackerLog.objects.create(user=user, item=item, useragent=useragent, method="PUT", ip="203.0.113.9")
        for _ in range(count)
    ]
    TrackerLog.objects.filter(pk__in=[row.pk for row in made]).update(create_date=created)
    return made


def make_click(*, contact_id: int, is_prospect: bool) -> AuthUserTrackerClick | ContactTrackerClick:
    """Return a new click of a prospect, or of a registered user."""
    destination = TrackerDestination.objects.get_or_create(title="Newsletter", defaults={"url": "/"})[0]
    click: AuthUserTrackerClick | ContactTrackerClick
    if is_prospect:
        contact = Contact.objects.get_or_create(id=contact_id)[0]
        click = ContactTrackerClick.objects.create(destination=destination, contact=contact)
    else:
        user = AuthUser.objects.get_or_create(id=contact_id, defaults={"uid": f"user-{contact_id}"})[0]
        click = AuthUserTrackerClick.objects.create(destination=destination, contact=user)
    type(click)._base_manager.filter(pk=click.pk).update(create_date=CREATED)
    return click


def backfill(*arguments: str, stderr: StringIO | None = None) -> dict[str, Any]:
    """Run the command; return the JSON of its last line."""
    out = StringIO()
    call_command("mixpanel_backfill", *arguments, stdout=out, stderr=stderr or StringIO())
    document: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return document


def four_fields() -> list[tuple[Any, ...]]:
    """Return what decides, of each event published, whether it is the same one."""
    return [(event["event"], event["user"], event["time"], event["insert_id"]) for event in published()]


def failing_after(calls: int, fault: BaseException) -> Publish:
    """Return a `publish` that works for some calls, and then raises."""
    left = iter(range(calls))

    def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (a Publish)
        if next(left, None) is None:
            raise fault
        locmem.messages.extend(bodies)
        return all_of(bodies)

    return publish
