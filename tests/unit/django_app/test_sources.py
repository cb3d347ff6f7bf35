import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.unit.django_app.rows import (
    CREATED,
    CREATED_MS,
    LONG_BEFORE,
    make_activities,
    make_click,
    migrated_at,
)
from whyness_events import Event as WireEvent
from whyness_events import InvalidEvent
from whyness_mixpanel import sources
from whyness_mixpanel.models import Event
from whyness_mixpanel.sources import Source, registry
from whyness_mixpanel.sources.whyness import ACTIVITY, PROSPECT_CLICK, USER_CLICK


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


def test_the_three_tables_are_there() -> None:
    """Under the names of the flags of the command `events`."""
    assert sources.names() == ["activity", "contact-click", "user-click"]


@pytest.mark.usefixtures("own_registry")
def test_a_source_is_registered_by_name() -> None:
    """Twice the same is once, as `ready()` may run twice; two of one name are a mistake."""
    sources.register(make_source())
    sources.register(make_source())

    assert sources.get("people") == make_source()
    with pytest.raises(ValueError, match="two sources are named people"):
        sources.register(make_source(model="whyness_crm.Contact"))


def test_an_unknown_source_is_named_with_those_there_are() -> None:
    """The text can be shown as it is."""
    with pytest.raises(sources.UnknownSource, match=r"no source people.*activity, contact-click, user-click"):
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

    assert (first.insert_id, first.time) == (f"people-{row.pk}", CREATED_MS // 1000)
    assert first.json() == second.json()


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("source", [ACTIVITY, USER_CLICK, PROSPECT_CLICK], ids=lambda source: source.name)
def test_rows_come_by_key_in_one_query_with_all_that_is_needed(source: Source) -> None:
    """Explicit order, joins, and no query per row."""
    make_activities(3)
    for number in (7, 8):
        make_click(contact_id=number, is_prospect=False)
        make_click(contact_id=number, is_prospect=True)

    with CaptureQueriesContext(connection) as queries:
        rows = list(source.rows())
        encoded = [source.encode(row, cut_over=LONG_BEFORE) for row in rows]

    assert [row.pk for row in rows] == sorted(row.pk for row in rows)
    assert len(encoded) >= 2
    assert len(queries) == 1


def test_a_model_that_is_not_installed_is_looked_up_only_when_it_is_used() -> None:
    """A site without that table can have the app."""
    source = make_source(model="shop.Payment")

    with pytest.raises(LookupError, match="shop"):
        source.rows()


@pytest.mark.usefixtures("db")
def test_the_cut_over_is_the_first_migration_of_this_version() -> None:
    """The first migration is the older versions' own."""
    with migrated_at(CREATED):
        MigrationRecorder.Migration.objects.filter(app="whyness_mixpanel", name="0001_initial").update(
            applied=LONG_BEFORE
        )

        assert sources.cut_over() == CREATED


@pytest.mark.usefixtures("db")
def test_without_the_migration_there_is_no_cut_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither with the older versions' migration alone, nor with no table of migrations at all."""
    own = MigrationRecorder.Migration.objects.filter(app="whyness_mixpanel").exclude(name="0001_initial")
    before = list(own)
    own.delete()
    try:
        with pytest.raises(sources.NotMigrated, match=r"manage\.py migrate"):
            sources.cut_over()
    finally:
        MigrationRecorder.Migration.objects.bulk_create(before)

    monkeypatch.setattr(MigrationRecorder, "has_table", lambda _: False)
    with pytest.raises(sources.NotMigrated):
        sources.cut_over()


@pytest.mark.usefixtures("db")
def test_history_ends_at_the_very_moment_of_the_migration() -> None:
    """As the backfill has it: what it does not send as history has milliseconds."""
    [row] = make_activities()
    row.refresh_from_db()

    before = ACTIVITY.encode(row, cut_over=CREATED + timedelta(microseconds=1))
    at = ACTIVITY.encode(row, cut_over=CREATED)

    assert "time_unit" in before
    assert at == ACTIVITY.encode(row, cut_over=None)
    assert "time_unit" not in at


@pytest.mark.usefixtures("db")
def test_a_row_of_history_is_refused_where_the_contract_would_drop_its_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sent with milliseconds it would be another event, and count twice."""
    make_activities()
    known = {field.name for field in dataclasses.fields(WireEvent)} - {"time_unit"}
    wire = WireEvent.to_wire
    monkeypatch.setattr(
        WireEvent, "to_wire", lambda self: {k: v for k, v in wire(self).items() if k in known}
    )

    with pytest.raises(InvalidEvent, match=r"^time_unit"):
        ACTIVITY.encode(ACTIVITY.rows().get(), cut_over=timezone.now() - timedelta(days=1))
