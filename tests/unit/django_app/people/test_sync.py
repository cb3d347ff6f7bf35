"""Passes over rows in SQLite, against a Mixpanel in memory."""

import pytest

from example.whyness_django.models import AuthUser
from tests.unit.django_app.people.fake_engage import FakeMixpanel, run
from whyness_mixpanel.models import PersonState
from whyness_mixpanel.people import Profile

pytestmark = pytest.mark.usefixtures("db")

USER = Profile(
    name="user",
    model="whyness_django.AuthUser",
    build=lambda row: {"$name": row.name, "plan": row.uid},
    personal=("$name",),
)


def make_users(count: int, *, first: int = 2) -> None:
    """Store users with the keys from `first` on."""
    AuthUser.objects.bulk_create(
        AuthUser(id=key, uid=f"u{key}", name=f"Name {key}") for key in range(first, first + count)
    )


def test_the_first_pass_sends_all_and_the_next_none() -> None:
    """The first pass is the backfill."""
    make_users(2_500)
    mixpanel = FakeMixpanel()

    first, second = run(mixpanel, [USER]), run(mixpanel, [USER])

    assert (first.counts["sent"], second.counts["sent"]) == (2_500, 0)
    assert len(mixpanel.requests) == 3
    assert mixpanel.profiles["7"] == {"$name": "Name 7", "plan": "u7", "person": "7", "kind": "user"}
    assert PersonState.objects.filter(state="sent", unsure_at=None).count() == 2_500
