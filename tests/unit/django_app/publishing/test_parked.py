"""Rows that wait for a person: listed, shown, released and deleted by `mixpanel_outbox`, as in the admin."""

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models.signals import post_delete, pre_delete
from django.test import RequestFactory, override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.django_support import write
from whyness_mixpanel.admin.outbox_admin import OutboxAdmin
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.publishing import parked

pytestmark = pytest.mark.usefixtures("db")

# Whatever stands here is about a person.
PERSONAL = {"user": "4711", "ip": "203.0.113.9", "data": "ada@example.com", "useragent": "Agent/7"}
DAMAGED = ["", "{", "[]", "7", "null", f'{{"n":{"9" * 5_000}}}', "[" * 5_000, '{"a":' * 5_000, "\x1b[2J{"]
# No name that can be shown.
NAMELESS = [*DAMAGED, "{}", '{"event": {"user": "4711"}}', '{"event": ["4711"]}', '{"event": 4711}']
HOSTILE_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)
IDS_THAT_ARE_NONE = ["0", "-1", "x", "", "1.0", "1_0", "٣", "²", str(2**63), "9" * 400, "9" * 5_000]


def run(*arguments: str) -> str:
    """Run the command and return what it printed."""
    out = io.StringIO()
    call_command("mixpanel_outbox", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> CommandError:
    """Run the command, which must fail, and return its error."""
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value


def park(encoded: str | None = None, *, using: str = "default", reason: str = "r", **fields: Any) -> int:
    """Put an event aside, a valid one if none is given, and return the row's id."""
    text = Event(event="Click", insert_id=1, time=1_760_000_000).json() if encoded is None else encoded
    row = Outbox(encoded=text, identity="distinct_id", reason=reason, **{"state": "parked"} | fields)
    write([row], using)
    return Outbox.objects.using(using).latest("id").pk


def fill(count: int, state: str) -> None:
    """Write many rows quickly."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO whyness_mixpanel_outbox"
            " (encoded, identity, user, state, reason, attempts, claimed_by)"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
            " SELECT '{}', 'distinct_id', '', %s, 'r', 0, '' FROM n LIMIT %s",
            [count, state, count],
        )


def states(using: str = "default") -> dict[int, str]:
    """Return the state of each row."""
    return dict(Outbox.objects.using(using).order_by("id").values_list("pk", "state"))


class Terminal:
    """A terminal at which somebody types `text`, and something happens before that."""

    def __init__(self, text: str, before: Callable[[], object] = lambda: None) -> None:
        self._text = text
        self._before = before

    def isatty(self) -> bool:
        """Be one."""
        return True

    def readline(self) -> str:
        """Return what is typed."""
        self._before()
        return self._text


@pytest.mark.parametrize(("count", "shown"), [(0, "0"), (10_000, "10000"), (10_001, "more than 10,000")])
def test_counts_end_at_ten_thousand(count: int, shown: str) -> None:
    """Of the status, a dry run and what a drain leaves; no statement counts without a limit."""
    fill(count + 1, "pending")  # one of them is drained
    fill(count, "parked")
    asked: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        drained = run("drain", "--database=default", "--limit=1")
        status, figures = run("--no-color"), json.loads(run("status", "--json"))["default"]
        dry = run("drain", "--dry-run", "--database=default")

    assert f"Left: {shown}.\n" in drained
    assert status.startswith(f"default: {shown} pending")
    assert f"; {shown} parked\n" in status
    assert ("of the oldest 10,000:" in status) is (count > 10_000)
    assert (figures["pending"], figures["parked"]) == (min(count, 10_000),) * 2
    assert dry == f"default: would publish {shown} events.\n"
    counting = [sql for sql in asked if "COUNT(" in sql]
    assert counting
    assert all("LIMIT 1000" in sql for sql in counting)


def test_the_progress_counts_no_further_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how long it takes once it can know."""
    from whyness_mixpanel.management import outbox_drain  # noqa: PLC0415  (its clock is replaced)

    class Clock:
        now_s = 0.0

        def monotonic(self) -> float:
            self.now_s += 10
            return self.now_s

    monkeypatch.setattr(outbox_drain, "time", Clock())
    fill(10_002, "pending")

    lines = run("drain", "--database=default", "--batch=1", "--limit=2").splitlines()

    assert lines[0] == "default: 1 published, more than 10,000 left, 0/s"
    assert lines[1].startswith("default: 2 published, 10000 left, 0/s, ")
    assert lines[1].endswith(" s to go")


def test_a_list_has_one_line_for_each_parked_row_oldest_first() -> None:
    """Id, when, event and reason; nothing of it is about a person."""
    first = park(json.dumps({"event": "Sign up", **PERSONAL}), reason="time: found\na\ttext")
    second = park(reason="x" * 500)
    park(state="pending")

    lines = run("list", "--database=default").splitlines()
    rows = [json.loads(line) for line in run("list", "--json").splitlines()]

    assert [line.split("  ")[0] for line in lines] == [str(first), str(second)]
    assert lines[0].split("  ")[2:] == ["Sign up", "time: found a text"]
    assert lines[1].split("  ")[2:] == ["Click", "x" * 200]
    assert [(row["id"], row["event"], row["database"]) for row in rows] == [
        (first, "Sign up", "default"),
        (second, "Click", "default"),
    ]
    assert rows[0].keys() == {"id", "database", "created_at", "event", "reason"}
    assert not [text for text in PERSONAL.values() if text in run("list") + run("list", "--json")]


def test_a_list_of_several_databases_names_them() -> None:
    """An id alone would say nothing."""
    park()
    park(using="other")

    assert [line.split("  ")[1] for line in run("list").splitlines()] == ["default", "other"]


@pytest.mark.parametrize("encoded", NAMELESS)
def test_a_row_without_a_name_is_listed_and_shown(encoded: str) -> None:
    """Whatever stands in it."""
    id_ = park(encoded)

    assert run("list", "--database=default").split("  ")[2] == "-"
    assert json.loads(run("list", "--json"))["event"] == ""
    assert json.loads(run("show", str(id_), "--json"))["encoded"] == encoded
    assert run("show", str(id_)).startswith(f"id: {id_}\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(name=HOSTILE_TEXT, reason=HOSTILE_TEXT)
def test_no_text_of_a_row_breaks_a_line_or_steers_a_terminal(name: str, reason: str) -> None:
    """Names and reasons hold what strangers wrote."""
    Outbox.objects.all().delete()
    id_ = park(json.dumps({"event": name, "data": f"\ud800{name}"}), reason=reason)

    listed = run("list")
    printed = listed + run("status") + run("show", str(id_))

    assert len(listed.splitlines()) == 1
    assert printed.replace("\n", "").isprintable()


def test_a_list_can_be_chosen_from_by_reason_and_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """In upper or lower case; a note beside the list says that rows are left out."""
    ids = [park(reason=reason) for reason in ("Too large", "100%", "too LARGE", "opted out", "too large")]

    def listed(*arguments: str) -> list[int]:
        return [json.loads(line)["id"] for line in run("list", "--json", *arguments).splitlines()]

    assert listed("--reason=too large") == [ids[0], ids[2], ids[4]]
    assert listed("--reason=%") == [ids[1]]
    assert listed("--reason=none of them") == []
    assert capsys.readouterr().err == ""
    assert listed("--limit=5") == ids
    assert capsys.readouterr().err == ""
    assert listed("--reason=too large", "--limit=2") == [ids[0], ids[2]]
    assert "more than 2" in capsys.readouterr().err


def test_show_has_what_the_page_of_the_admin_has() -> None:
    """Parked or pending; the event is readable, and in JSON exact."""
    encoded = json.dumps({"event": "Ünder", "n": 2**70, **PERSONAL})
    id_, pending = park(encoded, reason="why"), park(state="pending")

    text, found = run("show", str(id_)), json.loads(run("show", str(id_), "--json"))

    assert found.keys() == {"id", "database", *OutboxAdmin.fields}
    assert (found["encoded"], found["reason"], found["state"]) == (encoded, "why", "parked")
    assert all(f"\n{name}: " in text for name in OutboxAdmin.fields)
    assert '\n  "event": "Ünder",\n' in text
    assert json.loads(run("show", str(pending), "--json"))["state"] == "pending"


@pytest.mark.parametrize("id_", IDS_THAT_ARE_NONE)
@pytest.mark.parametrize("action", ["show", "release", "delete"])
def test_what_is_no_id_is_a_wrong_argument(action: str, id_: str) -> None:
    """Nothing is touched, and no number is too long to be refused."""
    kept = park()

    assert "ID" in str(refused(action, "--", id_))
    assert states() == {kept: "parked"}


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "1000000001", "9" * 30, "9" * 5_000])
@pytest.mark.parametrize("option", ["list --limit", "drain --limit", "drain --batch", "drain --interval"])
def test_a_number_that_no_database_takes_is_a_wrong_argument(option: str, number: str) -> None:
    """Also where it has 5,000 digits."""
    action, name = option.split()

    assert "must be a positive integer" in str(refused(action, f"{name}={number}"))


