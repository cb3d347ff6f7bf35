"""`mixpanel_forget` deletes profiles at once, while a pass may be sending."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from example.whyness_django.models import AuthUser
from tests.unit.django_app.people.fake_engage import NO, PROJECT, FakeMixpanel, run
from whyness_mixpanel.models import PersonState
from whyness_mixpanel.people import Profile
from whyness_mixpanel.people.engage import Reply, Verdict
from whyness_mixpanel.people.forgotten import delete_profiles
from whyness_mixpanel.people.state import Sender
from whyness_mixpanel.privacy import forget

pytestmark = pytest.mark.usefixtures("db")
USER = Profile(name="user", model="whyness_django.AuthUser", build=lambda row: {"name": row.name})


def delete(mixpanel: FakeMixpanel, *people: str) -> Verdict:
    """Suppress people and delete their profiles."""
    forget.suppress(people)
    return delete_profiles(people, project=PROJECT, sender=Sender("forget"), post=mixpanel)


@pytest.fixture
def mixpanel(db: None) -> FakeMixpanel:  # noqa: ARG001  (needed, not read)
    """It, with the profiles of three users."""
    AuthUser.objects.bulk_create(AuthUser(id=key, uid=f"u{key}") for key in (2, 3, 4))
    fake = FakeMixpanel()
    run(fake, [USER])
    return fake


def state(key: int) -> tuple[str, str, bool]:
    """Return a person's state, digest, and whether it is unsure."""
    row = PersonState.objects.get(key=key)
    return row.state, row.digest, row.unsure_at is not None


def test_profiles_are_deleted_under_every_spelling(mixpanel: FakeMixpanel) -> None:
    """Also those that only the browser's library made, and no pass sends them again."""
    mixpanel.profiles |= {"$device:p-45": {}, "p:45": {}, "p-45": {}}

    assert delete(mixpanel, "3", "p:45") is Verdict.YES

    assert mixpanel.people() == {"2", "4"}
    assert state(3) == ("deleted", "", False)
    assert run(mixpanel, [USER]).counts["sent"] == 0
    assert mixpanel.people() == {"2", "4"}


@pytest.mark.parametrize("reply", [Reply(0), Reply(503), Reply(401), NO])
def test_deletion_without_a_yes_is_made_by_the_next_pass(mixpanel: FakeMixpanel, reply: Reply) -> None:
    """Ten minutes later, for it may still act."""
    mixpanel.before = lambda _: reply
    assert delete(mixpanel, "3") is not Verdict.YES
    mixpanel.before = lambda _: None

    assert state(3)[2]
    run(mixpanel, [USER])
    assert "3" in mixpanel.people()
    PersonState.objects.update(unsure_at=F("unsure_at") - timedelta(minutes=11))
    run(mixpanel, [USER])
    assert mixpanel.people() == {"2", "4"}
    assert state(3) == ("deleted", "", False)


@pytest.mark.parametrize("acts_late", [True, False])
def test_person_forgotten_while_a_request_is_open_is_deleted_once_more(
    mixpanel: FakeMixpanel,
    acts_late: bool,  # noqa: FBT001  (a table)
) -> None:
    """The `$set` may act after the `$delete`: the person stays unsure, and a second `$delete` follows."""
    AuthUser.objects.update(name="newer")
    late: list[Any] = []

    def forgotten_meanwhile(updates: Any) -> Reply | None:
        mixpanel.before = lambda _: None
        assert delete(mixpanel, "3") is Verdict.YES
        assert "3" not in mixpanel.people()
        late.extend(updates if acts_late else [])
        return Reply(0) if acts_late else None

    mixpanel.before = forgotten_meanwhile
    run(mixpanel, [USER])
    for update in late:
        mixpanel.profiles[update["$distinct_id"]] = update["$set"]

    assert state(3)[2]
    assert "3" in mixpanel.people()
    PersonState.objects.update(unsure_at=F("unsure_at") - timedelta(minutes=11))
    run(mixpanel, [USER])
    assert mixpanel.people() == {"2", "4"}
    assert state(3) == ("deleted", "", False)


def test_person_forgotten_by_another_while_a_pass_dies_stays_unsure(mixpanel: FakeMixpanel) -> None:
    """Nothing tells whether the request of the dead process acts before the deletion or after it."""
    AuthUser.objects.update(name="newer")

    def forgotten_and_killed(_: Any) -> None:
        mixpanel.before = lambda _: None
        assert delete(mixpanel, "3") is Verdict.YES
        raise KeyboardInterrupt

    mixpanel.before = forgotten_and_killed
    with pytest.raises(KeyboardInterrupt):
        run(mixpanel, [USER])

    assert state(3)[2]


def test_pass_goes_on_after_a_person_was_forgotten(
    mixpanel: FakeMixpanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two of its requests: it reads the page again, and sends the others."""
    monkeypatch.setattr("whyness_mixpanel.people.engage.REQUEST_UPDATES", 1)
    AuthUser.objects.update(name="newer")
    is_first = iter([True])

    def forgotten_between(updates: list[dict[str, Any]]) -> None:
        if "$set" in updates[0] and next(is_first, False):
            delete(mixpanel, "4")

    mixpanel.before = forgotten_between
    run(mixpanel, [USER])

    assert {id_: shown["name"] for id_, shown in mixpanel.profiles.items()} == {"2": "newer", "3": "newer"}
    assert [request[0]["$distinct_id"] for request in mixpanel.requests[-3:]].count("4") == 1


def test_many_people_are_deleted_in_full_requests(mixpanel: FakeMixpanel) -> None:
    """At most 300 people with three spellings each."""
    assert delete(mixpanel, *[f"p:{number}" for number in range(700)]) is Verdict.YES

    assert [len(request) for request in mixpanel.requests[1:]] == [900, 900, 300]
