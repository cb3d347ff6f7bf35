"""Passes over HTTP against the simulator, whatever its answers look like and becomes of requests."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from example.whyness_django.models import AuthUser
from local.mixpanel_simulator import MixpanelSimulator, Project
from tests.unit.django_app.people.fake_engage import run
from whyness_mixpanel.models import PersonState
from whyness_mixpanel.people import engage, update
from whyness_mixpanel.people import profile as registry
from whyness_mixpanel.people.sync import Result

TOKEN = "tok"
COUNT = 40
USER = registry.Profile(
    name="user",
    model="whyness_django.AuthUser",
    build=lambda row: {"$name": row.name or None, "uid": row.uid},
    personal=("$name",),
)

pytestmark = pytest.mark.usefixtures("db")


class Clock:
    """The simulator's, which moves only if the test moves it."""

    now_s = 1_795_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """Return the clock."""
    return Clock()


@pytest.fixture
def mixpanel(clock: Clock) -> Iterator[MixpanelSimulator]:
    """A project, and a table of users."""
    AuthUser.objects.bulk_create(
        AuthUser(id=key, uid=f"u{key}", name=f"Name {key}") for key in range(2, 2 + COUNT)
    )
    with MixpanelSimulator(projects=(Project(project_id="123", token=TOKEN),), clock=clock) as simulator:
        yield simulator


def sync(mixpanel: MixpanelSimulator) -> Result:
    """Make a pass, more than ten minutes after the latest doubt."""
    PersonState.objects.update(unsure_at=F("unsure_at") - timedelta(minutes=11))
    return run(engage.poster(mixpanel.url), [USER], project=project_at(mixpanel))


def project_at(mixpanel: MixpanelSimulator) -> update.Project:
    """Return the simulator's project."""
    return update.Project(mixpanel.url, TOKEN, "distinct_id")


def is_equal(mixpanel: MixpanelSimulator, *without: str) -> bool:
    """Return whether Mixpanel shows the rows, but for these, and nothing else but perhaps the canary."""
    shown = {
        f"{row.pk}": {"person": f"{row.pk}", "kind": "user", "uid": row.uid}
        | ({"$name": row.name} if row.name else {})
        for row in AuthUser.objects.all()
        if f"{row.pk}" not in without
    }
    found = {each["$distinct_id"]: each["$properties"] for each in mixpanel.profiles()}
    found.pop(update.CANARY, None)  # its deletion may be refused, too
    return found == shown


def states() -> dict[str, list[int]]:
    """Return the keys by state, and those that are unsure."""
    found: dict[str, list[int]] = {}
    for key, state, unsure_at in PersonState.objects.order_by("key").values_list("key", "state", "unsure_at"):
        found.setdefault("unsure" if unsure_at else state, []).append(key)
    return found


@pytest.mark.parametrize("told", ["error", "count", "zero"])
def test_person_whom_mixpanel_refuses_is_named_and_the_others_are_sent(
    mixpanel: MixpanelSimulator, told: str
) -> None:
    """In each shape that a strict answer may have."""
    mixpanel.configure(engage_strict=told)
    mixpanel.faults.add(api="engage", invalid=1, body_contains='"u7"')

    sync(mixpanel)

    assert states() == {"refused": [7], "sent": [key for key in range(2, 2 + COUNT) if key != 7]}
    assert is_equal(mixpanel, "7")


@pytest.mark.parametrize("told", ["error", "count", "zero"])
def test_nobody_is_blamed_for_random_refusals(mixpanel: MixpanelSimulator, told: str) -> None:
    """One pass afterwards makes all right."""
    mixpanel.configure(engage_strict=told)
    mixpanel.faults.add(api="engage", invalid=0.5)

    sync(mixpanel)
    during = states()
    mixpanel.faults.clear()
    sync(mixpanel)

    assert during.get("refused", []) == []
    assert (set(states()), is_equal(mixpanel)) == ({"sent"}, True)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 429},
        {"status": 400},
        {"status": 401},
        {"connection": "reset"},
        {"connection": "reset", "ingest": True},
        {"cut": True},
        {"status": 200, "body": "<html>"},
        {"status": 200, "body": "0"},
    ],
)
def test_without_a_clear_yes_nothing_says_sent_and_a_pass_afterwards_makes_all_right(
    mixpanel: MixpanelSimulator, fault: dict[str, Any]
) -> None:
    """Whether the requests acted or not."""
    mixpanel.faults.add(api="engage", **fault)

    sync(mixpanel)
    during = states()
    mixpanel.faults.clear()
    sync(mixpanel)

    assert not {"sent", "refused"} & set(during)
    assert (set(states()), is_equal(mixpanel)) == ({"sent"}, True)


@pytest.mark.parametrize("is_swapped", [False, True])
def test_request_that_was_given_up_and_acts_late_is_overwritten(
    mixpanel: MixpanelSimulator, clock: Clock, *, is_swapped: bool
) -> None:
    """With the value that the row had then, after the row has changed."""
    late: dict[str, Any] = {"late_s": 300, "swap": is_swapped, "connection": "reset", "ingest": True}
    mixpanel.faults.add(api="engage", **late, next_requests=1)
    sync(mixpanel)
    AuthUser.objects.update(uid=F("id"), name="")
    early = run(engage.poster(mixpanel.url), [USER], project=project_at(mixpanel))
    clock.now_s += 660
    sync(mixpanel)

    assert early.counts["sent"] == 0

    assert (set(states()), is_equal(mixpanel)) == ({"sent"}, True)


def test_person_does_not_move_to_where_the_server_is(mixpanel: MixpanelSimulator) -> None:
    """Nor was the profile seen by its own update; the body is not packed."""
    sync(mixpanel)

    assert is_equal(mixpanel)
    (note,) = mixpanel.stats()["engage"]["last_requests"]
    assert "content-encoding" not in note["header_names"]
    assert "authorization" not in note["header_names"]
