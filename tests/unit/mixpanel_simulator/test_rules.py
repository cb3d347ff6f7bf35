from typing import Any

import pytest

from local.mixpanel_simulator.rules import PLACEHOLDERS, Problem, find_problem, find_text_problem
from tests.unit.mixpanel_simulator.builders import ABSENT, NOW_MS, NOW_S, make_event, make_settings

OLDEST_S = 31_536_000
HOUR_S = 3_600


def problem(event: object, *, strict: bool = True, **settings: Any) -> Problem | None:
    """Return field and message of an event's first problem, at NOW_MS."""
    return find_problem(event, now_ms=NOW_MS, settings=make_settings(**settings), strict=strict)


def test_minimal_event_is_valid() -> None:
    """An event with the four demanded fields has no problem."""
    event = {
        "event": "Signed Up",
        "properties": {
            "time": 1763900000000,
            "distinct_id": "u-42",
            "$insert_id": "5d958f87-542d-4c10-9422-0ed75893dc81",
        },
    }

    assert problem(event) is None


@pytest.mark.parametrize("event", [None, 3, "x", [], [{}]])
def test_element_that_is_no_object_is_refused(event: object) -> None:
    """Anything but an object is no event."""
    assert problem(event) == ("event", "'event' is invalid: must be an object")


@pytest.mark.parametrize("name", ["", "  ", "\t\n", None, 5, True, ["x"]])
def test_name_missing_or_blank_is_refused(name: object) -> None:
    """A name has to be a text with something in it; the message is Mixpanel's."""
    assert problem(make_event(name)) == ("event", "'event' must not be missing or blank")


@pytest.mark.parametrize("properties", [None, [], "x", 1])
def test_properties_that_are_no_object_are_refused(properties: object) -> None:
    """Without an object of properties there is no event."""
    assert problem({"event": "x", "properties": properties}) == (
        "properties",
        "'properties' is invalid: must be an object",
    )


def test_missing_time_is_refused() -> None:
    """The message is Mixpanel's."""
    assert problem(make_event(time=ABSENT)) == (
        "properties.time",
        "'properties.time' is invalid: must not be missing",
    )


@pytest.mark.parametrize("time", ["1763900000", "2026-11-23T10:00:00", 1763900000.0, None, True, [], {}])
def test_time_that_is_no_integer_is_refused(time: object) -> None:
    """Text, float, boolean and null are no time; the message is Mixpanel's."""
    assert problem(make_event(time=time)) == (
        "properties.time",
        "'properties.time' is invalid: must be specified as seconds since epoch",
    )


@pytest.mark.parametrize(
    "time", [OLDEST_S, OLDEST_S * 1000, NOW_S, NOW_MS, NOW_S + HOUR_S, NOW_MS + 3_600_000]
)
def test_time_at_the_edges_is_valid_in_seconds_and_in_milliseconds(time: int) -> None:
    """From 1971-01-01 to one hour ahead, both included."""
    assert problem(make_event(time=time)) is None


@pytest.mark.parametrize("time", [OLDEST_S - 1, 0, -1, -31_536_000_000, -(2**70)])
def test_time_before_1971_is_refused(time: int) -> None:
    """The last second of 1970 is too old."""
    assert problem(make_event(time=time)) == (
        "properties.time",
        "'properties.time' is invalid: must not be before 1971-01-01",
    )


@pytest.mark.parametrize(
    "time", [NOW_S + HOUR_S + 1, NOW_MS + 3_600_001, 4_102_444_800, 4_102_444_800_000, 2**70]
)
def test_time_more_than_an_hour_ahead_is_refused(time: int) -> None:
    """One unit more than an hour is too far; the message is Mixpanel's."""
    assert problem(make_event(time=time)) == (
        "properties.time",
        "'properties.time' is invalid: must not be in the future",
    )


def test_empty_distinct_id_is_valid() -> None:
    """The empty id means that the event is nobody's."""
    assert problem(make_event(distinct_id="")) is None


