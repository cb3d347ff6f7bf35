"""Settings that are allowed each by itself, and not together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyness_events.delivery.settings import SettingsFault, read_settings

SOUND = {
    "MIXPANEL_PROJECT_ID": "1",
    "MIXPANEL_SERVICE_ACCOUNT": "account",
    "MIXPANEL_SERVICE_PASSWORD": "password",
    "QUEUE_URL": "http://127.0.0.1/events",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/dead",
    "LOG_TABLE_NAME": "log",
}
DAY_S = 86_400.0
LONGEST_HELD_S = 900.0


def fault(**variables: object) -> str:
    """Return what is wrong with these settings, `""` where nothing is."""
    try:
        read_settings(SOUND | {name: str(value) for name, value in variables.items()})
    except SettingsFault as found:
        return str(found)
    return ""


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, []),
        ({"EXHAUST_AFTER_S": 946_440}, []),
        ({"EXHAUST_AFTER_S": 946_441}, ["EXHAUST_AFTER_S: must be 1 to 946440", "REDELIVERY_CAP_S"]),
        ({"EXHAUST_AFTER_S": 1_036_800}, ["EXHAUST_AFTER_S: must be 1 to 946800"]),
        ({"EXHAUST_AFTER_S": 939_960, "REDELIVERY_CAP_S": 3_600}, []),
        (
            {"EXHAUST_AFTER_S": 939_961, "REDELIVERY_CAP_S": 3_600},
            ["must be 1 to 939960", "REDELIVERY_CAP_S"],
        ),
        ({"MAX_RECEIVE_COUNT": 475}, []),
        ({"MAX_RECEIVE_COUNT": 474}, ["MAX_RECEIVE_COUNT: must be 475 to 1000", "EXHAUST_AFTER_S"]),
        ({"MAX_RECEIVE_COUNT": 20}, ["MAX_RECEIVE_COUNT: must be 110 to 1000"]),
        ({"MAX_RECEIVE_COUNT": 111, "EXHAUST_AFTER_S": 1}, []),
        ({"REDELIVERY_CAP_S": 300}, ["REDELIVERY_CAP_S: must be longer", "MAX_RECEIVE_COUNT"]),
        ({"REDELIVERY_BASE_S": 0.1, "REDELIVERY_CAP_S": 0.1}, ["REDELIVERY_BASE_S", "REDELIVERY_CAP_S"]),
        (
            {"EXHAUST_AFTER_S": 946_700, "MAX_RECEIVE_COUNT": 150},
            ["EXHAUST_AFTER_S: must be 1 to 946440", "MAX_RECEIVE_COUNT: must be 475 to 1000"],
        ),
    ],
)
def test_settings_that_break_a_promise_together_are_named_with_what_is_allowed(
    variables: dict[str, object], named: list[str]
) -> None:
    """SQS must neither forget a record nor count it out before the function has given it up."""
    found = fault(**variables)

    assert [text for text in named if text not in found] == []
    assert bool(named) == bool(found)


@given(
    exhaust_after_s=st.floats(1, 1_036_800),
    base_s=st.floats(0.1, 900),
    cap_s=st.floats(0.1, 3_600),
    receive_count=st.integers(1, 1_000),
)
def test_allowed_settings_end_before_twelve_days_and_never_by_receives_alone(
    exhaust_after_s: float, base_s: float, cap_s: float, receive_count: int
) -> None:
    """Patience, a day, and twice the longest pause fit; the shortest pauses leave receives to spare."""
    variables = {
        "EXHAUST_AFTER_S": exhaust_after_s,
        "REDELIVERY_BASE_S": base_s,
        "REDELIVERY_CAP_S": cap_s,
        "MAX_RECEIVE_COUNT": receive_count,
    }
    longest_s = max(1.2 * cap_s, 900.0, 725.0) + LONGEST_HELD_S
    shortest = (int(0.8 * min(cap_s, base_s * 2 ** min(n, 30)) + 0.5) for n in range(receive_count - 110))
    is_allowed = exhaust_after_s + DAY_S + 2 * longest_s <= 12 * DAY_S and sum(shortest) >= min(
        exhaust_after_s, 3 * DAY_S
    )

    assert (fault(**variables) == "") == is_allowed
