import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from example.whyness_django.models import TrackerLog
from tests.django_support import override
from tests.unit.django_app.rows import CREATED, CREATED_MS, make_activities, make_click
from whyness_events import InvalidEvent
from whyness_mixpanel import sources
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.sources import Source, registry
from whyness_mixpanel.sources.whyness import ACTIVITY, SOURCES

ROOT = Path(__file__).parents[4]


def user_event(row: Any) -> Event:
    """Return the event of a person, as a site would write it."""
    return Event(event="Registered", user=row.pk)


def make_source(**fields: Any) -> Source:
    """Return a source that the site could register, with `fields` over it."""
    defaults: dict[str, Any] = {"name": "people", "model": "whyness_django.AuthUser", "build": user_event}
    return Source(**defaults | fields)


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_sources", dict(registry._sources))


def test_the_sources_of_the_app_are_there() -> None:
    """Under the names of the flags of the command `events`."""
    assert sources.names() == ["activity", "contact-click", "user-click"]


def test_the_page_about_backfills_has_each_source() -> None:
    """With its table, in the order of the code."""
    page = (ROOT / "docs" / "how-to" / "backfill.md").read_text()

    rows = re.findall(r"^\| `([\w-]+)` \| `([\w.]+)` \|", page, re.MULTILINE)

    assert rows == [(source.name, source.model) for source in SOURCES]


@pytest.mark.usefixtures("own_registry")
def test_a_source_is_registered_by_name() -> None:
    """Twice the same is once, as `ready()` may run twice; two of one name are a mistake."""
    sources.register(make_source())
    sources.register(make_source())

    assert sources.get("people") == make_source()
    with pytest.raises(ValueError, match="A source with the name people is already registered"):
        sources.register(make_source(model="whyness_crm.Contact"))


def test_an_unknown_source_is_named_with_those_there_are() -> None:
    """The text can be shown as it is."""
    with pytest.raises(
        sources.UnknownSource,
        match=r"name people\. The sources are: activity, contact-click",
    ):
        sources.get("people")


@pytest.mark.parametrize("name", ["", "People", "1st", "-x", "a_b", "a" * 17])
def test_a_name_that_makes_no_insert_id_is_refused(name: str) -> None:
    """It stands before the key in each of them."""
    with pytest.raises(ValueError, match="1 to 16"):
        make_source(name=name)


@pytest.mark.usefixtures("db")
def test_a_source_without_call_sites_gets_a_namespaced_insert_id() -> None:
    """With the longest name and the longest key it is valid still."""
    row = make_activities()[0]
    row.pk = 2**63 - 1
    source = make_source(name="a" * 16, model="whyness_django.TrackerLog")

    event = source.event(row)

    assert event.insert_id == f"{'a' * 16}-9223372036854775807"
    assert event.json()


@pytest.mark.usefixtures("db")
def test_a_source_decides_insert_id_and_time_alone() -> None:
    """Whatever `build` does, the fields are the row's own every time."""
    [row] = make_activities()
    source = make_source(model="whyness_django.TrackerLog")

    first, second = source.event(source.rows().get()), source.event(source.rows().get())

    assert (first.insert_id, first.time) == (f"people-{row.pk}", CREATED)
    assert first.json() == second.json()


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_rows_come_by_key_in_one_query_with_all_that_is_needed(source: Source) -> None:
    """Explicit order, joins, and no query per row."""
    make_activities(3)
    for number in (7, 8):
        make_click(contact_id=number, is_prospect=False)
        make_click(contact_id=number, is_prospect=True)

    with CaptureQueriesContext(connection) as queries:
        rows = list(source.joined_rows())
        encoded = [source.encode(row) for row in rows]

    assert [row.pk for row in rows] == sorted(row.pk for row in rows)
    assert len(encoded) >= 2
    assert len(queries) == 1


def test_a_model_that_is_not_installed_is_looked_up_only_when_it_is_used() -> None:
    """A site without that table can have the app."""
    source = make_source(model="shop.Payment")

    with pytest.raises(LookupError, match="shop"):
        source.rows()


