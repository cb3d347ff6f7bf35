"""The declaration of a profile, and the registry."""

from collections.abc import Iterator

import pytest

from whyness_mixpanel.people import Profile, profile, register
from whyness_mixpanel.people.profile import profile_of, registered


def make(**fields: object) -> Profile:
    """Return a valid profile, unless the fields say otherwise."""
    return Profile(**{"name": "user", "model": "whyness_django.AuthUser", "build": dict, **fields})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the example registers is left out."""
    monkeypatch.setattr(profile, "_profiles", {})
    return iter([None])


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "User"},
        {"name": "1user"},
        {"name": "u" * 17},
        {"prefix": "p"},
        {"prefix": "p-"},
        {"prefix": ":"},
        {"prefix": "P:"},
        {"prefix": "$device:"},
        {"prefix": "1:"},
        {"personal": ("name",)},
        {"personal": ("$name", "$created")},
        {"retired": ("person",)},
        {"retired": ("kind",)},
        {"retired": ("$os",)},
        {"retired": ("mp_lib",)},
        {"retired": ("bucket",)},
        {"retired": ("",)},
        {"retired": ("n" * 256,)},
    ],
    ids=str,
)
def test_declaration_that_is_wrong_is_refused(fields: dict[str, object]) -> None:
    """When it is written, not when a row is read."""
    with pytest.raises(ValueError, match=r"must be|allowed"):
        make(**fields)


def test_all_that_is_allowed_can_be_declared() -> None:
    """Names that are personal may be retired too."""
    one = make(prefix="p:", personal=("$name", "$email"), retired=("$phone", "$city", "plan"))

    assert (one.person(45), make().person(7)) == ("p:45", "7")
    assert one.is_installed
    assert not make(model="nowhere.Nothing").is_installed


def test_the_same_profile_may_be_registered_again() -> None:
    """`ready()` may run twice."""
    register(make())
    register(make())

    assert registered() == [make()]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"prefix": "p:"}, "the name user is already registered"),
        ({"name": "member"}, "user and member are about the same people"),
    ],
)
def test_second_profile_of_the_same_name_or_people_is_refused(other: dict[str, object], told: str) -> None:
    """Two tables would overwrite each other's profiles in every pass."""
    register(make())

    with pytest.raises(ValueError, match=told):
        register(make(**other))


def test_person_leads_to_one_profile_and_key() -> None:
    """No prefix and key give the same person as another prefix and key."""
    user, prospect = make(), make(name="prospect", prefix="p:")
    register(user)
    register(prospect)

    wanted = {"7": (user, 7), "-7": (user, -7), "p:45": (prospect, 45), "p:-1": (prospect, -1)}
    assert {person: profile_of(person) for person in wanted} == wanted
    assert [profile_of(person) for person in ("", "p:", "q:1", "07", "1.0", "p:p:1", "٣", "$device:p-1")] == [
        None
    ] * 8


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, ""),
        ({"model": "whyness_mixpanel.PersonLease", "changed": "until"}, ""),
        ({"model": "whyness_crm.ContactTrackerClick", "changed": "create_date"}, ""),
        ({"model": "sessions.Session"}, "the primary key of sessions.Session must be an integer"),
        ({"changed": "updated_at"}, "changed must be a DateTimeField of whyness_django.AuthUser"),
        ({"changed": "name"}, "changed must be a DateTimeField of whyness_django.AuthUser"),
    ],
)
def test_model_must_have_what_the_declaration_says(fields: dict[str, object], fault: str) -> None:
    """Rows and states are read in the order of the keys, which are integers."""
    assert make(**fields).fault == fault
