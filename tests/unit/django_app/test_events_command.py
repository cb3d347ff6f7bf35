from collections.abc import Sequence
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import override_settings

from example.whyness_django.models import TrackerLog
from tests.django_support import override, published
from tests.unit.django_app.rows import four_fields, make_activities, make_click
from whyness_mixpanel.backends import Answer, locmem
from whyness_mixpanel.models import Log, Suppression

pytestmark = pytest.mark.usefixtures("db")


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
    with pytest.raises(CommandError, match=f'^{title} "5" was not published: the row does not exist$'):
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
        "HISTORY_BEFORE: None",
        *(f'{title} "1" was published' for title in ("Activity", "User click", "Contact click")),
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

    with pytest.raises(CommandError, match=r'^Activity "1" was not published: event: found a blank string'):
        events("--activity=1")


def test_what_the_queue_does_not_take_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command fails: nothing will try again."""
    make_activities()

    def refuse(_: Sequence[str], **__: object) -> Answer:
        return Answer(frozenset(), "Throttled")

    monkeypatch.setattr(locmem, "publish", refuse)
    with pytest.raises(CommandError, match=r'^Activity "1" was not published: Throttled$'):
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
        pytest.raises(CommandError, match=r'^Activity "1" was not published: .*OPT_OUT'),
    ):
        events("--activity=1")

    assert published() == []


def test_what_is_wrong_with_one_row_holds_up_no_other() -> None:
    """Each is named, in the order of the flags; the exit code says that not all is well."""
    make_click(contact_id=7, is_prospect=False)
    [lost] = make_activities()
    with connection.constraint_checks_disabled():
        TrackerLog.objects.filter(pk=lost.pk).update(item=4_711)
        with pytest.raises(CommandError) as failed:
            events(f"--activity={lost.pk}", "--user-click=1", "--contact-click=99")

    assert str(failed.value).splitlines() == [
        'Activity "1" was not published: its event cannot be built (DoesNotExist)',
        'Contact click "99" was not published: the row does not exist',
    ]
    assert [fields[0] for fields in four_fields()] == ["User click"]


@pytest.mark.parametrize("key", [-1, 0, 2**63, 10**30, -(10**30)])
def test_a_number_that_no_row_can_have_is_no_row(key: int) -> None:
    """Not an error of the database."""
    with pytest.raises(CommandError, match=f'^Activity "{key}" was not published: the row does not exist$'):
        events(f"--activity={key}")


def test_where_the_app_is_off_nothing_is_sent() -> None:
    """Nor is it said to be."""
    make_activities()

    with override(ENABLED=False), pytest.raises(CommandError, match=r"ENABLED is False"):
        events("--activity=1")

    assert published() == []


def test_an_app_that_is_missing_is_named_in_a_line() -> None:
    """A site without Whyness's CRM has no clicks; the rest works there."""
    make_activities()
    apps = [app for app in settings.INSTALLED_APPS if app != "example.whyness_crm"]

    with override_settings(INSTALLED_APPS=apps):
        with pytest.raises(CommandError) as failed:
            events("--contact-click=1", "--activity=1")
        assert events("--activity=1").endswith('Activity "1" was published\n')

    assert str(failed.value) == (
        "Nothing was sent: whyness_crm.ContactTrackerClick is not installed. Check INSTALLED_APPS."
    )
    assert failed.value.returncode == 1


def test_a_database_that_fails_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its type: its text may quote what was asked."""
    make_activities()

    def fail(*_: object) -> None:
        raise OperationalError("MARKER")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", fail)
        with pytest.raises(CommandError) as failed:
            events("--activity=1")

    assert str(failed.value) == "The database failed: OperationalError. Is the site migrated?"


def test_a_table_that_is_missing_is_named_with_its_app() -> None:
    """Its app is installed, and not migrated; exit code 1."""
    with connection.schema_editor() as editor:
        editor.alter_db_table(TrackerLog, TrackerLog._meta.db_table, "elsewhere")
    try:
        with pytest.raises(CommandError) as failed:
            events("--activity=1")
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(TrackerLog, "elsewhere", TrackerLog._meta.db_table)

    expected = (
        'Activity "1" was not published: the row cannot be read (OperationalError). '
        "Is whyness_django.TrackerLog migrated?"
    )
    assert (str(failed.value), failed.value.returncode) == (expected, 1)


def test_what_older_versions_may_have_sent_is_not_guessed() -> None:
    """It is refused, with what to set; see test_history.py."""
    make_activities()
    Log.objects.create(message="sent by an older version")

    with pytest.raises(CommandError, match=r"^HISTORY_BEFORE is not set"):
        events("--activity=1")

    assert published() == []


def test_a_list_of_suppressed_people_that_is_not_migrated_suppresses_nobody() -> None:
    """Without its table, the list is empty."""
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
