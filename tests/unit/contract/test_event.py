"""The rules for one event, at their exact edges. What each refusal says: tests/corpus.py has the list."""

from typing import Any

import pytest

from tests.builders import NOW_MS, make_event, make_raw
from tests.corpus import BAD_EVENTS, MARKER, BadEvent, nested
from whyness_events import (
    Event,
    InvalidEvent,
    UnreadableEvent,
    check_event,
    decode_message,
    limits,
    parse_event,
)
from whyness_events.event import valid_insert_id


def _verdict(**fields: Any) -> str:
    try:
        parse_event(make_raw(**fields), now_ms=NOW_MS)
    except InvalidEvent:
        return "refused"
    return "taken"


def test_event_with_all_fields_is_read_as_it_is_written() -> None:
    """Every field of the wire arrives in the field of the same name."""
    raw = make_raw(
        ip="8.8.8.8",
        useragent="ua",
        data={"a": 1},
        properties={"plan": "pro"},
        prospect="45",
        event="E",
        user="u",
    )

    event = parse_event(raw, now_ms=NOW_MS)

    assert event.to_wire() == raw


def test_missing_optional_fields_have_their_defaults() -> None:
    """An event of the four required fields is whole."""
    raw = {"insert_id": "1", "event": "E", "user": "", "time": NOW_MS}

    event = parse_event(raw, now_ms=NOW_MS)

    assert event == Event("1", "E", "", NOW_MS, ip="", useragent="", data="", properties={}, prospect="")
    assert event.to_wire() == raw


def test_unknown_fields_are_ignored() -> None:
    """A newer producer may say more than this reader knows."""
    raw = make_raw()

    assert parse_event(raw | {"tenant": {"deep": [1]}}, now_ms=NOW_MS) == parse_event(raw, now_ms=NOW_MS)


def test_event_cannot_be_altered() -> None:
    """An Event is immutable, so nothing downstream can change its deduplication fields."""
    event = make_event()

    with pytest.raises(AttributeError):
        event.time = 0  # type: ignore[misc]  # that it is refused is the point


@pytest.mark.parametrize("name", ["insert_id", "event", "user", "time"])
def test_missing_required_field_is_no_event(name: str) -> None:
    """A missing field that only the publisher can set is told apart from a broken rule."""
    raw = make_raw()
    del raw[name]

    with pytest.raises(UnreadableEvent) as caught:
        parse_event(raw, now_ms=NOW_MS)

    assert caught.value.path == name


@pytest.mark.parametrize(
    ("insert_id", "verdict"),
    [
        ("a", "taken"),
        ("a" * 36, "taken"),
        ("a" * 37, "refused"),
        ("", "refused"),
        ("5d958f87-542d-4c10-9422-0ed75893dc81", "taken"),
        ("5D958F87542D4C1094220ED75893DC81", "taken"),
        ("00000000-0000-0000-0000-000000000001", "taken"),
        ("-", "taken"),
        ("00", "taken"),
        ("nulls", "taken"),
        ("a_b", "refused"),
        ("a:b", "refused"),
        ("a b", "refused"),
        ("a\n", "refused"),
        ("é", "refused"),
        ("٣", "refused"),
        ("\uff21", "refused"),
    ],
)
def test_insert_id_is_up_to_36_letters_digits_and_hyphens(insert_id: str, verdict: str) -> None:
    """Mixpanel's alphabet is ASCII, its limit 36 bytes."""
    assert valid_insert_id(insert_id) == (verdict == "taken")
    assert _verdict(insert_id=insert_id) == verdict


@pytest.mark.parametrize("value", [None, 1, b"abc", ["a"], {}])
def test_only_text_is_an_insert_id(value: object) -> None:
    """No other kind of value is one, however it would print."""
    assert not valid_insert_id(value)


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title, str.swapcase])
@pytest.mark.parametrize("placeholder", sorted(limits.PLACEHOLDERS))
@pytest.mark.parametrize("field", ["insert_id", "user"])
def test_placeholders_are_no_ids_in_any_case(field: str, placeholder: str, case: Any) -> None:
    """Mixpanel refuses them in lower and upper case; an event that has one would be lost there."""
    assert _verdict(**{field: case(placeholder)}) == "refused"


@pytest.mark.parametrize("user", ["", "1", "123", "p:45", "p:0", "00", "nulls", " null", "ü", "a@b.example"])
def test_people_are_users_prospects_or_nobody(user: str) -> None:
    """Anything but a placeholder names a person; the empty string names no person."""
    assert _verdict(user=user) == "taken"


