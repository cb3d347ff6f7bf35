"""What may stand in a value, at the exact edges, and how to speak of it without showing it."""

from typing import Any

import pytest
from hypothesis import given

from tests.builders import large_properties
from tests.corpus import nested
from tests.strategies import any_text
from whyness_events import InvalidEvent, limits
from whyness_events.values import check_text, check_value, kind, longer_than, size_bytes


def _verdict(value: object) -> str:
    try:
        check_value("properties.*", value)
    except InvalidEvent as fault:
        return fault.found
    return "taken"


@pytest.mark.parametrize("value", [None, True, False, 0, -0.0, 1.5, 1e308, "", "x", [], {}, [[]], {"": {}}])
def test_any_json_value_is_taken(value: object) -> None:
    """Null and empty ones, too."""
    assert _verdict(value) == "taken"


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (2**64 - 1, "taken"),
        (2**64, "an integer of more than 64 bits"),
        (-(2**63), "taken"),
        (-(2**63) - 1, "an integer of more than 64 bits"),
        (10**4_000, "an integer of more than 64 bits"),
    ],
)
def test_whole_numbers_are_of_64_bits(value: int, verdict: str) -> None:
    """More could not be read by everybody who reads 64 bits."""
    assert _verdict(value) == verdict
    assert _verdict([{"a": value}]) == verdict


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_are_finite(value: float) -> None:
    """Numbers that JSON cannot write are named, on any level."""
    assert _verdict(value) == "NaN, or a number too large to read"
    assert _verdict({"a": [value]}) == "NaN, or a number too large to read"


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
@pytest.mark.parametrize("innermost", [[], {}, "x"])
def test_three_levels_are_taken(levels: int, innermost: object) -> None:
    """An empty object or array is a level, too."""
    depth = levels + (innermost != "x")

    assert _verdict(nested(levels, innermost)) == ("taken" if depth <= 3 else "4 levels of nesting or more")


def test_hostile_nesting_is_refused_before_it_is_walked() -> None:
    """The walk ends at the fourth level, however deep the value goes."""
    value: list[Any] = []
    value.append(value)  # without end

    assert _verdict(value) == "4 levels of nesting or more"


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"a": [v]}])
def test_objects_and_arrays_have_at_most_254_members_on_every_level(wrap: Any) -> None:
    """Mixpanel says fewer than 255, of each."""
    assert _verdict(wrap([1] * 254)) == "taken"
    assert _verdict(wrap({f"{n}": n for n in range(254)})) == "taken"
    assert _verdict(wrap([1] * 255)) == "an array of 255 elements"
    assert _verdict(wrap({f"{n}": n for n in range(255)})) == "an object of 255 keys"


@pytest.mark.parametrize("char", ["x", "é", "漢", "🎧"])
@pytest.mark.parametrize("over", [0, 1])
def test_nested_value_is_at_most_8192_bytes_of_compact_utf8(char: str, over: int) -> None:
    """Measured as it is sent: no blanks between, no escapes, bytes and not characters."""
    value = large_properties(8_192 + over, char)

    refused = "an object or array of 8193 bytes of JSON, with long strings cut"
    assert _verdict(value) == (refused if over else "taken")


@pytest.mark.parametrize("char", ["x", "é", "漢", "🎧"])
@pytest.mark.parametrize(
    "wrap", [lambda v: [v], lambda v: {"k": v}, lambda v: {v: 1}, lambda v: {"k": v, v: [v]}]
)
def test_long_strings_inside_count_as_mixpanel_cuts_them(char: str, wrap: Any) -> None:
    """A long text is allowed at any depth, as a value or as a name."""
    assert _verdict(wrap(char * 9_000)) == "taken"
    assert _verdict([wrap(char * 9_000), *["x" * 250] * 40]).startswith("an object or array of ")


def test_plain_strings_are_of_any_size() -> None:
    """Strings are cut later; only objects and arrays have a limit of size."""
    assert _verdict("x" * 100_000) == "taken"


@pytest.mark.parametrize("text", ["\ud800", "x\udfffy", "\ude00\ud83d"])
@pytest.mark.parametrize(
    "wrap", [lambda v: v, lambda v: [v], lambda v: {"k": {"k": v}}, lambda v: {"k": {v: 1}}]
)
def test_lone_surrogates_are_refused_everywhere(text: str, wrap: Any) -> None:
    """Strings and keys are refused on any level."""
    assert _verdict(wrap(text)) == "a string that is not valid UTF-8 (a lone surrogate)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "a boolean"),
        (False, "a boolean"),
        (4711, "an integer"),
        (47.11, "a number with a fraction"),
        (float("nan"), "NaN, or a number too large to read"),
        ("", "an empty string"),
        ("secret", "a string of 6 bytes"),
        ("漢🎧", "a string of 7 bytes"),
        ("\ud800", "a string of 3 bytes"),
        (["secret"], "an array of 1 elements"),
        ({"secret": 1, "b": 2}, "an object of 2 keys"),
        (b"secret", "a bytes"),
    ],
)
def test_kind_says_what_and_how_large_and_no_more(value: object, text: str) -> None:
    """Enough to find the mistake, nothing that was in it."""
    assert kind(value) == text


@given(any_text)
def test_size_is_that_of_utf8(text: str) -> None:
    """The size is that of UTF-8; a lone surrogate counts as three bytes."""
    assert size_bytes(text) == len(text.encode("utf-8", "surrogatepass"))
    assert longer_than(text, size_bytes(text) - 1)
    assert not longer_than(text, size_bytes(text))


@given(any_text)
def test_text_is_taken_exactly_where_it_can_be_encoded(text: str) -> None:
    """The rule is Python's own strict encoder; what is refused is named by its field."""
    if text == text.encode(errors="ignore").decode():
        check_text("event", text)
        return

    with pytest.raises(InvalidEvent) as caught:
        check_text("event", text)

    assert caught.value.path == "event"


def test_limit_is_a_number_that_knows_its_unit_and_source() -> None:
    """It counts as an integer everywhere, and can be looked up."""
    limit = limits.INSERT_ID_BYTES

    assert limit == 36
    assert limit + 1 == 37
    assert f"{limit}" == "36"
    assert (limit.unit, limit.source) == ("bytes", "docs.mixpanel.com/reference/import-events")


def test_placeholders_are_compared_in_lower_case() -> None:
    """The list is written as it is compared."""
    assert {text.lower() for text in limits.PLACEHOLDERS} == limits.PLACEHOLDERS
    assert len(limits.PLACEHOLDERS) == 18