@pytest.mark.parametrize("action", [("release",), ("delete", "--yes")])
def test_rows_are_named_or_all_of_them(action: tuple[str, ...]) -> None:
    """Neither, and both, is a mistake."""
    kept = park()

    for more in ([], [str(kept), "--all"]):
        error = refused(*action, *more)
        assert ("Give either the ids of rows or --all" in str(error), error.returncode) == (True, 2)
    assert states() == {kept: "parked"}


@pytest.mark.parametrize("action", [("release",), ("delete", "--yes")])
def test_an_id_that_is_not_parked_is_named_and_nothing_is_done(action: tuple[str, ...]) -> None:
    """It is gone, or pending, or in another database than the one that is named."""
    kept, pending, elsewhere = park(), park(state="pending"), park(using="other", id=9_000)

    missing = refused(*action, str(kept), str(pending), "888", "777")
    not_here = refused(*action, "--database=default", str(kept), str(elsewhere))

    what = "parked row with the id"
    assert (str(missing), missing.returncode) == (f"There is no {what} {pending}, 777, 888.", 2)
    assert str(not_here) == f"There is no {what} {elsewhere}."
    assert (states(), states("other")) == ({kept: "parked", pending: "pending"}, {elsewhere: "parked"})
    assert str(refused("show", "888")) == "There is no row with the id 888."