@pytest.mark.parametrize(
    ("user", "verdict"),
    [
        ("$device:1", "refused"),
        ("$device:", "refused"),
        ("$device", "taken"),
        ("$Device:1", "taken"),
        ("x$device:1", "taken"),
    ],
)
def test_user_is_no_device(user: str, verdict: str) -> None:
    """Mixpanel would take what starts with $device: for a device's id, and merge by it."""
    assert _verdict(user=user) == verdict


@pytest.mark.parametrize("field", ["event", "user"])
@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("x" * 255, "taken"),
        ("x" * 256, "refused"),
        ("é" * 127 + "x", "taken"),  # 255 bytes
        ("é" * 128, "refused"),
        ("漢" * 85, "taken"),  # 255 bytes
        ("漢" * 85 + "x", "refused"),
        ("🎧" * 63 + "xyz", "taken"),  # 255 bytes
        ("🎧" * 64, "refused"),
    ],
)
def test_names_and_users_are_at_most_255_bytes_and_never_cut(field: str, text: str, verdict: str) -> None:
    """Deduplication fields that are too long are refused: if they were cut, two events could become one."""
    assert _verdict(**{field: text}) == verdict
    if verdict == "taken":
        assert getattr(parse_event(make_raw(**{field: text}), now_ms=NOW_MS), field) == text


@pytest.mark.parametrize(
    ("prospect", "verdict"),
    [
        ("", "taken"),
        ("4" * 245, "taken"),
        ("4" * 246, "refused"),
        ("é" * 122 + "x", "taken"),  # 245 bytes
        ("é" * 123, "refused"),
    ],
)
def test_prospects_are_at_most_245_bytes(prospect: str, verdict: str) -> None:
    """As `$device:p-45` a prospect is ten bytes longer, and no id may be longer than 255."""
    assert _verdict(prospect=prospect) == verdict
    assert _verdict(user=f"p:{prospect}") == (verdict if prospect else "refused")


@pytest.mark.parametrize("name", ["", " ", "\t\n", "\u00a0", "\u3000"])
def test_blank_is_no_name(name: str) -> None:
    """Blanks of any script name nothing."""
    assert _verdict(event=name) == "refused"


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("$identify", "refused"),
        ("$merge", "refused"),
        ("$create_alias", "refused"),
        ("$Merge", "taken"),
        ("identify", "taken"),
    ],
)
def test_identity_verbs_are_no_events(name: str, verdict: str) -> None:
    """They would merge people irreversibly."""
    assert _verdict(event=name) == verdict


@pytest.mark.parametrize(
    ("time_ms", "verdict"),
    [
        (31_536_000_000, "taken"),
        (31_535_999_999, "refused"),
        (0, "refused"),
        (-1, "refused"),
        (NOW_MS // 1000, "refused"),
        (NOW_MS, "taken"),
        (NOW_MS + 3_600_000, "taken"),
        (NOW_MS + 3_600_001, "refused"),
        (10**40, "refused"),
    ],
)
def test_time_is_from_1971_to_an_hour_ahead(time_ms: int, verdict: str) -> None:
    """The limits are exact to the millisecond; seconds taken for milliseconds are before 1971."""
    assert _verdict(time=time_ms) == verdict


@pytest.mark.parametrize("time", [NOW_MS + 0.0, True, str(NOW_MS), "2026-11-23T10:00:00", None, float("nan")])
def test_time_is_a_whole_number(time: object) -> None:
    """Other numbers are refused: a rounded time would make another event."""
    assert _verdict(time=time) == "refused"


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "", "unknown", "::1", "x" * 1_000, "\ud800", None, 7, 7.5, True, [], {}]
)
def test_no_address_refuses_an_event(ip: object) -> None:
    """An address that cannot be read means "no location", whatever it is."""
    event = parse_event(make_raw(ip=ip), now_ms=NOW_MS)

    assert event.ip == (ip if isinstance(ip, str) else "")


@pytest.mark.parametrize("field", ["useragent", "data"])
def test_other_strings_may_be_long(field: str) -> None:
    """Strings outside the deduplication fields are cut later, not refused."""
    assert _verdict(**{field: "漢" * 10_000}) == "taken"


@pytest.mark.parametrize("field", ["event", "user", "useragent", "data", "prospect"])
def test_strings_are_valid_utf8(field: str) -> None:
    """A lone surrogate cannot be sent to anybody."""
    assert _verdict(**{field: "x\ud800"}) == "refused"
    assert _verdict(**{field: "\udfff"}) == "refused"


@pytest.mark.parametrize("value", ["", "GET", {}, {"method": "GET"}, {"a": [{"b": 1}]}])
def test_data_is_a_string_or_an_object(value: object) -> None:
    """Both types describe the request."""
    assert parse_event(make_raw(data=value), now_ms=NOW_MS).data == value