@pytest.mark.parametrize("distinct_id", [ABSENT, None])
def test_missing_distinct_id_is_refused(distinct_id: object) -> None:
    """The message is Mixpanel's."""
    assert problem(make_event(distinct_id=distinct_id)) == (
        "properties.distinct_id",
        "'properties.distinct_id' is invalid: must not be missing",
    )


@pytest.mark.parametrize("other", ["user_id", "device_id"])
def test_distinct_id_may_be_missing_beside_another_id_on_a_simplified_project(other: str) -> None:
    """Simplified projects compute it from either; original ones do not."""
    event = make_event(distinct_id=ABSENT, **{other: "u-42"})

    assert problem(event, identity="simplified") is None
    assert problem(event, identity="original") is not None


def test_placeholder_beside_a_missing_distinct_id_is_no_id() -> None:
    """Mixpanel strips placeholders from the other ids before it looks at them."""
    assert problem(make_event(distinct_id=ABSENT, user_id="NULL")) is not None


@pytest.mark.parametrize("distinct_id", [42, True, ["u"], {"id": "u"}])
def test_distinct_id_that_is_no_text_is_refused(distinct_id: object) -> None:
    """A number is no id here: the OpenAPI file wants a text."""
    assert problem(make_event(distinct_id=distinct_id)) == (
        "properties.distinct_id",
        "'properties.distinct_id' is invalid: must be a string",
    )


@pytest.mark.parametrize("placeholder", sorted(PLACEHOLDERS))
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_placeholders_are_refused_as_ids_in_any_case(placeholder: str, case: Any) -> None:
    """Both ids are checked."""
    assert problem(make_event(distinct_id=case(placeholder))) == (
        "properties.distinct_id",
        "'properties.distinct_id' is invalid: must not be a placeholder",
    )
    assert problem(make_event(insert_id=case(placeholder))) == (
        "$insert_id",
        "'$insert_id' is invalid: must not be a placeholder",
    )


def test_all_documented_placeholders_are_known() -> None:
    """The list of the Import API page, and one more that a public bulk loader adds."""
    documented = (
        "00000000-0000-0000-0000-000000000000 anon anonymous nil none null n/a na undefined unknown <nil> 0"
        " -1 true false [] {} lmy47d"
    )

    assert set(documented.split()) == PLACEHOLDERS


@pytest.mark.parametrize("insert_id", [ABSENT, None, ""])
def test_missing_insert_id_is_refused(insert_id: object) -> None:
    """Strict imports need one."""
    assert problem(make_event(insert_id=insert_id)) == (
        "$insert_id",
        "'$insert_id' is invalid: must not be missing",
    )


@pytest.mark.parametrize("insert_id", ["a:b", "a b", "a_b", "é", "a\n", "evt_1", "id.1", "٣"])
def test_insert_id_of_other_characters_is_refused(insert_id: str) -> None:
    """Only ASCII letters, digits and the hyphen; field and message are Mixpanel's."""
    assert problem(make_event(insert_id=insert_id)) == (
        "$insert_id",
        "'$insert_id' is invalid: must only contain alphanumeric or hyphen '-' characters",
    )


@pytest.mark.parametrize("insert_id", [7, True, ["a"]])
def test_insert_id_that_is_no_text_is_refused(insert_id: object) -> None:
    """A number is no insert id."""
    assert problem(make_event(insert_id=insert_id)) == (
        "$insert_id",
        "'$insert_id' is invalid: must be a string",
    )


def test_insert_id_may_have_36_bytes_and_no_more() -> None:
    """The edge lies between 36 and 37."""
    assert problem(make_event(insert_id="a" * 36)) is None
    assert problem(make_event(insert_id="a" * 37)) == (
        "$insert_id",
        "'$insert_id' is invalid: must not be longer than 36 bytes",
    )


def test_lenient_import_lets_missing_ids_pass_but_not_wrong_ones() -> None:
    """`strict=0` forgives what Mixpanel can make up."""
    assert problem(make_event(insert_id=ABSENT, distinct_id=ABSENT), strict=False) is None
    assert problem(make_event(insert_id="a:b"), strict=False) is not None
    assert problem(make_event(distinct_id="null"), strict=False) is not None


