import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.test import Client

from example.pages.management.commands.seed import Command as Seed
from example.whyness_crm.models import AuthUserTrackerClick, Contact, ContactTrackerClick, TrackerDestination
from example.whyness_django.models import AuthUser, TrackerItem, TrackerLog, UserAgent
from tests.django_support import override, published
from whyness_mixpanel.backends import locmem

CREATED = datetime(2025, 11, 23, 12, 13, 20, 987_654, tzinfo=UTC)
CREATED_MS = 1_763_900_000_000
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)"


@pytest.fixture
def site(db: None) -> Iterator[Client]:  # noqa: ARG001  (a fixture that is needed, not read)
    """The example with people and destinations, at a moment that has microseconds."""
    call_command(Seed(), users=2, contacts=2, stdout=StringIO())
    with mock.patch("django.utils.timezone.now", return_value=CREATED):
        yield Client()


def four_fields() -> list[tuple[Any, ...]]:
    """Return what decides, of each event, whether it is the same one."""
    return [(event["event"], event["user"], event["time"], event["insert_id"]) for event in published()]


def link_to(person: AuthUser | Contact) -> str:
    """Return the link that a mail to `person` would contain."""
    destination = TrackerDestination.objects.order_by("id")[0]
    return f"/goto/{destination.xref}/{person.xref}/"


def test_an_activity_is_a_row_and_the_event_of_it(site: Client) -> None:
    """The event has the item's title, the bare row key, whole seconds and the user's id."""
    user = AuthUser.objects.get(uid="user-1")

    response = site.put(f"/as/{user.id}/activity/Audio upload/", headers={"User-Agent": PHONE})

    log = TrackerLog.objects.get()
    assert response.status_code == 200
    assert (log.item.title, log.user, log.method, log.useragent.useragent) == (
        "Audio upload",
        user,
        "PUT",
        PHONE,
    )
    assert four_fields() == [("Audio upload", str(user.id), CREATED_MS, str(log.id))]
    assert [(event["data"], event["useragent"], event["ip"]) for event in published()] == [
        ("PUT", PHONE, "127.0.0.1")
    ]


def test_an_activity_of_nobody_is_logged_for_the_stand_in_and_sent_as_nobodys(site: Client) -> None:
    """AuthUser 1 stands in, as the old site has it; Mixpanel gets no user."""
    site.get("/activity/Audio upload/")

    log = TrackerLog.objects.get()
    assert log.user.id == 1
    assert four_fields() == [("Audio upload", "", CREATED_MS, str(log.id))]


def test_a_click_of_a_registered_user(site: Client) -> None:
    """It is logged, sent under its name with the destination as data, and leads there."""
    user = AuthUser.objects.get(uid="user-2")

    response = site.get(link_to(user))

    click = AuthUserTrackerClick.objects.get()
    assert (response.status_code, response.headers["Location"]) == (302, click.destination.url)
    assert four_fields() == [("User click", str(user.id), CREATED_MS, str(click.id))]
    assert published()[0]["data"] == f"{click.destination.xref}: Spring newsletter"
    assert "useragent" not in published()[0]


def test_a_click_of_a_prospect(site: Client) -> None:
    """A prospect's id is told apart from a user's by its prefix."""
    contact = Contact.objects.get(email="contact-2@example.org")

    site.get(link_to(contact))

    click = ContactTrackerClick.objects.get()
    assert four_fields() == [("Prospect click", f"p:{contact.id}", CREATED_MS, str(click.id))]


def test_clicks_of_the_stand_ins_are_nobodys(site: Client) -> None:
    """Id 1 of either table is the anonymous user."""
    site.get(link_to(AuthUser.objects.get(id=1)))
    site.get(link_to(Contact.objects.get(id=1)))

    assert [fields[:2] for fields in four_fields()] == [("User click", ""), ("Prospect click", "")]


def test_the_same_key_in_two_tables_is_two_events(site: Client) -> None:
    """Bare row keys are unique because the names differ by table."""
    site.get("/activity/Audio upload/")
    site.get(link_to(AuthUser.objects.get(uid="user-1")))
    site.get(link_to(Contact.objects.get(email="contact-1@example.org")))

    assert {fields[3] for fields in four_fields()} == {"1"}
    assert len(set(four_fields())) == 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (" 2001:db8::1 ,10.0.0.1", "2001:db8::1"),
        ("forged", "forged"),
        ("", "127.0.0.1"),
        (",", "127.0.0.1"),
    ],
)
def test_the_address_is_the_first_that_was_forwarded(header: str, expected: str, site: Client) -> None:
    """As the old code has it: the contract says what becomes of one that is forged."""
    site.get("/activity/Audio upload/", headers={"X-Forwarded-For": header})

    assert published()[0]["ip"] == expected