@pytest.mark.parametrize("action", [("show",), ("release",), ("delete", "--yes")])
def test_an_id_of_several_databases_needs_the_name_of_one(action: tuple[str, ...]) -> None:
    """Otherwise a row that was never shown would be deleted."""
    id_ = park(id=5)
    park(using="other", id=5)

    error = refused(*action, str(id_))
    run(*action, str(id_), "--database=other")

    assert ("Choose one with --database" in str(error), error.returncode) == (True, 2)
    assert states() == {5: "parked"}


def test_named_rows_are_released_wherever_they_are() -> None:
    """Named twice, once; those of another database too; others stay."""
    first, kept, other = park(), park(), park(using="other", id=9_000)

    printed = run("release", str(other), str(first), str(first))

    assert printed == "Released: 2. Still parked: 0.\n"
    assert (states(), states("other")) == ({first: "pending", kept: "parked"}, {other: "pending"})


@pytest.mark.parametrize("encoded", [*DAMAGED, "{}", '{"event": ""}', '{"event": "A", "time": "soon"}'])
def test_a_row_that_breaks_a_rule_stays_and_its_neighbours_are_released(encoded: str) -> None:
    """With its reason of today, and no part of it in that."""
    before, bad, behind = park(), park(encoded, reason="old"), park()

    error = refused("release", "--all")

    assert ("mixpanel_outbox list' to see why" in str(error), error.returncode) == (True, 1)
    assert states() == {before: "pending", bad: "parked", behind: "pending"}
    assert Outbox.objects.get(pk=bad).reason not in ("", "old")


