"""Whatever a user types and whatever a database does, a command ends in a line and an exit code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.db import (
    DatabaseError,
    DataError,
    Error,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from django.db.backends.utils import CursorWrapper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.django_support import override, write
from tests.unit.django_app.rows import make_activities, make_click
from whyness_mixpanel.models import Outbox
from whyness_mixpanel.publishing import outbox
from whyness_ops.stop import Stop

pytestmark = pytest.mark.usefixtures("db")

EVENT = '{"insert_id":"1","event":"Home","user":"7","time":1763900000000}'
COMMANDS = {
    "status": ["mixpanel_outbox"],
    "drain": ["mixpanel_outbox", "drain"],
    "drain --dry-run": ["mixpanel_outbox", "drain", "--dry-run"],
    "list": ["mixpanel_outbox", "list"],
    "show": ["mixpanel_outbox", "show", "1"],
    "release": ["mixpanel_outbox", "release", "2"],
    "release --all": ["mixpanel_outbox", "release", "--all"],
    "delete": ["mixpanel_outbox", "delete", "2", "--yes"],
    "delete --all": ["mixpanel_outbox", "delete", "--all", "--yes"],
    "backfill": ["mixpanel_backfill", "activity"],
    "events": ["events", "--activity=1", "--user-click=1"],
}
every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


@pytest.fixture(autouse=True)
def rows(db: None) -> None:  # noqa: ARG001  (needed, not read)
    """One row of each kind that the commands read."""
    write([Outbox(encoded=EVENT), Outbox(encoded=EVENT, state="parked", reason="x")])
    make_activities()
    make_click(contact_id=7, is_prospect=False)


def run(*arguments: str) -> str:
    """Run a command; return all that it says."""
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def outcome(*arguments: str) -> str:
    """Run a command; return what it says, or in which words it fails. --help ends with 0, too."""
    try:
        return run(*arguments)
    except CommandError as failed:
        return str(failed)
    except SystemExit as end:
        return f"exit code {end.code}"


@contextmanager
def failing_from(count: int, make: Callable[[], BaseException]) -> Iterator[list[int]]:
    """Let so many statements pass, on any database, and fail each after them."""
    asked: list[int] = []
    execute = CursorWrapper.execute

    def fail(self: CursorWrapper, *arguments: Any) -> Any:
        asked.append(len(asked))
        if len(asked) > count:
            raise make()
        return execute(self, *arguments)

    with mock.patch.object(CursorWrapper, "execute", fail):
        yield asked


@every_command
@pytest.mark.parametrize(
    "error", [OperationalError, InterfaceError, ProgrammingError, DataError, DatabaseError, Error]
)
def test_a_database_that_fails_is_a_line(command: list[str], error: type[Error]) -> None:
    """At the first statement; without the error's text, which may quote a value."""
    with failing_from(0, lambda: error("MARKER")), pytest.raises(CommandError) as failed:
        run(*command)

    assert error.__name__ in str(failed.value)
    assert "MARKER" not in str(failed.value)


@every_command
def test_a_database_that_fails_later_is_a_line_too(command: list[str]) -> None:
    """After each number of statements that the command makes."""
    for count in range(1, 60):
        with failing_from(count, lambda: OperationalError("MARKER")) as asked:
            said = outcome(*command)
        assert "MARKER" not in said
        if len(asked) <= count:
            return
        Outbox.objects.all().delete()
        write([Outbox(id=1, encoded=EVENT), Outbox(id=2, encoded=EVENT, state="parked", reason="x")])
    pytest.fail("there was no end to its statements")


@every_command
def test_ctrl_c_is_a_line(command: list[str]) -> None:
    """With the exit code that shells have for it."""
    with failing_from(2, KeyboardInterrupt), pytest.raises(CommandError) as failed:
        run(*command)

    assert (str(failed.value), failed.value.returncode) == ("Stopped.", 130)


@every_command
@pytest.mark.parametrize("wrong", [{"ENABLED": "perhaps"}, {"IDENTITY": 7}, {"BACKEND": "sqqs"}])
def test_a_faulty_setting_is_a_line(command: list[str], wrong: dict[str, object]) -> None:
    """For each row, or for all; or it makes no difference to what the command does."""
    with override(**wrong):
        said = outcome(*command)

    assert said
    assert "Traceback" not in said


def test_a_loop_goes_on_while_the_database_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not ended by what passes; it ends when it is told to."""
    looks: list[float] = []

    def wait(_: float) -> None:
        looks.append(0.0)
        if len(looks) == 5:
            stop.set()

    stop = mock.Mock(wraps=Stop())
    stop.wait = wait
    monkeypatch.setattr("whyness_mixpanel.management.outbox_drain.Stop", lambda: stop)
    aliases = outbox.aliases()
    monkeypatch.setattr(outbox, "aliases", lambda: aliases)

    with failing_from(0, lambda: OperationalError("MARKER")) as asked:
        said = run("mixpanel_outbox", "drain", "--loop", "--interval=1")

    assert (said, len(looks)) == ("", 5)
    assert asked


@pytest.mark.parametrize(
    "answer", [EOFError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), "\udcff", "x" * 99]
)
def test_whatever_is_answered_nothing_is_deleted_without_a_yes(
    answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the answer is not a text."""
    monkeypatch.setattr("sys.stdin", mock.Mock(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", mock.Mock(side_effect=[answer]))

    with pytest.raises(CommandError, match="Nothing was deleted"):
        run("mixpanel_outbox", "delete", "--all")

    assert Outbox.objects.count() == 2


WORDS = st.sampled_from(
    [
        "status",
        "drain",
        "list",
        "show",
        "release",
        "delete",
        "activity",
        "user-click",
        "--all",
        "--yes",
        "--json",
        "--limit",
        "--batch",
        "--interval",
        "--dry-run",
        "--reason",
        "--database",
        "default",
        "other",
        "--since",
        "--until",
        "--rate",
        "--resume",
        "--activity",
        "--user-click",
        "--contact-click",
        "--verbosity",
        "-1",
        "0",
        "1",
        "2",
        "99",
        "1e9",
        "nan",
        "inf",
        "1_0",
        "٣",
        "2026-01-31",
        "2026-02-30",
        "2026-01-31T12:00+25:00",
        "0001-01-01",
        "9999-12-31T23:59:59Z",
        "=",
        "--",
        "-",
        "'",
    ]
)
ODD = st.sampled_from(
    ["", " ", "\x00", "\udcff", "%s", "{}", "é", "9" * 5_000, str(2**63), "-" + "9" * 40, "'; --"]
)
ARGUMENTS = st.lists(st.one_of(WORDS, ODD, st.builds("{}={}".format, WORDS, WORDS | ODD)), max_size=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(["mixpanel_outbox", "mixpanel_backfill", "events"]), arguments=ARGUMENTS)
def test_whatever_is_typed_is_a_line(command: str, arguments: list[str]) -> None:
    """Nothing but what Django prints in a line leaves a command; `--loop` is the same words, for ever."""
    with mock.patch("time.sleep"), mock.patch("sys.stdin", StringIO()):
        said = outcome(command, *arguments)

    assert said.startswith("exit code") <= (said == "exit code 0")
