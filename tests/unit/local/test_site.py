from local.accounting import Key
from local.site import event_of


def test_row_becomes_the_event_that_is_sent_for_it() -> None:
    """Whole seconds in milliseconds, the bare row id, the person as the contract names them."""
    activity = event_of("Video watched", 7, "2026-11-23 10:00:00.999999", 12, prefix="")
    click = event_of("Prospect click", 7, "2026-11-23 10:00:00", 12, prefix="p:")

    assert activity == Key("Video watched", "7", 1_795_428_000_000, "12")
    assert click == Key("Prospect click", "p:7", 1_795_428_000_000, "12")


def test_stand_in_for_nobody_is_nobody() -> None:
    """The person with id 1 is sent as no one, in every table."""
    assert event_of("Prospect click", 1, "2026-11-23 10:00:00", 12, prefix="p:").user == ""
