"""Which rows older versions have sent is said by a setting: where it is missing, nothing is guessed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from tests.django_support import override, published
from tests.unit.django_app.rows import CREATED, backfill, make_activities
from whyness_mixpanel import conf, sources
from whyness_mixpanel.models import Log

pytestmark = pytest.mark.usefixtures("db")

Migration = MigrationRecorder.Migration


@pytest.fixture
def migrations() -> Iterator[Any]:
    """The rows of the app's migrations, which are put back afterwards."""
    own = Migration.objects.filter(app="whyness_mixpanel")
    before = list(own)
    yield own
    own.delete()
    Migration.objects.bulk_create(before)


def test_a_site_that_begins_with_this_version_has_no_history() -> None:
    """All of its migrations were applied in one go, and the old log is empty."""
    assert sources.history_before() is None


@pytest.mark.parametrize("apart", [timedelta(days=900), timedelta(hours=2), -timedelta(days=3)])
def test_migrations_that_show_an_older_version_refuse_and_propose_a_moment(
    migrations: Any, apart: timedelta
) -> None:
    """The old one was applied at another time; the moment is that of the first new one."""
    migrations.update(applied=CREATED + timedelta(days=1))
    migrations.filter(name="0002_event_without_table").update(applied=CREATED)
    migrations.filter(name="0001_initial").update(applied=CREATED - apart)

    with pytest.raises(sources.HistoryUnknown) as refused:
        sources.history_before()

    text = str(refused.value)
    assert text.startswith("HISTORY_BEFORE is not set")
    assert f'datetime.fromisoformat("{CREATED.isoformat()}")' in text
    assert "or to None" in text


def test_without_time_zones_the_moment_proposed_has_one_too(migrations: Any) -> None:
    """Or the setting would refuse it."""
    with override_settings(USE_TZ=False, TIME_ZONE="Europe/Berlin"):
        migrations.update(applied=datetime(2026, 1, 31, 12))  # noqa: DTZ001  (as such a site has them)
        migrations.filter(name="0001_initial").update(applied=datetime(2022, 1, 31, 12))  # noqa: DTZ001  (as above)
        with pytest.raises(sources.HistoryUnknown, match=r"2026-01-31T12:00:00\+01:00"):
            sources.history_before()


def test_a_log_that_older_versions_wrote_refuses_too() -> None:
    """It is there whatever was done to the migrations."""
    Log.objects.create(message="sent")

    with pytest.raises(sources.HistoryUnknown, match="HISTORY_BEFORE is not set"):
        sources.history_before()


@pytest.mark.parametrize("left", [(), ("0001_initial",)])
def test_a_site_that_is_not_migrated_is_told_so(migrations: Any, left: tuple[str, ...]) -> None:
    """There is nothing to propose."""
    migrations.exclude(name__in=left).delete()

    with pytest.raises(sources.HistoryUnknown, match=r"manage\.py migrate"):
        sources.history_before()


@pytest.mark.parametrize("said", [None, CREATED])
def test_what_is_said_counts_whatever_the_database_shows(said: datetime | None) -> None:
    """A reversed migration, a rollback or loaddata moves nothing any more."""
    Log.objects.create(message="sent")

    with override(HISTORY_BEFORE=said):
        assert sources.history_before() == said


@pytest.mark.parametrize("command", ["events", "mixpanel_backfill"])
def test_both_commands_refuse_before_anything_is_sent(command: str) -> None:
    """A dry run too; a line each, and no traceback."""
    make_activities()
    Log.objects.create(message="sent")
    arguments = {"events": ["--activity=1"], "mixpanel_backfill": ["activity", "--dry-run"]}[command]

    with pytest.raises(CommandError, match=r"^HISTORY_BEFORE is not set"):
        call_command(command, *arguments, stdout=StringIO(), stderr=StringIO())

    assert published() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00+01:00", datetime(2026, 1, 31, 11, tzinfo=UTC)),
        (" 2026-01-31T11:00Z\n", datetime(2026, 1, 31, 11, tzinfo=UTC)),
        ("None", None),
        ("none", None),
    ],
)
def test_it_can_come_from_the_environment(
    text: str, expected: datetime | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As text; the word None says that there was no older version."""
    Log.objects.create(message="sent")
    monkeypatch.setenv("WHYNESS_MIXPANEL_HISTORY_BEFORE", text)

    assert sources.history_before() == expected


@pytest.mark.parametrize(
    "wrong",
    [datetime(2026, 1, 31), "2026-01-31", "2026-01-31T12:00", "soon", 5, True, CREATED.date()],  # noqa: DTZ001
)
def test_a_moment_that_is_not_clear_is_refused(wrong: object) -> None:
    """By every command, in a line."""
    make_activities()

    with override(HISTORY_BEFORE=wrong):
        with pytest.raises(conf.SettingError, match="HISTORY_BEFORE"):
            sources.history_before()
        with pytest.raises(CommandError, match="HISTORY_BEFORE"):
            backfill("activity")
        with pytest.raises(CommandError, match="HISTORY_BEFORE"):
            call_command("events", "--activity=1", stdout=StringIO())


def test_a_call_site_goes_on_whatever_is_set() -> None:
    """Live rows are new; a faulty setting breaks no page."""
    [row] = make_activities()
    Log.objects.create(message="sent")
    assert sources.event_for(row).send() is True

    with override(HISTORY_BEFORE="soon"):
        assert sources.event_for(row).send() is False

    assert [event.get("time_unit") for event in published()] == [None]
