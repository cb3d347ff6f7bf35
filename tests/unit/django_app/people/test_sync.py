"""Passes over rows in SQLite, against a Mixpanel in memory."""

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from example.whyness_crm.models import Contact
from example.whyness_django.models import AuthUser, TrackerLog
from tests.django_support import override
from tests.unit.django_app.people.fake_engage import (
    NO,
    PROJECT,
    TOKEN,
    YES,
    FakeMixpanel,
    is_canary,
    run,
)
from tests.unit.django_app.rows import make_activities
from whyness_mixpanel.models import PersonLease, PersonState, Suppression
from whyness_mixpanel.people import Profile
from whyness_mixpanel.people.delivery import REFUSED_ALONE
from whyness_mixpanel.people.engage import Reply
from whyness_mixpanel.people.state import DOUBT, LEASE, Sender
from whyness_mixpanel.people.update import Project

pytestmark = pytest.mark.usefixtures("db")


def build(row: AuthUser) -> dict[str, Any]:
    """Return a profile; a user named `bad` breaks a rule."""
    return {"$os": 1} if row.name == "bad" else {"$name": row.name, "plan": row.uid}


USER = Profile(name="user", model="whyness_django.AuthUser", build=build, personal=("$name",))
PROSPECT = Profile(
    name="prospect", model="whyness_crm.Contact", prefix="p:", build=lambda row: {"name": row.name}
)


def make_users(number: int, *, first: int = 2, name: str = "Name") -> None:
    """Store users with the keys from `first` on."""
    keys = range(first, first + number)
    AuthUser.objects.bulk_create(AuthUser(id=key, uid=f"u{key}", name=f"{name} {key}") for key in keys)


def shown(row: AuthUser) -> dict[str, Any]:
    """Return the profile that Mixpanel should show of a row."""
    return {"$name": row.name, "plan": row.uid, "person": str(row.pk), "kind": "user"}


def is_right(mixpanel: FakeMixpanel) -> bool:
    """Whether Mixpanel shows exactly what the table has."""
    return mixpanel.profiles == {str(row.pk): shown(row) for row in AuthUser.objects.exclude(name="bad")}


def states() -> dict[str, str]:
    """Return each person's state, `unsure` where it is."""
    rows = PersonState.objects.values_list("person", "state", "unsure_at")
    return {person: "unsure" if unsure_at else state for person, state, unsure_at in rows}


def ten_minutes_later() -> None:
    """Make doubts and the lease older, as the database sees them."""
    later = DOUBT + timedelta(seconds=1)
    PersonState.objects.update(unsure_at=F("unsure_at") - later)
    PersonLease.objects.update(until=F("until") - later)


def test_the_first_pass_sends_all_and_the_next_none() -> None:
    """The first pass is the backfill, in full requests."""
    make_users(2_500)
    mixpanel = FakeMixpanel()

    first, second = run(mixpanel, [USER]), run(mixpanel, [USER])

    assert (first.counts["sent"], first.counts["read"], second.counts["sent"]) == (2_500, 2_500, 0)
    assert len(mixpanel.requests) == 3
    assert is_right(mixpanel)
    assert set(states().values()) == {"sent"}


@pytest.mark.parametrize(
    "change",
    [
        lambda: AuthUser.objects.filter(pk=3).update(name="Renamed"),
        lambda: AuthUser.objects.filter(pk=3).update(name=""),
        lambda: AuthUser.objects.bulk_update([AuthUser(id=3, uid="x")], ["uid"]),
        lambda: AuthUser.objects.filter(pk=3).delete(),
        lambda: make_users(1, first=1_000),
        lambda: make_users(1, first=-5),
    ],
)
def test_next_pass_sends_what_any_kind_of_change_made(change: Callable[[], object]) -> None:
    """Also those that send no signal, and nothing else."""
    make_users(5)
    mixpanel = FakeMixpanel()
    run(mixpanel, [USER])

    change()
    run(mixpanel, [USER])

    assert is_right(mixpanel)
    assert len(mixpanel.requests[-1]) == 1


