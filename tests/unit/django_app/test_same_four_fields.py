"""A row has one event: whatever path it takes, on whatever host and however late, its four fields are one."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.db.models import Model
from django.test import Client

from example.whyness_crm.models import AuthUserTrackerClick, Contact, ContactTrackerClick, TrackerDestination
from example.whyness_django.models import AuthUser, TrackerLog
from tests.django_support import override, published
from tests.unit.django_app.rows import (
    CREATED,
    CREATED_MS,
    backfill,
    four_fields,
    make_activities,
    make_click,
)
from whyness_mixpanel import sources
from whyness_mixpanel.backends import locmem
from whyness_mixpanel.encoding import normalise
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.sources import Source, registry
from whyness_mixpanel.sources.whyness import SOURCES


@pytest.fixture
def site(db: None) -> Client:  # noqa: ARG001  (a fixture that is needed, not read)
    """The example with the stand-ins and somebody."""
    for number in (1, 7):
        AuthUser.objects.create(id=number, uid=f"user-{number}")
        Contact.objects.create(id=number, email=f"contact-{number}@example.org")
    TrackerDestination.objects.create(title="Newsletter", url="/")
    return Client()


def link_to(person: AuthUser | Contact) -> str:
    """Return the link that a mail to `person` would contain."""
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

    with override(HISTORY_BEFORE=CREATED + timedelta(microseconds=1)):
        backfill(source)
        filled, filled_events = taken()
        call_command("events", f"--{source}=1", stdout=StringIO())
        by_hand, by_hand_events = taken()

    assert filled == by_hand == [(*expected, CREATED_MS, "1")]
    assert filled_events == by_hand_events
    assert filled_events[0]["time_unit"] == "s"


# --- hosts whose clocks differ, and tries that come late


ROWS: dict[str, Callable[[datetime], Model]] = {
    "activity": lambda created: dated(TrackerLog, make_activities()[0].pk, created),
    "user-click": lambda created: dated(
        AuthUserTrackerClick, make_click(contact_id=7, is_prospect=False).pk, created
    ),
    "contact-click": lambda created: dated(
        ContactTrackerClick, make_click(contact_id=7, is_prospect=True).pk, created
    ),
}


def test_each_source_of_the_app_has_a_row_here() -> None:
    """A new source takes part in the test below."""
    assert set(ROWS) == {source.name for source in SOURCES}


def dated(model: type[Model], key: int, created: datetime) -> Model:
    """Return a row that the database has dated so."""
    model._base_manager.filter(pk=key).update(create_date=created)
    return model._base_manager.get(pk=key)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("skew_ms", [-1_000, -1, 0, 1_000])
@pytest.mark.parametrize("micros", [0, 999_500])
@pytest.mark.parametrize("source", ROWS)
def test_no_clock_and_no_delay_changes_an_event(source: str, micros: int, skew_ms: int) -> None:
    """Sent at once by a host whose clock differs, by another one, an hour later, and by each command."""
    created = CREATED.replace(microsecond=micros)
    row = ROWS[source](created)
    moment_ms = normalise.milliseconds(created)
    found = []
    for now_ms in (moment_ms + skew_ms, moment_ms - skew_ms, moment_ms + 3_600_000, None):
        with mock.patch.object(normalise, "now_ms", lambda now_ms=now_ms: now_ms) if now_ms else override():
            assert sources.event_for(row).send() is True
            found.append(json.loads(sources.event_for(row).json()))
    call_command("events", f"--{source}=1", stdout=StringIO())
    backfill(source)

    expected_ms = moment_ms // 1000 * 1000 if sources.get(source).whole_seconds else moment_ms
    assert {fields[2] for fields in four_fields()} == {expected_ms}
    assert len(set(four_fields())) == 1
    assert len(four_fields()) == 6
    assert all(event == found[0] for event in (*found, *published()))


def old_activity(log: TrackerLog) -> Event:
    """Return the event as the old app's call site makes it, unchanged."""
    event = Event()
    event.event = log.item.title
    event.insert_id = log.id
    event.time = int(log.create_date.timestamp())
    event.user = str(log.user.id)
    event.ip = log.ip
    event.useragent = log.useragent.useragent
    event.method = log.method
    return event


def old_click(click: AuthUserTrackerClick | ContactTrackerClick) -> Event:
    """Return the event as the old app's call site makes it, unchanged."""
    is_user = isinstance(click, AuthUserTrackerClick)
    event = Event()
    event.event = "User click" if is_user else "Prospect click"
    event.user = click.contact.id if is_user else f"p:{click.contact.id}"
    if click.contact.id == 1:
        event.user = ""
    event.insert_id = click.id
    event.time = int(click.create_date.timestamp())
    event.ip = click.update_ip
    event.data = f"{click.destination.xref}: {click.destination.title}"
    return event


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("person_id", [1, 7])
def test_call_sites_of_the_old_app_send_what_event_for_returns(person_id: int) -> None:
    """They need not be changed: all of the event is the same."""
    [activity] = make_activities(user_id=person_id)
    clicks = [make_click(contact_id=person_id, is_prospect=is_prospect) for is_prospect in (False, True)]
    activity.refresh_from_db()
    for click in clicks:
        click.refresh_from_db()

    assert old_activity(activity).json() == sources.event_for(activity).json()
    assert [old_click(click).json() for click in clicks] == [sources.event_for(c).json() for c in clicks]


@pytest.mark.usefixtures("db")
def test_a_row_that_waits_in_the_outbox_is_the_same_when_it_is_published() -> None:
    """What was written is what is sent, however long the queue was down."""
    [row] = make_activities()
    with override(BACKEND="sqs"):
        sources.event_for(row).send()
    encoded = Outbox.objects.get().encoded

    with mock.patch.object(normalise, "now_ms", return_value=CREATED_MS + 3_600_000):
        call_command("mixpanel_outbox", "drain", verbosity=0, stdout=StringIO())

    assert [json.loads(encoded)] == published()


@pytest.mark.usefixtures("db")
def test_a_registered_source_has_its_milliseconds_on_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fixed at registration, as whole seconds are for the three tables."""
    monkeypatch.setattr(
        registry, "_sources", dict(registry._sources) | {"activity": UPLOADS, "uploads": UPLOADS}
    )
    del registry._sources["activity"]
    [made] = make_activities()
    row = TrackerLog.objects.get(pk=made.pk)

    for skew_ms in (-1_000, 0, 1_000):
        with mock.patch.object(normalise, "now_ms", lambda skew_ms=skew_ms: CREATED_MS + 987 + skew_ms):
            sources.event_for(row).send()
    backfill("uploads")

    assert set(four_fields()) == {("Upload", "7", CREATED_MS + 987, f"uploads-{row.pk}")}
    assert len(four_fields()) == 4


UPLOADS = Source(
    name="uploads",
    model="whyness_django.TrackerLog",
    build=lambda row: Event(event="Upload", user=row.user_id),
)