@pytest.mark.usefixtures("db", "own_registry")
def test_a_row_finds_its_source() -> None:
    """Of the three tables, and of one that the site registered; deferred fields change nothing."""
    sources.register(make_source(created="create_date"))
    [activity] = make_activities()
    clicks = [make_click(contact_id=7, is_prospect=is_prospect) for is_prospect in (False, True)]

    names = [sources.event_for(row).event for row in (activity, *clicks)]
    deferred = TrackerLog.objects.defer("ip").get()

    assert names == ["Audio upload", "User click", "Prospect click"]
    assert sources.event_for(deferred).event == "Audio upload"
    with pytest.raises(
        sources.UnknownSource, match=r"reads whyness_django\.TrackerItem\. The sources are: activity"
    ):
        sources.event_for(activity.item)


@pytest.mark.usefixtures("db", "own_registry")
def test_a_row_that_several_sources_read_is_nobodys_to_guess() -> None:
    """Each gives it another insert id."""
    sources.register(make_source(model="whyness_django.TrackerLog"))
    [row] = make_activities()

    with pytest.raises(sources.UnknownSource):
        sources.event_for(row)
    assert sources.get("people").event(row).insert_id == f"people-{row.pk}"


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(("key", "created"), [(None, CREATED), (1, None), (1, CREATED.date())])
def test_a_row_without_a_key_or_a_moment_makes_no_event(key: int | None, created: object) -> None:
    """An id or a time that is made up would be another one next time."""
    [row] = make_activities()
    row.pk, row.create_date = key, created  # type: ignore[assignment]  # as a row may be

    with pytest.raises(InvalidEvent, match=r"^(insert_id|time): found (an unsaved row|no datetime)"):
        sources.event_for(row).json()
    with pytest.raises(sources.NoEvent, match=r"^(insert_id|time): found (an unsaved row|no datetime)"):
        ACTIVITY.encode(row)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    "fault", [KeyError("MARKER"), RecursionError(), AttributeError("MARKER"), TypeError()]
)
def test_whatever_a_row_raises_it_makes_no_event(fault: Exception) -> None:
    """By the type: the text may show a value."""

    def build(_: Any) -> Event:
        raise fault

    [row] = make_activities()

    with pytest.raises(sources.NoEvent, match=rf"^its event cannot be built \({type(fault).__name__}\)$"):
        make_source(model="whyness_django.TrackerLog", build=build).encode(row)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(("is_whole", "expected_ms"), [(True, CREATED_MS), (False, CREATED_MS + 987)])
@pytest.mark.parametrize("naive", [False, True])
def test_the_time_is_cut_as_was_fixed_at_registration(is_whole: bool, expected_ms: int, naive: bool) -> None:  # noqa: FBT001  (cases)
    """The three tables to the second, as they were always sent; others to the millisecond."""
    [row] = make_activities()
    row.create_date = CREATED.replace(tzinfo=None) if naive else CREATED
    source = make_source(model="whyness_django.TrackerLog", whole_seconds=is_whole)

    assert json.loads(source.encode(row))["time"] == expected_ms


@pytest.mark.usefixtures("db")
def test_history_ends_at_the_very_moment_of_the_setting() -> None:
    """On every path: it is the event itself that knows, when it is encoded."""
    [row] = make_activities()
    row.refresh_from_db()
    event = sources.event_for(row)

    with override(HISTORY_BEFORE=CREATED + timedelta(microseconds=1)):
        before = ACTIVITY.encode(row)
        assert event.json() == before
    with override(HISTORY_BEFORE=CREATED):
        at = ACTIVITY.encode(row)
        assert event.json() == at
    with override(HISTORY_BEFORE=None):
        assert ACTIVITY.encode(row) == at

    assert json.loads(before) == json.loads(at) | {"time_unit": "s"}


@pytest.mark.usefixtures("db")
def test_a_row_that_makes_no_event_breaks_no_page() -> None:
    """In production its event is parked with the reason; to a developer `send()` says it."""
    [row] = make_activities()
    broken = TrackerLog(pk=row.pk, item_id=4_711)

    with override(BACKEND="dummy", RAISE_INVALID=False):
        assert sources.event_for(broken).send() is False
    with pytest.raises(InvalidEvent, match=r"event cannot be built \(DoesNotExist\)"):
        sources.event_for(broken).send()

    parked = Outbox.objects.get()
    assert parked.state == "parked"
    assert parked.reason.startswith("event: found a row whose event cannot be built (DoesNotExist)")
