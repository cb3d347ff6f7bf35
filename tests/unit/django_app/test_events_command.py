from collections.abc import Iterator, Sequence
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.django_support import override, published
from tests.unit.django_app.rows import LONG_BEFORE, four_fields, make_activities, make_click, migrated_at
from whyness_mixpanel import sources
from whyness_mixpanel.backends import Answer, locmem
from whyness_mixpanel.models import Suppression


@pytest.fixture(autouse=True)
def migrated(db: None) -> Iterator[None]:  # noqa: ARG001  (a fixture that is needed, not read)
    """This version of the app has been there for long."""
    with migrated_at(LONG_BEFORE):
        yield


def events(*arguments: str) -> str:
    """Run the command; return what it says."""
    out = StringIO()
    call_command("events", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("flag", "title"),
    [("--activity", "Activity"), ("--user-click", "User click"), ("--contact-click", "Contact click")],
)
def test_a_row_that_does_not_exist_is_named(flag: str, title: str) -> None:
    """The error is the old one, and nothing is sent."""
    with pytest.raises(CommandError, match=f'^{title} "5" does not exist$'):
        events(flag, "5")

    assert published() == []


def test_rows_of_several_tables_are_sent_at_once() -> None:
    """Each flag names one row; all of them are sent."""
    make_activities()
    make_click(contact_id=7, is_prospect=False)
    make_click(contact_id=7, is_prospect=True)

    said = events("--activity=1", "--user-click=1", "--contact-click=1")

    assert [fields[0] for fields in four_fields()] == ["Audio upload", "User click", "Prospect click"]
    assert said.splitlines() == [
        f'{title} "1" is published' for title in ("Activity", "User click", "Contact click")
    ]


def test_without_a_flag_it_says_which_there_are() -> None:
    """Doing nothing would look like success."""
    with pytest.raises(CommandError, match="--activity, --user-click or --contact-click"):
        events()


def test_an_id_is_a_whole_number() -> None:
    """As it was."""
    with pytest.raises(CommandError, match="invalid int value"):
        events("--activity=x")


def test_a_row_that_makes_no_event_is_named_with_the_reason() -> None:
    """A blank title: the value itself is not shown."""
    make_activities(title=" ")

    with pytest.raises(CommandError, match=r'^Activity "1" makes no event: event: found a blank string'):
        events("--activity=1")


def test_what_the_queue_does_not_take_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command fails: nothing will try again."""
    make_activities()

    def refuse(_: Sequence[str], **__: object) -> Answer:
        return Answer(frozenset(), "Throttled")

    monkeypatch.setattr(locmem, "publish", refuse)
    with pytest.raises(CommandError, match=r'^Activity "1" was not published'):
        events("--activity=1")


def test_a_person_who_opted_out_is_left_out() -> None:
    """It says so; the row is not sent."""
    make_activities(user_id=8)

    with override(OPT_OUT=lambda _: {"8"}), pytest.raises(CommandError, match="suppressed or opted out"):
        events("--activity=1")

    assert published() == []


@pytest.mark.parametrize("answer", [None, ZeroDivisionError()])
def test_where_nobody_can_tell_who_opted_out_nothing_is_sent(answer: Exception | None) -> None:
    """The command fails and says why, whether the function raises or returns no users."""
    make_activities()

    def opted_out(_: set[str]) -> None:
        if answer:
            raise answer

    with (
        override(OPT_OUT=opted_out),
        pytest.raises(CommandError, match=r'^Activity "1" is not sent: .*OPT_OUT'),
    ):
        events("--activity=1")

    assert published() == []


def test_before_the_migration_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could tell what the older versions have sent."""
    make_activities()

    def not_migrated() -> None:
        raise sources.NotMigrated

    monkeypatch.setattr(sources, "cut_over", not_migrated)
    with override(), pytest.raises(CommandError, match=r"manage\.py migrate"):
        events("--activity=1")

    assert published() == []


def test_a_list_of_suppressed_people_that_is_not_migrated_suppresses_nobody() -> None:
    """Its table is missing: nobody can be on it."""
    make_activities()
    with connection.schema_editor() as editor:
        editor.delete_model(Suppression)
    try:
        with override():
            events("--activity=1")
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Suppression)

    assert len(published()) == 1