def test_event_may_have_254_properties_and_no_more() -> None:
    """Fewer than 255, counting all."""
    full = make_event(**{f"p{number}": number for number in range(251)})
    over = make_event(**{f"p{number}": number for number in range(252)})

    assert problem(full) is None
    assert problem(over) == ("properties", "'properties' is invalid: must not have more than 254 properties")


@pytest.mark.parametrize("make", [list, lambda items: {str(item): item for item in items}])
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"in": value}, lambda value: [1, value]])
def test_array_or_object_may_have_254_items_and_no_more(make: Any, wrap: Any) -> None:
    """At the top of a property and inside."""
    assert problem(make_event(plan=wrap(make(range(254))))) is None
    assert problem(make_event(plan=wrap(make(range(255))))) == (
        "properties.plan",
        "'properties.plan' is invalid: must not have more than 254 items",
    )


@pytest.mark.parametrize("wrap", [lambda value: {"in": value}, lambda value: [value]])
def test_nesting_may_be_three_deep_and_no_more(wrap: Any) -> None:
    """A flat object counts as one; arrays count like objects."""
    three = wrap(wrap(wrap(1)))

    assert problem(make_event(plan=three)) is None
    assert problem(make_event(plan=wrap(three))) == (
        "properties.plan",
        "'properties.plan' is invalid: must not be nested deeper than 3 levels",
    )


@pytest.mark.parametrize("key_count", [2, 6])
def test_array_or_object_may_have_8000_bytes_and_no_more(key_count: int) -> None:
    """Measured as compact JSON with brackets and commas; a plain text is not limited so."""
    value = ["x" * (8_000 // key_count) for _ in range(key_count)]
    excess = len(str(value).replace(" ", "")) - 8_000
    value[0] = value[0][excess:]

    assert problem(make_event(plan=value)) is None
    assert problem(make_event(plan=[*value[:-1], value[-1] + "x"])) == (
        "properties.plan",
        "'properties.plan' is invalid: must not be larger than 8000 bytes",
    )
    assert problem(make_event(plan="x" * 9_000)) is None


def test_size_of_a_nested_value_is_counted_in_bytes() -> None:
    """Characters of three bytes count three."""
    assert problem(make_event(plan=["語" * 2_600])) is None
    assert problem(make_event(plan=["語" * 2_700])) is not None


def test_first_problem_is_the_one_reported() -> None:
    """One reason an event, as Mixpanel does it."""
    assert problem(make_event("", time="x", insert_id="a:b")) == (
        "event",
        "'event' must not be missing or blank",
    )


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (make_event("bad \udcff"), "event"),
        (make_event(plan="bad \udcff"), "properties.plan"),
        (make_event(plan={"a": ["\ud800"]}), "properties.plan"),
        (make_event(plan={"\ud800": 1}), "properties.plan"),
        (make_event(**{"name\udcff": 1}), "properties.name?"),
    ],
)
def test_text_that_is_not_utf8_is_refused(event: object, field: str) -> None:
    """Anywhere in the event; the message is Mixpanel's and can itself be sent."""
    assert find_text_problem(event) == (field, f"{field} is invalid: string should be valid utf8")


@pytest.mark.parametrize("event", [make_event("é 語 🎉"), 3, {"event": "x", "properties": 7}, {}])
def test_text_that_is_utf8_passes(event: object) -> None:
    """What is no event is for the other rules to say."""
    assert find_text_problem(event) is None


@pytest.mark.parametrize(
    ("limit", "event"),
    [
        ({"max_properties": 3}, make_event(plan=1)),
        ({"max_items": 1}, make_event(plan=[1, 2])),
        ({"max_depth": 1}, make_event(plan=[[1]])),
        ({"max_nested_bytes": 4}, make_event(plan=[100])),
    ],
)
def test_each_limit_can_be_set(limit: dict[str, Any], event: object) -> None:
    """An event that passes by default breaks the lowered limit."""
    assert problem(event) is None
    assert problem(event, **limit) is not None