def test_a_release_of_all_meets_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay may park what was released, and more, while it goes on: that is for the next release."""
    monkeypatch.setattr(parked, "ROWS_IN_MEMORY", 2)
    rows = [park("{}" if number % 2 else None, reason="old") for number in range(6)]
    pending = park(state="pending")
    statements = 0

    def interfere(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        nonlocal statements
        result = execute(sql, params, many, context)
        if sql.startswith("UPDATE"):
            statements += 1
            assert statements <= len(rows), "it does not end"
            with connection.cursor() as cursor:  # the wrapper is not asked again: it is the cursor's own
                cursor.cursor.execute(
                    "UPDATE whyness_mixpanel_outbox SET state = 'parked', reason = 'parked again'"
                    " WHERE state = 'pending'"
                )
        return result

    with connection.execute_wrapper(interfere), pytest.raises(CommandError):
        run("release", "--all", "--database=default")

    again = set(Outbox.objects.filter(reason="parked again").values_list("pk", flat=True))
    assert again == {*rows[::2], pending}


@pytest.mark.parametrize(
    ("arguments", "answer", "expected"),
    [
        (("--yes",), None, 0),
        ((), "y\n", 0),
        ((), " YES \n", 0),
        ((), "n\n", 1),
        ((), "\n", 1),
        ((), "", 1),  # the end of the input
        ((), "yesterday\n", 1),
        ((), None, 2),  # no terminal
    ],
)
def test_parked_rows_are_deleted_once_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    answer: str | None,
    expected: int,
) -> None:
    """All of them and nothing else; without a terminal only with --yes."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n") if answer is None else Terminal(answer))
    rows = [park("{"), park(), park(state="pending")]

    code = 0
    try:
        printed = run("delete", "--all", *arguments)
    except CommandError as error:
        code = error.returncode

    assert code == expected
    assert states() == ({rows[2]: "pending"} if code == 0 else dict.fromkeys(rows[:2], "parked") | states())
    assert len(states()) == (1 if code == 0 else 3)
    if code == 0:
        assert printed == "Deleted: 2.\n"
    if answer is not None:
        assert "Delete 2 parked events permanently?" in capsys.readouterr().out


def test_deleted_rows_are_logged_by_their_ids(caplog: pytest.LogCaptureFixture) -> None:
    """As the admin keeps a LogEntry; nothing of the events."""
    ids = [park(reason="x", encoded="MARKER"), park(using="other", id=9_000)]

    run("delete", "--all", "--yes")

    assert [record.getMessage() for record in caplog.records] == [
        f"Deleted 1 parked rows from the outbox of default. Ids: {ids[0]}",
        "Deleted 1 parked rows from the outbox of other. Ids: 9000",
    ]