def test_row_changed_while_a_pass_reads_is_sent_by_the_next() -> None:
    """At any request, before its page or after it."""
    make_users(30)
    mixpanel = FakeMixpanel()
    numbers = count()

    def change(_: Any) -> None:
        AuthUser.objects.filter(pk__in=(2, 31)).update(name=f"Changed {next(numbers)}")

    mixpanel.before = change
    run(mixpanel, [USER])
    run(mixpanel, [USER])
    mixpanel.before = lambda _: None
    run(mixpanel, [USER])

    assert is_right(mixpanel)


def test_one_bad_row_is_named_and_its_neighbours_go() -> None:
    """Its reason is told once; corrected, it is sent."""
    make_users(2_000)
    AuthUser.objects.filter(pk=77).update(name="bad")
    mixpanel = FakeMixpanel()

    first, second = run(mixpanel, [USER]), run(mixpanel, [USER])

    assert (first.counts["sent"], first.counts["refused"], second.counts["refused"]) == (1_999, 1, 0)
    assert PersonState.objects.get(state="refused").reason == (
        "$os: found a reserved name; allowed: names that do not begin with $ or mp_"
    )
    AuthUser.objects.filter(pk=77).update(name="good")
    run(mixpanel, [USER])
    assert is_right(mixpanel)


def test_one_whom_only_mixpanel_refuses_is_found() -> None:
    """By halving, and alone, while another profile passes before and after; the canary is gone afterwards."""
    make_users(2_000)
    mixpanel = FakeMixpanel()
    mixpanel.refuses = lambda update: update["$distinct_id"] == "77"

    done = run(mixpanel, [USER])

    assert (done.counts["sent"], done.counts["refused"]) == (1_999, 1)
    assert len(mixpanel.people()) == 1_999
    refused = PersonState.objects.get(state="refused")
    assert (refused.person, refused.reason, refused.unsure_at) == ("77", REFUSED_ALONE, None)
    assert len(mixpanel.requests) < 80

    sent_before = len(mixpanel.requests)
    assert run(mixpanel, [USER]).counts["sent"] == 0
    assert len(mixpanel.requests) == sent_before
    mixpanel.refuses = lambda _: False
    AuthUser.objects.filter(pk=77).update(name="other")
    run(mixpanel, [USER])
    assert is_right(mixpanel)


