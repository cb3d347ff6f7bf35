"""A row has one event: its call site, the command `events` and the backfill send the same four fields."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from example.whyness_crm.models import Contact, TrackerDestination
from example.whyness_django.models import AuthUser
from tests.django_support import published
from tests.unit.django_app.rows import (
    CREATED,
    CREATED_MS,
    LONG_BEFORE,
    backfill,
    four_fields,
    make_activities,
    make_click,
    migrated_at,
)
from whyness_mixpanel.backends import locmem


@pytest.fixture
def site(db: None) -> Iterator[Client]:  # noqa: ARG001  (a fixture that is needed, not read)
    """The example with the stand-ins, somebody, and a moment with microseconds, long after the migration."""
    for number in (1, 7):
        AuthUser.objects.create(id=number, uid=f"user-{number}")
        Contact.objects.create(id=number, email=f"contact-{number}@example.org")
    TrackerDestination.objects.create(title="Newsletter", url="/")
    with migrated_at(LONG_BEFORE):
        yield Client()


def link_to(person: AuthUser | Contact) -> str:
    """Return the address that a letter to `person` would have."""
    return f"/goto/{TrackerDestination.objects.get().xref}/{person.xref}/"


def taken() -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:
    """Return the four fields and the events published since the last time."""
    found = four_fields(), published()
    locmem.messages.clear()
    return found


CASES = {
    "activity of a user": ("/as/7/activity/Audio upload/", "activity", ("Audio upload", "7")),
    "activity of nobody": ("/activity/Audio upload/", "activity", ("Audio upload", "")),
    "click of a user": (lambda: link_to(AuthUser.objects.get(id=7)), "user-click", ("User click", "7")),
    "click of the stand-in": (lambda: link_to(AuthUser.objects.get(id=1)), "user-click", ("User click", "")),
    "click of a prospect": (
        lambda: link_to(Contact.objects.get(id=7)),
        "contact-click",
        ("Prospect click", "p:7"),
    ),
    "click of prospect 1": (
        lambda: link_to(Contact.objects.get(id=1)),
        "contact-click",
        ("Prospect click", ""),
    ),
}


@pytest.mark.parametrize(("path", "source", "expected"), CASES.values(), ids=CASES)
def test_every_path_sends_the_same_event(
    path: str | Callable[[], str], source: str, expected: tuple[str, str], site: Client
) -> None:
    """All of it, not only the four fields; whole seconds, though the row has microseconds."""
    with mock.patch("django.utils.timezone.now", return_value=CREATED):
        site.get(path if isinstance(path, str) else path(), headers={"User-Agent": "UA"})
    live, live_events = taken()

    call_command("events", f"--{source}=1", stdout=StringIO())
    by_hand, by_hand_events = taken()
    backfill(source)
    filled, filled_events = taken()

    assert live == [(*expected, CREATED_MS, "1")]
    assert by_hand == live
    assert filled == live
    assert by_hand_events == live_events
    assert filled_events == live_events


@pytest.mark.usefixtures("site")
def test_running_twice_sends_the_same_again() -> None:
    """So Mixpanel counts it once."""
    make_activities(3)

    backfill("activity")
    first = taken()
    backfill("activity")

    assert len(first[0]) == 3
    assert taken() == first


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("source", "contact_id", "expected"),
    [
        ("activity", 7, ("Audio upload", "7")),
        ("activity", 1, ("Audio upload", "1")),
        ("user-click", 7, ("User click", "7")),
        ("user-click", 1, ("User click", "")),
        ("contact-click", 7, ("Prospect click", "p:7")),
        ("contact-click", 1, ("Prospect click", "")),
    ],
)
def test_history_has_the_fields_that_the_older_versions_sent(
    source: str, contact_id: int, expected: tuple[str, str]
) -> None:
    """Seconds as time, and the stand-in's own id; on the backfill and on the command `events` alike."""
    if source == "activity":
        make_activities(user_id=contact_id)
    else:
        make_click(contact_id=contact_id, is_prospect=source == "contact-click")

    with migrated_at(timezone.now() - timedelta(days=1)):
        backfill(source, "--history")
        filled, filled_events = taken()
        call_command("events", f"--{source}=1", stdout=StringIO())
        by_hand, by_hand_events = taken()

    assert filled == by_hand == [(*expected, CREATED_MS, "1")]
    assert filled_events == by_hand_events
    assert filled_events[0]["time_unit"] == "s"
