import json
from typing import Any

import pytest

from local.mixpanel_simulator.ingest import NOBODYS_USER, cut, ingested
from tests.unit.mixpanel_simulator.builders import ABSENT, NOW_MS, NOW_S, make_event, make_settings


def stored(event: dict[str, Any], now_ms: int = NOW_MS, **settings: Any) -> Any:
    """Return the event as the project holds it."""
    return json.loads(ingested(event, now_ms=now_ms, settings=make_settings(**settings)).line)


def key(event: dict[str, Any], now_ms: int = NOW_MS, **settings: Any) -> bytes | None:
    """Return the event's deduplication key."""
    return ingested(event, now_ms=now_ms, settings=make_settings(**settings)).key


def test_event_keeps_what_was_sent_and_gets_the_marks_of_an_import() -> None:
    """Nothing else is added or lost."""
    assert stored(make_event(plan="pro", nested={"a": [1, None, 2.5, True]})) == {
        "event": "Signed Up",
        "properties": {
            "time": NOW_MS - 1_000,
            "distinct_id": "u-42",
            "$insert_id": "id-1",
            "plan": "pro",
            "nested": {"a": [1, None, 2.5, True]},
            "$import": True,
            "$mp_api_timestamp_ms": NOW_MS,
        },
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 255, "a" * 255),
        ("a" * 256, "a" * 255),
        ("é" * 127 + "a", "é" * 127 + "a"),
        ("é" * 128, "é" * 127),
        ("語" * 85, "語" * 85),
        ("語" * 86, "語" * 85),
        ("🎉" * 64, "🎉" * 63),
        ("", ""),
    ],
)
def test_text_is_cut_at_255_bytes_between_two_characters(text: str, expected: str) -> None:
    """No character is halved."""
    assert cut(text) == expected


def test_long_name_values_and_property_names_are_cut_and_nested_text_is_not() -> None:
    """Every other value stays as it is."""
    event = stored(make_event("n" * 300, plan="v" * 300, nested=["w" * 300], **{"k" * 300: 1}))

    assert event["event"] == "n" * 255
    assert event["properties"]["plan"] == "v" * 255
    assert event["properties"]["k" * 255] == 1
    assert event["properties"]["nested"] == ["w" * 300]


def test_fields_cut_to_the_same_text_deduplicate() -> None:
    """The key is made of what is stored."""
    assert key(make_event(distinct_id="u" * 300)) == key(make_event(distinct_id="u" * 299))


@pytest.mark.parametrize(
    "change", [{"name": "Other"}, {"distinct_id": "u-43"}, {"time": NOW_MS - 999}, {"insert_id": "id-2"}]
)
def test_key_depends_on_each_of_the_four_fields(change: dict[str, Any]) -> None:
    """Any one of them makes another event."""
    assert key(make_event(**change)) != key(make_event())


def test_key_depends_on_nothing_else() -> None:
    """Another property or arrival makes a copy of the same event."""
    assert key(make_event(plan="free"), now_ms=NOW_MS + 5) == key(make_event(plan="pro"))


def test_fields_are_told_apart_in_the_key() -> None:
    """Moving a character from one field to its neighbour makes another event."""
    assert key(make_event("ab", distinct_id="c")) != key(make_event("a", distinct_id="bc"))


def test_seconds_and_milliseconds_of_one_moment_are_two_events() -> None:
    """Mixpanel documents no other; the cautious reading counts a changed unit twice."""
    assert key(make_event(time=NOW_S)) != key(make_event(time=NOW_MS))


@pytest.mark.parametrize("insert_id", [ABSENT, None, ""])
def test_event_without_insert_id_takes_no_part_in_deduplication(insert_id: object) -> None:
    """Such events only come in with a lenient import."""
    assert key(make_event(insert_id=insert_id)) is None


def test_time_ahead_becomes_the_arrival_in_its_own_unit() -> None:
    """Two sends of one future event are then two events."""
    assert stored(make_event(time=NOW_MS + 60_000))["properties"]["time"] == NOW_MS
    assert stored(make_event(time=NOW_S + 60))["properties"]["time"] == NOW_S
    assert stored(make_event(time=NOW_MS))["properties"]["time"] == NOW_MS
    assert key(make_event(time=NOW_MS + 60_000)) != key(make_event(time=NOW_MS + 60_000), now_ms=NOW_MS + 1)


def test_time_ahead_can_be_kept_as_sent() -> None:
    """The setting switches clamping off."""
    event = stored(make_event(time=NOW_MS + 60_000), clamp_future=False)

    assert event["properties"]["time"] == NOW_MS + 60_000


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"distinct_id": "u-42"}, "u-42"),
        ({"distinct_id": ""}, ""),
        ({"distinct_id": "$device:d"}, "$device:d"),
        ({"distinct_id": "x", "user_id": "u"}, "u"),
        ({"distinct_id": "x", "device_id": "d"}, "$device:d"),
        ({"distinct_id": "x", "user_id": "u", "device_id": "d"}, "u"),
        ({"distinct_id": "x", "user_id": "null", "device_id": "d"}, "$device:d"),
        ({"distinct_id": "x", "user_id": "", "device_id": "NONE"}, "x"),
        ({"distinct_id": ABSENT, "user_id": "u"}, "u"),
    ],
)
def test_distinct_id_is_computed_on_simplified_projects(ids: dict[str, Any], expected: str) -> None:
    """The user's id before the device's, placeholders not counting."""
    assert stored(make_event(**ids))["properties"]["distinct_id"] == expected


def test_overridden_distinct_id_is_kept_aside() -> None:
    """Under the name that Mixpanel gives it, and only where it was overridden."""
    overridden = stored(make_event(distinct_id="x", user_id="u"))["properties"]
    same = stored(make_event(distinct_id="u", user_id="u"))["properties"]
    unsent = stored(make_event(distinct_id=ABSENT, user_id="u"))["properties"]

    assert overridden["$distinct_id_before_identity"] == "x"
    assert "$distinct_id_before_identity" not in same
    assert "$distinct_id_before_identity" not in unsent


def test_distinct_id_is_left_alone_on_original_projects() -> None:
    """There only identity verbs tie ids together."""
    properties = stored(make_event(distinct_id="x", user_id="u"), identity="original")["properties"]

    assert properties["distinct_id"] == "x"


def test_event_without_any_id_becomes_the_senders() -> None:
    """Lenient imports of a server all fall to one false user."""
    assert stored(make_event(distinct_id=ABSENT))["properties"]["distinct_id"] == NOBODYS_USER