@pytest.mark.parametrize("updates", [1, 1_000])
def test_nobody_is_blamed_by_chance(updates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of all requests are refused at random: all are sent in the end, also where each is sent alone."""
    monkeypatch.setattr("whyness_mixpanel.people.engage.REQUEST_UPDATES", updates)
    make_users(500)
    rng = random.Random(updates)  # noqa: S311  (seeded)
    mixpanel = FakeMixpanel()
    mixpanel.before = lambda _: NO if rng.random() < 0.5 else None

    for _ in range(20):
        if not run(mixpanel, [USER]).counts["unsure"]:
            break

    assert set(states().values()) == {"sent"}
    mixpanel.before = lambda _: None
    assert run(mixpanel, [USER]).counts["sent"] == 0
    mixpanel.profiles.pop("whyness-mixpanel-check", None)
    assert is_right(mixpanel)


def test_culprit_among_random_refusals_is_named_or_waits() -> None:
    """The others go; that nothing but the person is refused each time shows in the end."""
    make_users(50)
    rng = random.Random(7)  # noqa: S311  (seeded)
    mixpanel = FakeMixpanel()
    mixpanel.refuses = lambda update: update["$distinct_id"] == "7"
    mixpanel.before = lambda _: NO if rng.random() < 0.5 else None

    for _ in range(5):
        run(mixpanel, [USER])

    assert states()["7"] == "refused"
    assert sorted(set(states().values())) == ["refused", "sent"]


def test_mixpanel_that_refuses_everything_blames_no_person() -> None:
    """Status 0 to all: after some tries the pass ends, as with a wrong set-up."""
    make_users(2_000)
    mixpanel = FakeMixpanel()
    mixpanel.before = lambda _: NO

    done = run(mixpanel, [USER])

    assert done.ended is not None
    assert done.ended.is_setup
    assert set(states().values()) == {"unsure"}
    assert len(mixpanel.requests) < 200
    ten_minutes_later()
    mixpanel.before = lambda _: None
    run(mixpanel, [USER])
    assert is_right(mixpanel)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
def test_refused_setup_ends_the_pass_and_the_next_makes_all_right(status: int) -> None:
    """It says so; nothing is called sent, and nobody has to be waited for."""
    make_users(30)
    mixpanel = FakeMixpanel()
    mixpanel.before = lambda _: Reply(status)

    done = run(mixpanel, [USER])

    assert done.ended is not None
    assert done.ended.is_setup
    assert str(status) in str(done.ended)
    assert len(mixpanel.requests) == 1
    assert set(states().values()) == {"unsure"}
    mixpanel.before = lambda _: None
    assert run(mixpanel, [USER]).counts["unsure"] == 0
    assert is_right(mixpanel)


@pytest.mark.parametrize(
    "other",
    [Project(PROJECT.url, "wrong", "distinct_id"), Project("http://127.0.0.1:2", TOKEN, "distinct_id")],
)
def test_what_another_project_has_is_sent_to_the_right_one(other: Project) -> None:
    """Mixpanel says yes to any token; corrected, one pass sends all."""
    make_users(3)
    mixpanel = FakeMixpanel()
    run(lambda _: YES, [USER], project=other)

    run(mixpanel, [USER])

    assert is_right(mixpanel)


@pytest.mark.parametrize("reply", [Reply(0), Reply(429), Reply(500), Reply(503), Reply(200, b"<html>")])
def test_mixpanel_away_leaves_all_unsure_and_one_pass_afterwards_makes_all_right(
    reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of passes: each gives up after three requests; ten minutes after it, all is sent."""
    monkeypatch.setattr("whyness_mixpanel.people.changes.PAGE_ROWS", 10)
    make_users(60)
    mixpanel, waits = FakeMixpanel(), list[float]()
    mixpanel.before = lambda _: reply

    for _ in range(6):
        done = run(mixpanel, [USER], wait=waits.append)
        assert done.ended is not None
        assert not done.ended.is_setup
        assert done.counts["sent"] == 0
        assert set(states().values()) == {"unsure"}
        ten_minutes_later()

    assert len(mixpanel.requests) == 18
    assert waits == [5, 15] * 6
    mixpanel.before = lambda _: None
    done = run(mixpanel, [USER])
    assert (done.ended, done.counts["unsure"]) == (None, 0)
    assert is_right(mixpanel)


def test_unsure_people_are_sent_once_more_after_ten_minutes_and_not_before() -> None:
    """From the row as it then is, whatever was answered since about others."""
    make_users(3)
    mixpanel = FakeMixpanel()
    mixpanel.before = lambda _: Reply(0)
    run(mixpanel, [USER], is_wanted=iter([True, False]).__next__)
    mixpanel.before = lambda _: None
    make_users(1, first=50)
    AuthUser.objects.filter(pk=2).update(name="Newer")

    early = run(mixpanel, [USER])
    assert (early.counts["sent"], early.counts["unsure"]) == (1, 3)
    assert mixpanel.people() == {"50"}
    ten_minutes_later()
    late = run(mixpanel, [USER])

    assert (late.counts["sent"], late.counts["unsure"]) == (3, 0)
    assert is_right(mixpanel)


def test_doubt_is_as_young_as_the_end_of_the_request() -> None:
    """A request that took eleven minutes is waited for as long as any other."""
    make_users(2)
    mixpanel = FakeMixpanel()

    def takes_long(_: Any) -> Reply:
        PersonState.objects.update(unsure_at=F("unsure_at") - timedelta(minutes=11))
        return Reply(0)

    mixpanel.before = takes_long
    run(mixpanel, [USER])
    mixpanel.before = lambda _: None

    assert run(mixpanel, [USER]).counts["unsure"] == 2
    assert len(mixpanel.requests) == 1


@pytest.mark.parametrize("stops_at", range(0, 12, 1))
def test_pass_interrupted_at_any_request_is_completed_by_the_next(
    stops_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies before, during or after a request leaves people unsure, none forgotten."""
    make_users(10)
    Contact.objects.bulk_create(Contact(id=key, name="c") for key in range(2, 6))
    monkeypatch.setattr("whyness_mixpanel.people.engage.REQUEST_UPDATES", 2)
    monkeypatch.setattr("whyness_mixpanel.people.changes.PAGE_ROWS", 3)
    mixpanel = FakeMixpanel()
    steps = count()

    def dies(_: Any) -> None:
        if next(steps) == stops_at:
            raise KeyboardInterrupt

    mixpanel.before = dies
    try:
        run(mixpanel, [PROSPECT, USER])
    except KeyboardInterrupt:
        PersonLease.objects.update(owner="one")  # as if the process had not given it back
    mixpanel.before = lambda _: None
    ten_minutes_later()
    done = run(mixpanel, [PROSPECT, USER], owner="two")

    assert (done.ended, done.counts["unsure"]) == (None, 0)
    assert len(mixpanel.people()) == 14
    assert set(states().values()) == {"sent"}


def test_only_one_sends_at_a_time() -> None:
    """A lease that runs is respected; one that has run out, or that a wrong clock set, is not."""
    make_users(1)
    other = Sender("other")
    assert other.take()
    mixpanel = FakeMixpanel()

    assert str(run(mixpanel, [USER]).ended) == "Another process is sending profiles. Nothing was sent."
    assert mixpanel.requests == []
    PersonLease.objects.update(until=Now() + 10 * LEASE)
    assert run(mixpanel, [USER]).ended is None
    assert not other.hold()
    assert other.take()


@pytest.mark.parametrize("is_answered", [True, False])
def test_answer_counts_only_while_the_lease_is_held(is_answered: bool) -> None:  # noqa: FBT001  (a table)
    """Whoever lost it while a request was open does not know what the other has sent."""
    make_users(2)
    mixpanel = FakeMixpanel()

    def lose(_: Any) -> Reply | None:
        PersonLease.objects.update(owner="other", until=Now() - LEASE)
        return None if is_answered else Reply(0)

    mixpanel.before = lose
    done = run(mixpanel, [USER])

    assert done.counts["sent"] == 0
    assert states() == {"2": "unsure", "3": "unsure"}


def test_what_was_read_before_another_sent_is_read_again() -> None:
    """The lease ran out, the other sent the newer row and gave the lease back: the older must not follow."""
    make_users(1)
    mixpanel = FakeMixpanel()

    def build_late(row: AuthUser) -> dict[str, Any]:
        if row.name == "Name 2":
            PersonLease.objects.update(until=Now() - LEASE)
            AuthUser.objects.update(name="Newer")
            run(mixpanel, [USER], owner="other")
        return build(row)

    late = Profile(name="user", model="whyness_django.AuthUser", build=build_late, personal=("$name",))
    run(mixpanel, [late])

    assert [update["$set"]["$name"] for request in mixpanel.requests for update in request] == ["Newer"]
    assert is_right(mixpanel)


def test_who_may_not_be_sent_about_loses_the_profile_and_gets_it_back() -> None:
    """Suppressed, opted out, without a user, or gone: deleted once; whoever opts in again has a profile."""
    make_users(6)
    mixpanel = FakeMixpanel()
    run(mixpanel, [USER])
    Suppression.objects.create(user="2")
    AuthUser.objects.filter(pk=5).delete()

    with override(OPT_OUT=lambda _: {"3", "x"}, ANONYMOUS_USERS=["4"]):
        done = run(mixpanel, [USER])
        assert done.counts["deleted"] == 4
        assert mixpanel.people() == {"6", "7"}
        assert run(mixpanel, [USER]).counts["deleted"] == 0
    assert {key: state for key, state in states().items() if state != "sent"} == dict.fromkeys(
        "2345", "deleted"
    )
    assert not PersonState.objects.exclude(digest="").filter(state="deleted").exists()

    run(mixpanel, [USER])
    assert mixpanel.people() == {"3", "4", "6", "7"}


def test_nothing_is_sent_about_who_never_had_a_profile() -> None:
    """No `$delete` either."""
    make_users(2)
    Suppression.objects.create(user="2")
    mixpanel = FakeMixpanel()

    run(mixpanel, [USER])

    assert [update["$distinct_id"] for update in mixpanel.requests[0]] == ["3"]


def test_people_wait_while_opt_out_raises() -> None:
    """None is sent, none is deleted, and it is told."""
    make_users(3)
    mixpanel = FakeMixpanel()
    run(mixpanel, [USER])
    AuthUser.objects.update(name="Newer")
    AuthUser.objects.filter(pk=2).delete()

    def fails(_: Any) -> set[str]:
        raise ValueError("hunter2-secret")

    with override(OPT_OUT=fails):
        done = run(mixpanel, [USER])

    assert len(mixpanel.requests) == 1
    assert done.notes == ["user: 2 rows wait: who may not be sent about is unknown (ValueError)."]


@pytest.mark.parametrize(
    ("people", "gone", "is_withheld"),
    [(200, 100, False), (200, 101, True), (1_100, 110, False), (1_100, 111, True), (50, 49, False)],
)
def test_pass_that_would_delete_many_asks_first(people: int, gone: int, is_withheld: bool) -> None:  # noqa: FBT001  (a table)
    """More than a hundred and more than a tenth: a wrong database, or a function that is wrong."""
    make_users(people)
    mixpanel = FakeMixpanel()
    run(mixpanel, [USER])
    AuthUser.objects.filter(pk__lt=gone + 2).delete()

    done = run(mixpanel, [USER])

    assert done.counts["deleted"] == (0 if is_withheld else gone)
    assert bool(done.notes) is is_withheld
    if is_withheld:
        assert f"--confirm-deletes {gone}" in done.notes[0]
        assert run(mixpanel, [USER], most_deletes=gone - 1).counts["deleted"] == 0
        assert run(mixpanel, [USER], most_deletes=gone).counts["deleted"] == gone
    assert is_right(mixpanel)


def test_an_empty_table_deletes_nobody() -> None:
    """However few there are; unless a person says that this is right."""
    make_users(5)
    mixpanel = FakeMixpanel()
    run(mixpanel, [USER])
    AuthUser.objects.all().delete()

    done = run(mixpanel, [USER])

    assert len(mixpanel.people()) == 5
    assert "its table is empty" in done.notes[0]
    assert run(mixpanel, [USER], most_deletes=4).counts["deleted"] == 0
    assert run(mixpanel, [USER], most_deletes=5).counts["deleted"] == 5


def test_a_build_that_raises_for_every_row_deletes_nobody() -> None:
    """It refuses them, and what Mixpanel shows stays."""
    make_users(5)
    mixpanel = FakeMixpanel()
    run(mixpanel, [USER])

    def fails(_: Any) -> dict[str, Any]:
        raise KeyError("hunter2-secret")

    done = run(
        mixpanel, [Profile(name="user", model="whyness_django.AuthUser", build=fails, personal=("$name",))]
    )

    assert done.counts["refused"] == 5
    assert len(mixpanel.people()) == 5
    assert set(PersonState.objects.values_list("reason", flat=True)) == {
        "build: found KeyError; allowed: a dictionary"
    }


def test_profile_that_is_withheld_is_deleted_only_if_it_still_should_be() -> None:
    """Between reading the page and deleting, the row came back."""
    make_users(3)
    mixpanel = FakeMixpanel()
    run(mixpanel, [USER])
    AuthUser.objects.filter(pk=2).delete()
    make_users(1, first=60)

    def back(_: Any) -> None:
        if not AuthUser.objects.filter(pk=2).exists():
            make_users(1, first=2, name="Back")

    mixpanel.before = back
    done = run(mixpanel, [USER])

    assert done.counts["deleted"] == 0
    assert is_right(mixpanel)


def test_deletion_that_mixpanel_refuses_is_not_tried_for_ever() -> None:
    """It is named, and the profile is sent again if the person comes back."""
    make_users(3)
    mixpanel = FakeMixpanel()
    run(mixpanel, [USER])
    mixpanel.refuses = lambda update: "$delete" in update and not is_canary(update)
    AuthUser.objects.filter(pk=2).delete()

    assert run(mixpanel, [USER]).counts["refused"] == 1
    requests = len(mixpanel.requests)
    assert run(mixpanel, [USER]).counts["refused"] == 0
    assert len(mixpanel.requests) == requests
    make_users(1, name="Back")
    run(mixpanel, [USER])
    assert is_right(mixpanel)


def test_dry_run_counts_and_neither_sends_nor_writes() -> None:
    """Not even the lease is taken."""
    make_users(3)
    mixpanel = FakeMixpanel()
    run(mixpanel, [USER])
    PersonLease.objects.all().delete()
    AuthUser.objects.filter(pk=2).delete()
    AuthUser.objects.filter(pk=3).update(name="bad")
    make_users(4, first=10)

    done = run(mixpanel, [USER], is_dry=True)

    assert done.counts == {"would send": 4, "would refuse": 1, "would delete": 1, "read": 6, "unsure": 0}
    assert len(mixpanel.requests) == 1
    assert set(states().values()) == {"sent"}
    assert not PersonLease.objects.exists()


def test_recent_reads_only_rows_that_changed_lately_and_doubts() -> None:
    """Since an hour before the last pass that sent something; without one, everything."""
    recent = Profile(
        name="log",
        model="whyness_django.TrackerLog",
        prefix="log:",
        build=lambda row: {"method": row.method},
        changed="create_date",
    )
    old = make_activities(3)
    mixpanel = FakeMixpanel()
    assert run(mixpanel, [recent], is_recent=True).counts["read"] == 3
    TrackerLog.objects.filter(pk=old[0].pk).update(method="OLD")
    PersonState.objects.filter(key=old[1].pk).update(unsure_at=Now() - 2 * DOUBT)
    TrackerLog.objects.filter(pk=old[2].pk).update(method="NEW", create_date=Now() - timedelta(minutes=30))

    done = run(mixpanel, [recent], is_recent=True)

    assert (done.counts["read"], done.counts["sent"], done.counts["unsure"]) == (2, 2, 0)
    assert mixpanel.profiles[f"log:{old[2].pk}"]["method"] == "NEW"
    assert run(mixpanel, [recent]).counts["sent"] == 1


def test_two_profiles_do_not_know_each_other() -> None:
    """A user and a prospect of the same key are two people."""
    make_users(3)
    Contact.objects.bulk_create(Contact(id=key, name="c") for key in range(2, 6))
    mixpanel = FakeMixpanel()

    done = run(mixpanel, [PROSPECT, USER])
    Contact.objects.filter(pk=2).delete()
    run(mixpanel, [PROSPECT, USER])

    assert done.counts["sent"] == 7
    assert mixpanel.people() == {"2", "3", "4", "p:3", "p:4", "p:5"}