def test_what_is_parked_while_somebody_thinks_is_not_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is about the rows that were counted; one that was released meanwhile stays, and is told."""
    rows = [park(), park()]

    def meanwhile() -> None:
        Outbox.objects.filter(pk=rows[0]).update(state="pending")
        rows.append(park())

    monkeypatch.setattr(sys, "stdin", Terminal("y\n", meanwhile))

    error = refused("delete", "--all")

    assert (str(error), error.returncode) == (
        "1 rows were not deleted, because they are no longer parked.",
        1,
    )
    assert states() == {rows[0]: "pending", rows[2]: "parked"}


def test_where_nothing_is_parked_nobody_is_asked() -> None:
    """Of either action; a script may run it each night."""
    park(state="pending")

    assert run("delete", "--all") == "Deleted: 0.\n"
    assert run("release", "--all") == "Released: 0. Still parked: 0.\n"
    assert run("list") == ""


@pytest.mark.parametrize(
    ("arguments", "left"),
    [(("list",), ["parked"]), (("release", "--all"), ["pending"]), (("delete", "--all", "--yes"), [])],
)
def test_an_action_keeps_to_the_database_that_is_named(arguments: tuple[str, ...], left: list[str]) -> None:
    """Without a name it is each that has an outbox."""
    for alias in connections:
        park(using=alias)

    run(*arguments, "--database=other")
    named = [list(states(alias).values()) for alias in ("default", "other")]
    run(*arguments)

    assert named == [["parked"], left]
    assert list(states().values()) == left


def test_no_receiver_of_the_site_hears_of_a_deletion() -> None:
    """By the command as by the admin: one that raises would keep the row."""

    def object_to(**_: object) -> None:
        raise RuntimeError

    rows = [park(), park()]
    for signal in (pre_delete, post_delete):
        signal.connect(object_to, sender=Outbox)
    try:
        run("delete", str(rows[0]), "--yes")
        admin().delete_model(RequestFactory().post("/"), Outbox.objects.get(pk=rows[1]))
    finally:
        for signal in (pre_delete, post_delete):
            signal.disconnect(object_to, sender=Outbox)

    assert states() == {}


def admin() -> OutboxAdmin:
    """Return the page of the admin."""
    from django.contrib.admin import site  # noqa: PLC0415  (once Django is set up)

    return OutboxAdmin(Outbox, site)


def test_what_was_released_since_the_page_was_shown_is_not_deleted_in_the_admin() -> None:
    """It is the relay's now; the page answers 403, and Django's note of the deletion is undone."""
    id_ = park()
    stale = Outbox.objects.get(pk=id_)
    run("release", str(id_))

    with pytest.raises(PermissionDenied):
        admin().delete_model(RequestFactory().post("/"), stale)

    assert states() == {id_: "pending"}


class ReadsFromReplica:
    """A site whose reads go to another database than its writes."""

    def db_for_read(self, *_: object, **__: object) -> str:
        """Return the replica."""
        return "other"

    def db_for_write(self, *_: object, **__: object) -> str:
        """Return the primary."""
        return "default"


def test_the_admin_asks_no_replica() -> None:
    """It may be behind, and cannot be written."""
    request = RequestFactory().post("/")
    park(using="other")

    with override_settings(DATABASE_ROUTERS=[ReadsFromReplica()]):
        rows = admin().get_queryset(request)
        asked, count = rows.db, rows.count()

    assert (asked, count) == ("default", 0)


def test_of_any_rows_those_that_are_parked_are_taken_oldest_first() -> None:
    """Whoever ticks a pending one in the admin is told that it is not parked."""
    park(state="pending", id=3)
    for id_ in (9, 2, 5):
        park(id=id_)

    assert list(parked.ids_of(Outbox.objects.order_by("-id"))) == [2, 5, 9]


def test_rows_are_deleted_in_slices() -> None:
    """However many: no statement names more than 500."""
    fill(1_100, "parked")

    assert run("delete", "--all", "--yes") == "Deleted: 1100.\n"
    assert states() == {}


def test_help_names_the_exit_codes_of_each_action(capsys: pytest.CaptureFixture[str]) -> None:
    """Where people look for them."""
    actions = ("status", "drain", "list", "show", "release", "delete")
    for arguments in ((), *((action,) for action in actions)):
        with pytest.raises(SystemExit, match="0"):
            run(*arguments, "--help")

    printed = capsys.readouterr().out
    assert printed.count("exit codes: 0 done; 1 ") == 1 + len(actions)
    assert printed.count("--database DATABASE") >= len(actions)
