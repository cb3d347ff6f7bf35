"""What counts as the same person, and which differences a rule explains."""

from typing import Any

import pytest

from whyness_ops.audit.audited_event import AuditedEvent
from whyness_ops.audit.comparing import compare, compare_person
from whyness_ops.audit.normalisations import (
    NORMALISATIONS,
    SECONDS_ONLY,
    UNPROBED,
    Kind,
    compare_properties,
)


def event(*, time_ms: int = 1, hot_sharded: bool = False, **properties: Any) -> AuditedEvent:
    """Return an event with these properties; `_` stands for `$`."""
    named = {f"${name[1:]}" if name.startswith("_") else name: value for name, value in properties.items()}
    return AuditedEvent("A", "row-1", time_ms, named, hot_sharded)


@pytest.mark.parametrize(
    ("expected", "exported", "verdict"),
    [
        ("7", event(distinct_id="7"), (True, False)),
        ("7", event(distinct_id="9", _distinct_id_before_identity="7"), (True, True)),
        ("7", event(distinct_id="7", _distinct_id_before_identity="7"), (True, False)),
        ("7", event(distinct_id="9", _user_id="7"), (True, True)),
        ("$device:p-7", event(distinct_id="9", _device_id="p-7"), (True, True)),
        ("$device:p-7", event(distinct_id="9", _device_id="$device:p-7"), (True, True)),
        ("$device:p-7", event(distinct_id="$device:p-7", _device_id="p-7"), (True, False)),
        ("7", event(distinct_id="", mp_original_distinct_id="7", hot_sharded=True), (True, False)),
        ("", event(distinct_id=""), (True, False)),
        ("", event(), (False, False)),
        ("7", event(distinct_id="9"), (True, True)),
        ("7", event(distinct_id="9", _distinct_id_before_identity="8"), (False, False)),
        ("7", event(distinct_id="", mp_original_distinct_id="8", hot_sharded=True), (False, False)),
        ("7", event(distinct_id=""), (False, False)),
        ("7", event(), (False, False)),
        ("", event(distinct_id="9"), (False, False)),
        ("7", event(distinct_id=7), (True, True)),
    ],
)
def test_person(expected: str, exported: AuditedEvent, verdict: tuple[bool, bool]) -> None:
    """Same, and merged: what was sent counts before the canonical id."""
    assert compare_person(expected, exported) == verdict


@pytest.mark.parametrize(
    ("expected", "exported", "is_unprobed"),
    [
        ({"a": None}, {}, True),
        ({"a": ""}, {}, True),
        ({"a": []}, {}, True),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": 2**60 + 1}, {"a": float(2**60)}, True),
        ({"a": "2026-11-23T10:00:00"}, {"a": "2026-11-23 10:00:00Z"}, True),
        ({}, {"a": 1}, True),
        ({"a": 1}, {}, False),
        ({"a": 0}, {}, False),
        ({"a": False}, {}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": 2}, False),
        ({"a": "x"}, {"a": "y"}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
        ({"a": {"b": 1}}, {"a": {"b": 1.0}}, False),
    ],
)
def test_difference_of_a_property(
    expected: dict[str, Any],
    exported: dict[str, Any],
    is_unprobed: bool,  # noqa: FBT001
) -> None:
    """It is a fault unless an unprobed rule explains it."""
    (difference,) = compare_properties(expected, exported, derived=False)

    assert (difference.name, bool(difference.unprobed)) == ("a", is_unprobed)


def test_what_mixpanel_is_known_to_do_is_no_difference() -> None:
    """It removes the address and adds its own; what is derived is compared on demand, if it was sent."""
    expected = {"ip": "8.8.8.8", "$browser": "Chrome", "a": {"x": [1, None]}}
    exported = {"a": {"x": [1, None]}, "$import": True, "mp_processing_time_ms": 5, "$city": "Berlin"}

    assert compare_properties(expected, exported, derived=False) == []
    assert [one.name for one in compare_properties(expected, exported, derived=True)] == ["$browser"]


def test_time_without_milliseconds_is_unprobed_and_any_other_is_a_fault() -> None:
    """A second, too, is a fault."""
    expected = event(distinct_id="7")
    for local_ms, exported_ms, rule in ((1_500, 1_000, SECONDS_ONLY), (1_500, 2_000, ""), (1_000, 0, "")):
        exported = event(distinct_id="7", time_ms=exported_ms)
        ((difference,), _) = compare(expected, exported, expected_local_ms=local_ms, derived=False)

        assert (difference.name, difference.unprobed) == ("time", rule)


def test_each_normalisation_has_a_source() -> None:
    """Or says that nobody has probed it; those alone explain values."""
    assert [row.what for row in NORMALISATIONS if not row.source] == []
    assert {row.source == UNPROBED for row in NORMALISATIONS if row.kind is Kind.SHOWN} == {True}
    assert [row.what for row in NORMALISATIONS if row.kind is not Kind.SHOWN and not row.names] == []
