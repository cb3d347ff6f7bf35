"""The Lambda's settings: each by itself, and those that are not allowed together."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyness_events.delivery.settings import (
    REGIONS,
    SETTINGS,
    Setting,
    Settings,
    SettingsFault,
    read_settings,
)

SOUND = {
    "MIXPANEL_PROJECT_ID": "1",
    "MIXPANEL_SERVICE_ACCOUNT": "account",
    "MIXPANEL_SERVICE_PASSWORD": "password",
    "QUEUE_URL": "http://127.0.0.1/events",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/dead",
    "LOG_TABLE_NAME": "log",
}
# Each variable with a value that is not its default.
CHOSEN = {
    **SOUND,
    "MIXPANEL_REGION": "eu",
    "MIXPANEL_API_URL": "https://api.example.com",
    "MIXPANEL_IDENTITY": "simplified",
    "MIXPANEL_NAMES": "browser",
    "MIXPANEL_SECRET_ARN": "arn",
    "MAX_RECEIVE_COUNT": "900",
    "SENDER_THREADS": "5",
    "ANSWER_TIMEOUT_S": "29.5",
    "REDELIVERY_BASE_S": "16",
    "REDELIVERY_CAP_S": "901",
    "EXHAUST_AFTER_S": "86400",
    "BREAKER_S": "0",
}
MARKER = "MARKER-4711"
DAY_S = 86_400.0
LONGEST_HELD_S = 900.0


def fault(**variables: object) -> str:
    """Return what is wrong with these settings among sound ones, `""` where nothing is."""
    return fault_of(SOUND | {name: str(value) for name, value in variables.items()})


def fault_of(environment: dict[str, str]) -> str:
    """Return what is wrong with an environment, `""` where nothing is."""
    try:
        read_settings(environment)
    except SettingsFault as error:
        return str(error)
    return ""


def test_every_variable_reaches_its_field_in_its_fields_type() -> None:
    """A number is converted, and no variable is missing or in another's field."""
    chosen = read_settings(CHOSEN)
    values = [getattr(chosen, field.name) for field in fields(Settings)]

    assert [str(value).removesuffix(".0") for value in values] == [CHOSEN[s.name] for s in SETTINGS]
    assert [type(value) for value in values] == [field.type for field in fields(Settings)]
    assert len(CHOSEN) == len(SETTINGS) == 18


@pytest.mark.parametrize("name", CHOSEN)
def test_blanks_around_a_value_are_ignored(name: str) -> None:
    """A pasted newline does no harm; blanks alone mean that it is not set."""
    without = {other: value for other, value in CHOSEN.items() if other != name}

    assert read_settings(CHOSEN | {name: f" {CHOSEN[name]}\r\n"}) == read_settings(CHOSEN)
    assert fault_of(without | {name: " \n"}) == fault_of(without)


@pytest.mark.parametrize(
    ("chosen", "url"),
    [
        ({}, REGIONS["us"]),
        ({"MIXPANEL_REGION": "in"}, REGIONS["in"]),
        ({"MIXPANEL_REGION": "in", "MIXPANEL_API_URL": "http://127.0.0.1:1/"}, "http://127.0.0.1:1"),
    ],
)
def test_the_address_is_the_regions_unless_another_is_set(chosen: dict[str, str], url: str) -> None:
    """It has no slash at its end, as paths begin with one."""
    assert read_settings(SOUND | chosen).api_url == url


# Any text is allowed.
FREE = {"MIXPANEL_SECRET_ARN", "MIXPANEL_SERVICE_ACCOUNT", "MIXPANEL_SERVICE_PASSWORD", "LOG_TABLE_NAME"}


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.name not in FREE], ids=lambda s: s.name)
def test_a_fault_names_variable_and_range_and_never_the_value(setting: Setting) -> None:
    """A secret may have been pasted into the wrong line."""
    told = fault(**{setting.name: MARKER})

    assert told == f"Invalid settings: {setting.name} must be {setting.allowed}."


def test_what_is_missing_is_named_all_together() -> None:
    """One log line names every variable that must be set."""
    needed = [setting for setting in SETTINGS if setting.default is None]

    told = fault_of({})

    assert [s.name for s in needed if f"{s.name} must be set to {s.allowed}" not in told] == []
    assert "MIXPANEL_SECRET_ARN must be set, or" in told
    assert told.count("; ") == len(needed)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, []),
        ({"EXHAUST_AFTER_S": 946_440}, []),
        ({"EXHAUST_AFTER_S": 946_441}, ["EXHAUST_AFTER_S must be 1 to 946440", "REDELIVERY_CAP_S"]),
        ({"EXHAUST_AFTER_S": 1_036_800}, ["EXHAUST_AFTER_S must be 1 to 946800"]),
        ({"EXHAUST_AFTER_S": 939_960, "REDELIVERY_CAP_S": 3_600}, []),
        (
            {"EXHAUST_AFTER_S": 939_961, "REDELIVERY_CAP_S": 3_600},
            ["must be 1 to 939960", "REDELIVERY_CAP_S"],
        ),
        ({"MAX_RECEIVE_COUNT": 475}, []),
        ({"MAX_RECEIVE_COUNT": 474}, ["MAX_RECEIVE_COUNT must be 475 to 1000", "EXHAUST_AFTER_S"]),
        ({"MAX_RECEIVE_COUNT": 20}, ["MAX_RECEIVE_COUNT must be 110 to 1000"]),
        ({"MAX_RECEIVE_COUNT": 111, "EXHAUST_AFTER_S": 1}, []),
        ({"REDELIVERY_CAP_S": 300}, ["REDELIVERY_CAP_S must be longer", "MAX_RECEIVE_COUNT"]),
        ({"REDELIVERY_BASE_S": 0.1, "REDELIVERY_CAP_S": 0.1}, ["REDELIVERY_BASE_S", "REDELIVERY_CAP_S"]),
        (
            {"EXHAUST_AFTER_S": 946_700, "MAX_RECEIVE_COUNT": 150},
            ["EXHAUST_AFTER_S must be 1 to 946440", "MAX_RECEIVE_COUNT must be 475 to 1000"],
        ),
    ],
)
def test_settings_that_break_a_promise_together_are_named_with_what_is_allowed(
    variables: dict[str, object], named: list[str]
) -> None:
    """SQS must neither forget a record nor use up its receives before the function has given it up."""
    told = fault(**variables)

    assert [text for text in named if text not in told] == []
    assert bool(named) == bool(told)


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