def test_titles_and_user_agents_are_kept_once(site: Client) -> None:
    """Items are made on first use, headers longer than the column are cut."""
    for _ in range(2):
        site.get("/activity/Audio upload/", headers={"User-Agent": "x" * 600})

    assert TrackerItem.objects.count() == 1
    assert UserAgent.objects.get().useragent == "x" * 500
    assert TrackerLog.objects.count() == len(published()) == 2


def test_an_event_that_cannot_be_sent_breaks_no_page(
    site: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A queue that fails is counted; even a mistake in the call site only logs."""
    monkeypatch.setattr(locmem, "publish", lambda *_, **__: 1 / 0)
    assert site.get("/activity/Audio upload/").status_code == 200
    assert site.get("/activity/%20/").status_code == 200  # a blank name: with locmem, send() raises

    stats = site.get("/stats/").json()

    assert (stats["logged"], stats["published"], stats["failed"], stats["invalid"]) == (2, 0, 1, 1)
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]


def test_a_mistake_at_the_call_site_breaks_no_redirect(
    site: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The visitor is led on whatever happens to the event."""
    monkeypatch.setattr("whyness_mixpanel.models.Event.send", lambda _: 1 / 0)

    assert site.get(link_to(AuthUser.objects.get(uid="user-1"))).status_code == 302

    assert AuthUserTrackerClick.objects.count() == 1
    assert "The event of a click could not be sent" in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "/as/999/activity/Audio upload/",
        f"/activity/{'x' * 101}/",
        f"/goto/{UUID(int=1)}/{UUID(int=2)}/",
        "/goto/1/1/",
    ],
)
def test_what_does_not_exist_is_not_found(path: str, site: Client) -> None:
    """And nothing is logged or sent for it."""
    assert site.get(path).status_code == 404
    assert published() == []


def test_a_link_to_a_person_who_does_not_exist_is_not_found(site: Client) -> None:
    """The destination exists, but the click has no person."""
    destination = TrackerDestination.objects.order_by("id")[0]

    assert site.get(f"/goto/{destination.xref}/{uuid4()}/").status_code == 404
    assert published() == []


def test_the_counts_as_json(site: Client) -> None:
    """Rows by table and together, and what became of the events of this process."""
    site.get("/activity/Audio upload/")
    site.get(link_to(AuthUser.objects.get(uid="user-1")))

    assert site.get("/stats/").json() == {
        "logged": 2,
        "activities": 1,
        "user_clicks": 1,
        "prospect_clicks": 0,
        "published": 2,
        "failed": 0,
        "refused": 0,
        "invalid": 0,
        "bots": 0,
        "context": 0,
        "unwritten": 0,
        "lost": 0,
        "suppressed": 0,
    }


class Page(HTMLParser):
    """What a test wants to know of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.assets: list[str] = []
        self.headings: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links, headings, and whatever a browser would fetch."""
        names = dict(attrs)
        if tag == "a":
            self.links.append(str(names["href"]))
        if tag in {"h1", "h2"}:
            self.headings.append(tag)
        if tag in {"script", "img", "iframe", "link"}:
            self.assets.append(names.get("src") or names.get("href") or "")


def test_the_home_page_shows_what_happened_and_every_link_on_it_works(site: Client) -> None:
    """One main heading, newest first, nothing fetched from elsewhere, and text that cannot become markup."""
    site.get("/activity/<b>Audio/")
    site.get(link_to(Contact.objects.get(email="contact-1@example.org")))

    text = site.get("/").content.decode()

    page = Page(text)
    assert page.headings[0] == "h1"
    assert page.headings.count("h1") == 1
    assert page.assets == ["data:,"]
    assert "url(" not in text
    assert "&lt;b&gt;Audio" in text
    assert "<b>" not in text
    assert len(page.links) > 5
    assert {site.get(link).status_code for link in page.links} == {200, 302}


@pytest.mark.usefixtures("db")
def test_an_empty_site_says_what_to_do() -> None:
    """Before `seed`, the home page answers too."""
    with override(BACKEND="console"):
        text = Client().get("/").content.decode()

    assert "manage.py seed" in text
    assert "<code>console</code>" in text


@pytest.mark.usefixtures("db")
def test_seeding_twice_changes_nothing() -> None:
    """The same people and xrefs, as JSON, for whoever drives the site."""
    first, second = StringIO(), StringIO()

    call_command(Seed(), users=3, contacts=15, stdout=first)
    call_command(Seed(), users=3, contacts=15, stdout=second)

    seeded = json.loads(first.getvalue())
    assert first.getvalue() == second.getvalue()
    assert {kind: len(rows) for kind, rows in seeded.items()} == {
        "users": 3,
        "contacts": 15,
        "destinations": 2,
    }
    assert 1 not in [row["id"] for kind in ("users", "contacts") for row in seeded[kind]]
