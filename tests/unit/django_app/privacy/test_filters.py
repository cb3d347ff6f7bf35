import json
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.django_support import override
from whyness_mixpanel import conf
from whyness_mixpanel.models import Event, Suppression
from whyness_mixpanel.privacy import filters, suppression
from whyness_mixpanel.privacy.scrubber import REMOVED


def encoded(user: str = "7", prospect: str = "") -> str:
    """Return an event as it travels."""
    return Event(event="x", user=user, prospect=prospect).json()


def test_only_data_and_properties_are_scrubbed() -> None:
    """The rest of an event are fields with rules of their own; a user named token is one."""
    event = Event(event="x", user="token=7", data="password=a", properties={"password": "b", "n": 1})

    document = json.loads(event.json())

    assert document["user"] == "token=7"
    assert document["data"] == f"password={REMOVED}"
    assert document["properties"] == {"password": REMOVED, "n": 1}


def test_what_counts_as_secret_is_the_sites_setting() -> None:
    """SCRUB_NAMES and SCRUB_PATTERNS stand instead of the default."""
    with override(SCRUB_NAMES=["iban"], SCRUB_PATTERNS=[]):
        assert filters.scrubber().scrub({"iban": "x", "password": "kept"}) == {
            "iban": REMOVED,
            "password": "kept",
        }


@pytest.mark.usefixtures("db")
def test_events_about_suppressed_people_are_taken_out() -> None:
    """As a user, as a prospect, and as the prospect that a user used to be; the others stay in order."""
    for user in ("8", "p:45"):
        Suppression.objects.create(user=user)
    events = [encoded("7"), encoded("8"), encoded(""), encoded("p:45"), encoded("9", "45"), encoded("45")]

    assert filters.filter_suppressed(events) == [events[0], events[2], events[5]]


@pytest.mark.usefixtures("db")
def test_the_site_is_asked_once_for_all_people_of_a_batch() -> None:
    """OPT_OUT gets each user once, and never an anonymous one."""
    asked: list[frozenset[str]] = []

    def opt_out(users: frozenset[str]) -> set[Any]:
        asked.append(users)
        return {8}

    events = [encoded("7"), encoded("8"), encoded("7"), encoded("")]

    with override(OPT_OUT=opt_out):
        assert filters.filter_suppressed(events) == [events[0], events[2], events[3]]
        assert filters.filter_suppressed([encoded("")]) != []
    assert asked == [frozenset({"7", "8"})]


def everybody(users: frozenset[str]) -> frozenset[str]:
    """Stand for a function that settings name by its path."""
    return users


@pytest.mark.usefixtures("db")
def test_the_function_may_be_named_by_its_path() -> None:
    """Settings modules cannot import models."""
    with override(OPT_OUT=f"{__name__}.everybody"):
        assert filters.filter_suppressed([encoded("7")]) == []
    with override(OPT_OUT="whyness_mixpanel.nothing.here"), pytest.raises(conf.SettingError):
        filters.filter_suppressed([encoded("7")])


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("answer", [KeyError("MARKER-4711"), None, 7])
def test_a_function_that_fails_lets_nothing_through(answer: object) -> None:
    """The caller parks the batch; the reason shows no value."""

    def opt_out(_: frozenset[str]) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with override(OPT_OUT=opt_out), pytest.raises(filters.OptOutFailed) as caught:
        filters.filter_suppressed([encoded("7")])

    assert "MARKER" not in str(caught.value)


@pytest.mark.usefixtures("db")
def test_a_list_that_cannot_be_read_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked to be forgotten would be sent otherwise."""

    def fail(*_: object) -> set[str]:
        raise DatabaseError

    monkeypatch.setattr(filters, "suppressed_among", fail)

    with pytest.raises(filters.SuppressionUnreadable, match="migrated"):
        filters.filter_suppressed([encoded("7")])


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("listed_count", [0, 1, 4, 5, 6, 9])
@pytest.mark.parametrize("asked_count", [1, 4, 5, 6, 9])
def test_any_number_of_people_is_looked_up_in_a_list_of_any_length(
    listed_count: int, asked_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that is shorter than the question is read; a longer one is asked."""
    monkeypatch.setattr(suppression, "_MANY", 4)
    Suppression.objects.bulk_create(Suppression(user=f"{number}") for number in range(listed_count))
    people = {f"{number}" for number in range(3, 3 + asked_count)}

    with CaptureQueriesContext(connection) as queries:
        unwanted = filters.unwanted_among(people)

    assert unwanted == {f"{number}" for number in range(3, listed_count)} & people
    is_asked = asked_count <= 4 or listed_count >= asked_count
    assert [" IN " in query["sql"] for query in queries] == [False] * (asked_count > 4) + [True] * is_asked


def statements() -> list[str]:
    """Return the first words of the statements that asking about a person makes."""
    event = encoded("7")
    with CaptureQueriesContext(connection) as queries:
        filters.filter_suppressed([event])
    return [query["sql"].split()[0] for query in queries]


@pytest.mark.usefixtures("db")
def test_outside_a_transaction_none_is_begun_only_to_ask() -> None:
    """A page would wait for whoever writes, where the site begins its transactions as IMMEDIATE on SQLite."""
    assert statements() == ["SELECT"]


@pytest.mark.usefixtures("db")
def test_inside_a_transaction_asking_has_a_savepoint() -> None:
    """On PostgreSQL a missing table would break the transaction otherwise."""
    with transaction.atomic():
        assert statements() == ["SAVEPOINT", "SELECT", "RELEASE"]


@pytest.mark.usefixtures("db")
def test_a_user_that_no_database_can_hold_is_not_suppressed() -> None:
    """PostgreSQL refuses a question with such a text in it, and so for all the others."""
    Suppression.objects.create(user="8")

    assert suppression.suppressed_among(["a\x00b", "\ud800", "8"]) == {"8"}


@pytest.mark.parametrize("raw", [None, [], "x", {}, {"user": None, "prospect": []}, {"user": ""}])
def test_what_names_nobody_is_about_nobody(raw: object) -> None:
    """A dead letter may hold anything."""
    assert filters.people_of(raw) == set()


def test_a_person_is_asked_for_under_every_spelling() -> None:
    """What translation makes of a prospect, in both identity modes."""
    assert filters.spellings("123") == ["123"]
    assert filters.spellings("p:45") == ["p:45", "$device:p-45", "p-45"]
