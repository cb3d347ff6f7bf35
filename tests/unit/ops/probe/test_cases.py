"""The cases against the simulator: as it is, and with each difference that can be planted in it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.mixpanel_simulator import Fault
from tests.unit.ops.probe.simulated import (
    CASES,
    NAMES,
    SMALL,
    TOO_MANY,
    ZONE,
    Simulated,
    both_halves,
    marked,
    simulated,
)

ALL = {case.name for case in SMALL}
AHEAD = {"time 20 minutes ahead", "time 45 minutes ahead"}
EXPORTED = {
    case.name
    for case in SMALL
    if any(
        request.is_taken and index not in request.refused and not sent.is_dropped
        for request in case.requests
        for index, sent in enumerate(request.events)
    )
}
IDENTITIES = {"distinct_id bare", "distinct_id of a device", "$device_id alone", "$user_id a placeholder"}


def test_the_simulator_does_all_that_is_expected() -> None:
    """Of every case, the large ones included, and of the export an hour later."""
    asked, later = both_halves(simulated(), CASES)

    assert [row for row in (*asked, *later) if row.differs] == []
    assert [row.case for row in asked] == NAMES
    assert [row.case for row in later] == [ZONE, *NAMES]


def test_the_cases_are_told_apart_and_each_has_a_source() -> None:
    """Names are part of what finds an event again."""
    assert len(set(NAMES)) == len(NAMES) >= 40
    assert [case.name for case in CASES if not case.source or "/" in case.name] == []


@pytest.mark.parametrize(
    ("settings", "asked", "later"),
    [
        ({"clamp_future": False}, set(), AHEAD),
        ({"max_events": 2_001}, {"2,001 events"}, {"2,001 events"}),
        ({"max_properties": 255}, {"255 properties"}, {"255 properties"}),
        ({"max_properties": 253}, {"254 properties"}, {"254 properties"}),
        ({"max_items": 255}, {"255 keys, 255 elements"}, {"255 keys, 255 elements"}),
        ({"max_depth": 4}, {"4 levels"}, {"4 levels"}),
        ({"max_depth": 2}, {"3 levels"}, {"3 levels"}),
        ({"max_nested_bytes": 8_001}, {"a list of 8,001 bytes"}, {"a list of 8,001 bytes"}),
        ({"max_nested_bytes": 7_999}, {"a list of 8,000 bytes"}, {"a list of 8,000 bytes"}),
        ({"unknown_project_status": 400}, {"unknown project"}, set()),
        ({"export_zone": "Europe/Berlin"}, set(), {ZONE}),
        ({"export_zone": "Asia/Kathmandu"}, set(), {ZONE}),
        ({"export_zone": "America/New_York"}, set(), {ZONE}),
        ({"export_late_s": 3_601}, set(), EXPORTED),
        ({"export_merge_late_s": 3_601}, set(), {"a device, then its user"}),
        ({"blocked_event": "x" * 255}, set(), {"event with a name of 300 characters"}),
        ({"export_order": "shuffled"}, set(), set()),
        (
            {"identity": "original"},
            {"$identify", "$device_id alone"},
            {*IDENTITIES, "a device, then its user", "$identify"},
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_exactly_what_is_planted_is_marked(
    settings: dict[str, Any], asked: set[str], later: set[str]
) -> None:
    """By a setting of the simulator, in the answers and in the export."""
    first, second = both_halves(
        simulated(**settings), [*SMALL, TOO_MANY] if TOO_MANY.name in asked else SMALL
    )

    assert (marked(first), marked(second) - _other_offset(settings)) == (asked, later)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (Fault(body_contains="1763900000", status=500), "time a float or a text"),
        (Fault(body_contains='"emoji"', status=502, body="<html>"), "NaN as a text, empty values"),
        (Fault(body_contains='"emoji"', connection="reset"), "NaN as a text, empty values"),
        (Fault(body_contains='"emoji"', count="short"), "NaN as a text, empty values"),
        (Fault(body_contains='"emoji"', status=429), "NaN as a text, empty values"),
    ],
    ids=str,
)
def test_exactly_the_case_that_a_fault_strikes_is_marked(fault: Fault, name: str) -> None:
    """Whatever the answer is."""
    mixpanel = simulated()
    mixpanel.simulator.faults.add(fault)

    asked, _ = both_halves(mixpanel)

    assert marked(asked) == {name}


def test_every_copy_counts() -> None:
    """One event twice and another missing are two differences, not none."""
    mixpanel = simulated(export_double_every=1)

    _, later = both_halves(mixpanel)

    assert marked(later) == EXPORTED
    assert "event 1: copies 2" in next(row.says for row in later if row.case == "twice in a request")


def test_a_doubled_and_a_lost_event_do_not_make_up_for_each_other() -> None:
    """Two of a request, of which the first comes twice and the second not at all."""

    class Confused(Simulated):
        def shown(self, body: Iterator[bytes]) -> Iterator[bytes]:
            for line in b"".join(body).splitlines(keepends=True):
                mark = json.loads(line)["properties"]["probe"]
                yield from () if mark.endswith("/1") else [line] * (1 + mark.endswith("3 levels/0/0"))

    _, later = both_halves(Confused("", "", "123", simulated().credentials))
    row = next(row for row in later if row.case == "3 levels")

    assert re.sub(r"; event.*", "", row.expected) == re.sub(r"; event.*", "", row.says)
    assert row.differs


def _other_offset(settings: dict[str, Any]) -> set[str]:
    """Return the cases of a time when the zone had another offset than today."""
    old = {"time 1971-01-01 in ms", "time 1971-01-01 in seconds"}
    return old if settings.get("export_zone") == "Asia/Kathmandu" else set()
