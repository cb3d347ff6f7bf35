"""What is decided about a person; and that reading finds all that differ, for any rows and states."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from example.whyness_django.models import AuthUser
from tests.django_support import override
from tests.unit.django_app.people.fake_engage import PROJECT
from whyness_mixpanel.models import PersonState, Suppression
from whyness_mixpanel.people import Profile, changes
from whyness_mixpanel.people.changes import Action, Page, Reader, decide
from whyness_mixpanel.people.state import Known, Sender
from whyness_mixpanel.people.update import DELETED_DIGEST, Refused, Renderer, Update

NOW = datetime(2026, 11, 27, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(minutes=11), NOW - timedelta(minutes=9)
UPDATE, BAD = Update(7, "7", "new", "{}"), Refused(7, "7", "a reason")


def build(row: AuthUser) -> dict[str, Any]:
    """Return a profile; a user named `bad` breaks a rule."""
    return {"$os": 1} if row.name == "bad" else {"name": row.name}


USER = Profile(name="user", model="whyness_django.AuthUser", build=build)


def reader(profile: Profile = USER) -> Reader:
    """Return a reader."""
    return Reader(profile, Renderer(profile, PROJECT, lambda value: value), Sender("one"))


@pytest.mark.parametrize(
    ("wanted", "known", "action"),
    [
        (UPDATE, None, Action.SEND),
        (UPDATE, ("new", "sent", "", None), Action.NOTHING),
        (UPDATE, ("old", "sent", "", None), Action.SEND),
        (UPDATE, ("new", "refused", "by Mixpanel", None), Action.NOTHING),
        (UPDATE, ("old", "refused", "by Mixpanel", None), Action.SEND),
        (UPDATE, ("", "refused", "a reason", None), Action.SEND),
        (UPDATE, ("", "deleted", "", None), Action.SEND),
        (None, None, Action.NOTHING),
        (None, ("new", "sent", "", None), Action.DELETE),
        (None, ("new", "refused", "by Mixpanel", None), Action.DELETE),
        (None, ("", "refused", "a reason", None), Action.DELETE),
        (None, (DELETED_DIGEST, "refused", "by Mixpanel", None), Action.NOTHING),
        (None, ("", "deleted", "", None), Action.NOTHING),
        (BAD, None, Action.REFUSE),
        (BAD, ("new", "sent", "", None), Action.REFUSE),
        (BAD, ("", "deleted", "", None), Action.REFUSE),
        (BAD, ("", "refused", "another reason", None), Action.REFUSE),
        (BAD, ("", "refused", "a reason", None), Action.NOTHING),
        (BAD, ("", "refused", "a reason", YOUNG), Action.NOTHING),
    ],
)
def test_decision_about_a_person_whose_state_is_sure(
    wanted: Update | Refused | None, known: tuple[Any, ...] | None, action: Action
) -> None:
    """What is confirmed is not sent again; what Mixpanel refused, not before it differs."""
    state = None if known is None else Known(7, "7", *known)

    assert decide(wanted, state, NOW - timedelta(minutes=10)) is action


@pytest.mark.parametrize(
    ("digest", "state", "wanted"),
    list(product(("", "new", "old", DELETED_DIGEST), ("", "sent", "refused", "deleted"), (UPDATE, None))),
)
def test_doubt_is_waited_for_and_then_sent_once_more(digest: str, state: str, wanted: Update | None) -> None:
    """Whatever was confirmed before: a request may act until ten minutes after the latest doubt."""
    once_more = Action.SEND if wanted else Action.DELETE
    since = NOW - timedelta(minutes=10)

    assert decide(wanted, Known(7, "7", digest, state, "", YOUNG), since) is Action.WAIT
    assert decide(wanted, Known(7, "7", digest, state, "", since), since) is once_more
    assert decide(wanted, Known(7, "7", digest, state, "", OLD), since) is once_more


def all_pages(read: Reader) -> list[Page]:
    """Read all pages, as a pass does."""
    pages = [read.after(None)]
    while (last := pages[-1].last_key) is not None:
        pages.append(read.after(last))
    return pages


ROWS = st.dictionaries(st.integers(-12, 12), st.sampled_from(["a", "b", "bad"]), max_size=20)
STATES = st.dictionaries(
    st.integers(-12, 12),
    st.tuples(
        st.sampled_from(["", "a", "b"]), st.sampled_from(["sent", "refused", "deleted"]), st.booleans()
    ),
    max_size=20,
)
MARKED = st.sets(st.integers(-12, 12), max_size=4)


@pytest.mark.usefixtures("db")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
@given(ROWS, STATES, MARKED, MARKED, st.integers(1, 5))
def test_reading_finds_exactly_the_people_whom_something_must_be_done_about(
    rows: dict[int, str],
    states: dict[int, tuple[str, str, bool]],
    suppressed: set[int],
    anonymous: set[int],
    page_rows: int,
) -> None:
    """For any rows and states, in pages of any size, each person once: as one decision after another."""
    for model in (AuthUser, PersonState, Suppression):
        model.objects.all().delete()
    AuthUser.objects.bulk_create(AuthUser(id=key, uid=str(key), name=name) for key, name in rows.items())
    Suppression.objects.bulk_create(Suppression(user=str(key)) for key in suppressed)
    made = {
        key: Renderer(USER, PROJECT, lambda v: v).render(key, AuthUser(id=key, name=name))
        for key, name in rows.items()
    }
    others = {name: Renderer(USER, PROJECT, lambda v: v) for name in ("a", "b")}
    known: dict[int, Known] = {}
    for key, (name, state, is_unsure) in states.items():
        rendered = others[name].render(key, AuthUser(id=key, name=name)) if name else None
        digest = rendered.digest if isinstance(rendered, Update) else ""
        known[key] = Known(key, str(key), digest, state, "", NOW if is_unsure else None)
    PersonState.objects.bulk_create(PersonState(source="user", **state._asdict()) for state in known.values())

    page_rows_before, changes.PAGE_ROWS = changes.PAGE_ROWS, page_rows
    try:
        with override(ANONYMOUS_USERS=[str(key) for key in anonymous]):
            pages = all_pages(reader())
    finally:
        changes.PAGE_ROWS = page_rows_before

    wanted: dict[Action, list[int]] = {action: [] for action in Action}
    for key in sorted({*rows, *known}):
        is_wanted = key in rows and key not in suppressed | anonymous
        wanted[decide(made[key] if is_wanted else None, known.get(key), NOW)].append(key)
    assert [update.key for page in pages for update in page.send] == wanted[Action.SEND]
    assert [update.key for page in pages for update in page.delete] == wanted[Action.DELETE]
    assert [row.key for page in pages for row in page.refuse] == wanted[Action.REFUSE]
    assert sum(page.row_count for page in pages) == len(rows)


@pytest.mark.usefixtures("db")
def test_reading_by_keys_finds_the_same() -> None:
    """Of the rows and states with these keys, and no others."""
    AuthUser.objects.bulk_create(AuthUser(id=key, uid=str(key), name="a") for key in (2, 3, 4))
    PersonState.objects.create(source="user", key=9, person="9", digest="x", state="sent")
    PersonState.objects.create(source="prospect", key=2, person="p:2", digest="x", state="sent")

    page = reader().of([2, 4, 8, 9])

    assert [update.key for update in page.send] == [2, 4]
    assert [update.key for update in page.delete] == [9]


@pytest.mark.usefixtures("db")
def test_relations_are_read_with_the_page() -> None:
    """Not row by row."""
    from example.whyness_django.models import TrackerItem, TrackerLog, UserAgent  # noqa: PLC0415  (only here)

    user, agent = AuthUser.objects.create(id=2, uid="2"), UserAgent.objects.create(useragent="x")
    item = TrackerItem.objects.create(title="x")
    TrackerLog.objects.bulk_create(TrackerLog(user=user, item=item, useragent=agent) for _ in range(10))
    profile = Profile(
        name="log",
        model="whyness_django.TrackerLog",
        prefix="log:",
        build=lambda row: {"uid": row.user.uid},
        prefetch=("user",),
    )

    with CaptureQueriesContext(connection) as queries:
        page = reader(profile).after(None)

    assert len(page.send) == 10
    assert len(queries) == 4


@pytest.mark.usefixtures("db")
def test_row_that_cannot_be_read_is_refused_and_its_neighbours_go() -> None:
    """A damaged value raises when the page is read."""
    AuthUser.objects.bulk_create(AuthUser(id=key, uid=str(key), name="a") for key in range(2, 6))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE whyness_django_authuser SET xref = 'no uuid' WHERE id = 3")

    page = reader().after(None)

    assert [update.key for update in page.send] == [2, 4, 5]
    assert page.refuse == [Refused(3, "3", "the row: it cannot be read (ValueError)")]


@pytest.mark.usefixtures("db")
def test_build_may_ask_the_database_and_its_failure_is_no_fault_of_the_row() -> None:
    """A query that fails for one row refuses it; a database that is away ends the pass."""
    AuthUser.objects.bulk_create(AuthUser(id=key, uid=str(key), name="a") for key in (2, 3))

    def failing(row: AuthUser) -> dict[str, Any]:
        if row.pk == 2:
            with connection.cursor() as cursor:
                cursor.execute("SELECT nonsense FROM nowhere")
        return {}

    profile = Profile(name="user", model="whyness_django.AuthUser", build=failing)
    page = reader(profile).after(None)
    assert [row.reason for row in page.refuse] == ["build: found OperationalError"]
    assert [update.key for update in page.send] == [3]

    with connection.execute_wrapper(_away), pytest.raises(DatabaseError):
        reader().after(None)


def _away(*_: Any) -> None:
    raise DatabaseError


@pytest.mark.usefixtures("db")
def test_page_waits_while_it_is_unknown_who_may_be_sent_about() -> None:
    """The function is called once for a page; what it raised is named by its type."""
    AuthUser.objects.bulk_create(AuthUser(id=key, uid=str(key), name="a") for key in (2, 3))
    calls: list[set[str]] = []

    def opt_out(people: frozenset[str]) -> set[str]:
        calls.append(set(people))
        raise ValueError("hunter2-secret")

    with override(OPT_OUT=opt_out):
        page = reader().after(None)

    assert (page.send, page.delete, page.row_count) == ([], [], 2)
    assert page.waiting == "who may not be sent about is unknown (ValueError)"
    assert calls == [{"2", "3"}]


@pytest.mark.usefixtures("db")
def test_doubts_are_as_old_as_the_database_says() -> None:
    """Its clock, not that of the process."""
    PersonState.objects.create(source="user", key=2, person="2", state="sent", digest="x")
    sender = Sender("one")
    assert sender.take()

    assert sender.mark("user", [Update(2, "2")])
    assert reader().after(None).delete == []
    PersonState.objects.update(unsure_at=F("unsure_at") - timedelta(minutes=10, seconds=1))

    assert [update.key for update in reader().after(None).delete] == [2]
