"""Rows that went live with a context: a backfill would take it away, so it counts them and asks."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from example.whyness_django.models import TrackerLog
from tests.django_support import override, published
from tests.unit.django_app.rows import LONG_BEFORE, backfill, make_activities
from whyness_mixpanel.context import context
from whyness_mixpanel.middleware import ContextMiddleware
from whyness_mixpanel.sources import event_for
from whyness_mixpanel.sources.whyness import ACTIVITY

INSTALLED = datetime(2025, 11, 1, tzinfo=UTC)
LIVE = INSTALLED + timedelta(days=1)


class Subclass(ContextMiddleware):
    """A site's own."""


def function(get_response: Any) -> Any:
    """Be a middleware that is not a class."""
    return get_response


OURS = [f"{__name__}.function", "whyness_mixpanel.middleware.ContextMiddleware"]


@pytest.fixture(autouse=True)
def _installed(db: None) -> Iterator[None]:  # noqa: ARG001  (the tables)
    """The app's first migration is from INSTALLED."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, applied FROM django_migrations")
        before = cursor.fetchall()
        cursor.execute("UPDATE django_migrations SET applied = %s", [INSTALLED.replace(tzinfo=None)])
    yield
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE django_migrations SET applied = %s WHERE id = %s", [(at, id_) for id_, at in before]
        )


def make_rows() -> tuple[TrackerLog, TrackerLog]:
    """Return a row from before the app, and one that its call site sent."""
    return make_activities(created=LONG_BEFORE)[0], make_activities(created=LIVE)[0]


@pytest.mark.parametrize(
    ("middleware", "chosen", "is_refused"),
    [
        ([], {}, False),
        ([f"{__name__}.function"], {}, False),
        (OURS, {}, True),
        ([f"{__name__}.Subclass"], {}, True),
        ([], {"SUPER_PROPERTIES": {"release": 7}}, True),
        ([], {"SUPER_PROPERTIES": lambda: {"release": 7}}, True),
        (OURS, {"HISTORY_BEFORE": LIVE + timedelta(hours=1)}, False),
    ],
)
def test_a_backfill_of_rows_that_went_live_with_a_context_needs_a_word(
    middleware: list[str],
    chosen: dict[str, Any],
    is_refused: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    """Where no event can have had a context, nothing is asked."""
    make_rows()
    settings = {"HISTORY_BEFORE": None} | chosen

    with override(**settings), override_settings(MIDDLEWARE=middleware):
        if not is_refused:
            assert "sent_live" not in backfill("activity")
            return
        with pytest.raises(
            CommandError, match=r"^1 rows may have been sent live.*--again\. Nothing was sent"
        ):
            backfill("activity")
        assert published() == []
        assert backfill("activity", "--again")["sent_live"] == 1
        assert len(published()) == 2


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ([], 1),
        (["--until", "2025-11-02"], 0),
        (["--until", "2025-11-03"], 1),
        (["--since", "2025-11-02"], 1),
        (["--since", "2025-11-03"], 0),
        (["--resume", "LAST"], 0),
        (["--resume", "FIRST"], 1),
    ],
)
@pytest.mark.parametrize("use_tz", [True, False])
def test_only_rows_that_would_be_sent_are_counted(arguments: list[str], count: int, *, use_tz: bool) -> None:
    """Rows outside of the period and before the key are not, with and without time zones."""
    first, last = make_rows()
    keys = {"FIRST": str(first.pk), "LAST": str(last.pk)}
    stderr = StringIO()

    with override(HISTORY_BEFORE=None), override_settings(MIDDLEWARE=OURS, USE_TZ=use_tz, TIME_ZONE="UTC"):
        words = [keys.get(word, word) for word in arguments]
        found = backfill("activity", "--dry-run", *words, stderr=stderr)

    assert found.get("sent_live", 0) == count
    assert ("may have been sent live" in stderr.getvalue()) == bool(count)
    assert published() == []


def test_rows_that_are_too_young_to_be_sent_are_not_counted() -> None:
    """They are not sent by this backfill."""
    make_activities(created=timezone.now())

    with override(HISTORY_BEFORE=None), override_settings(MIDDLEWARE=OURS):
        assert backfill("activity")["too_young"] == 1


def test_the_command_that_continues_says_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has agreed once is not asked halfway."""
    make_rows()
    stderr = StringIO()
    monkeypatch.setattr("whyness_mixpanel.sources.backfill.Backfill.run", _interrupted)

    with (
        override(HISTORY_BEFORE=None),
        override_settings(MIDDLEWARE=OURS),
        pytest.raises(CommandError, match="Stopped"),
    ):
        backfill("activity", "--again", stderr=stderr)

    assert "mixpanel_backfill activity --again --resume " in stderr.getvalue()


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_single_rows_are_asked_about_too() -> None:
    """The command `events` would take the context away in the same way; the other rows are sent."""
    first, last = make_rows()
    out = StringIO()

    with override(HISTORY_BEFORE=None), override_settings(MIDDLEWARE=OURS):
        call_command("events", activity=first.pk, stdout=out)
        with pytest.raises(CommandError, match="may have been sent live"):
            call_command("events", activity=last.pk, stdout=out)
        call_command("events", "--again", activity=last.pk, stdout=out)

    assert [event["insert_id"] for event in published()] == [str(first.pk), str(last.pk)]


def test_an_event_of_a_row_has_the_context_live_and_never_in_a_backfill() -> None:
    """It is the same event: the four fields are equal."""
    [row] = make_activities(created=LIVE)

    with override(SUPER_PROPERTIES={"release": 7}), context(plan="trial"):
        live, later = json.loads(event_for(row).json()), json.loads(ACTIVITY.encode(row))

    assert live.pop("properties") == {"plan": "trial", "release": 7}
    assert live == later