@pytest.mark.parametrize("field", ["data", "properties"])
@pytest.mark.parametrize("value", [None, 1, True, [], ["GET"]])
def test_data_and_properties_are_nothing_else(field: str, value: object) -> None:
    """Null, numbers and arrays are refused."""
    assert _verdict(**{field: value}) == "refused"


@pytest.mark.parametrize(("count", "verdict"), [(230, "taken"), (231, "refused")])
def test_properties_are_at_most_230(count: int, verdict: str) -> None:
    """With those that the translation adds, they stay within Mixpanel's 254."""
    assert _verdict(properties={f"p{n}": n for n in range(count)}) == verdict


@pytest.mark.parametrize("name", sorted(limits.CALLERS_PROPERTIES))
def test_mixpanels_own_names_that_callers_set_are_taken(name: str) -> None:
    """A server may set them."""
    assert _verdict(properties={name: "x"}) == "taken"


@pytest.mark.parametrize(
    "name",
    [
        *sorted(limits.RESERVED_PROPERTIES),
        *("useragent", "data", "prospect"),
        *("$insert_id", "$user_id", "$device_id", "$distinct_id", "$ignore", "$bucket", "$browser", "$"),
        *("mp_lib", "mp_processing_time_ms", "mp_"),
        "",
    ],
)
def test_reserved_names_are_refused(name: str) -> None:
    """They would override the translation's properties, hide the event, or drop it silently."""
    assert _verdict(properties={name: "x"}) == "refused"


@pytest.mark.parametrize(
    "name", ["Time", "time ", "x$", "mp", "Mp_lib", "insert_id", "event", "user", "漢", " ", "n" * 300]
)
def test_other_names_are_the_callers(name: str) -> None:
    """Names are refused only where they mean something to Mixpanel or to us."""
    assert _verdict(properties={name: "x"}) == "taken"


def test_reserved_names_may_be_used_inside_a_value() -> None:
    """Mixpanel reserves only the names of properties."""
    assert _verdict(properties={"p": {"time": 1, "$insert_id": 2, "mp_lib": 3, "": 4}}) == "taken"


@pytest.mark.parametrize("value", [{"": 1}, [{"": ""}], {"": {"": 1}}])
@pytest.mark.parametrize("field", ["data", "properties"])
def test_names_inside_a_value_may_be_empty(field: str, value: Any) -> None:
    """A form may have such a field, and Mixpanel has no rule for it."""
    assert _verdict(**{field: {"p": value}}) == "taken"


def test_rules_of_values_hold_for_data_too() -> None:
    """An object in `data` is a property's value at Mixpanel."""
    assert _verdict(data=nested(3)) == "taken"
    assert _verdict(data=nested(4)) == "refused"


@pytest.mark.parametrize("key", [1, None, b"x", ("a",)])
def test_names_that_are_no_text_are_refused(key: object) -> None:
    """A Python caller may build what JSON cannot hold: it is told at once."""
    for field, properties in (("properties", {key: 1}), ("properties", {"p": {key: 1}}), ("data", {key: 1})):
        with pytest.raises(InvalidEvent):
            check_event(make_event(**{field: properties}), now_ms=NOW_MS)


@pytest.mark.parametrize("value", [b"x", {1, 2}, object(), (1, 2), complex(1)])
def test_values_that_are_no_json_are_refused(value: object) -> None:
    """A Python caller may hold what JSON cannot: it is told at once, by the kind of it."""
    with pytest.raises(InvalidEvent) as caught:
        check_event(make_event(properties={"p": value}), now_ms=NOW_MS)

    assert caught.value.found == f"a {type(value).__name__}"


@pytest.mark.parametrize("bad", [e for e in BAD_EVENTS if e.reason != "oversized"], ids=lambda bad: bad.name)
def test_message_names_field_found_and_allowed_and_shows_no_value(bad: BadEvent) -> None:
    """One sentence that can be logged: which field, what kind of thing, what may stand there."""
    (raw,) = decode_message(f'{{"events":[{bad.text}]}}').raw_events

    with pytest.raises(InvalidEvent) as caught:
        parse_event(raw, now_ms=NOW_MS)

    fault = caught.value
    assert (fault.path, fault.found, fault.allowed) == (bad.field, bad.found, bad.allowed)
    assert str(fault) == f"{bad.field}: found {bad.found}; allowed: {bad.allowed}"
    assert MARKER not in str(fault) + repr(fault)
    assert isinstance(fault, UnreadableEvent) == (bad.reason == "unreadable")
