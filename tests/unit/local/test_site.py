from local.accounting import Key
from local.site import event_of, profiles_of


def test_row_becomes_the_event_that_is_sent_for_it() -> None:
    """Whole seconds in milliseconds, the bare row id, the person as the contract names them."""
    activity = event_of("Video watched", 7, "2026-11-23 10:00:00.999999", 12, prefix="")
    click = event_of("Prospect click", 7, "2026-11-23 10:00:00", 12, prefix="p:")

    assert activity == Key("Video watched", "7", 1_795_428_000_000, "12")
    assert click == Key("Prospect click", "p:7", 1_795_428_000_000, "12")


def test_stand_in_for_nobody_is_nobody() -> None:
    """The person with id 1 is sent as no one, in every table."""
    assert event_of("Prospect click", 1, "2026-11-23 10:00:00", 12, prefix="p:").user == ""


def test_row_of_a_person_becomes_the_profile_that_is_sent_for_it() -> None:
    """By the id that events have; those who stand for nobody have none."""
    users = [(1, "Nobody", "nobody"), (7, "Ada", "user-6")]
    contacts = [(1, 1, 0), (7, 1, 0)]

    assert profiles_of(users, contacts) == {
        "7": {"person": "7", "kind": "user", "$name": "Ada", "uid": "user-6"},
        "p:7": {"person": "p:7", "kind": "prospect", "is_prospect": True, "is_registered": False},
    }
