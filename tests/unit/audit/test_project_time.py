"""The project's time: what its export calls a moment, its days, and the hour that comes twice."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.audit.fake_export import local_ms
from whyness_ops.audit.project_time import ProjectTime, day_name

HOUR_MS = 3_600_000
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
)
EARLIEST, LATEST = 1_300_000_000_000, 1_900_000_000_000


def ms(text: str) -> int:
    """Return the moment of a text in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@given(st.sampled_from(ZONES), st.integers(EARLIEST, LATEST), st.integers(0, 400 * 24 * HOUR_MS), st.data())
def test_local_time_is_the_standard_librarys(zone: str, since: int, length: int, data: st.DataObject) -> None:
    """For each moment of the period, and each local time has that moment among its own."""
    project_time = ProjectTime(ZoneInfo(zone), since, since + length)
    moment = data.draw(st.integers(since, since + length))

    assert project_time.local_ms(moment) == local_ms(moment, ZoneInfo(zone))
    assert moment in project_time.moments_of(project_time.local_ms(moment))


def test_repeated_hour_has_two_moments() -> None:
    """And the skipped one has none."""
    berlin = ProjectTime(ZoneInfo("Europe/Berlin"), ms("2026-03-01"), ms("2026-11-01"))

    assert berlin.moments_of(ms("2026-10-25T02:30")) == [ms("2026-10-25T00:30"), ms("2026-10-25T01:30")]
    assert berlin.moments_of(ms("2026-03-29T02:30")) == []


@pytest.mark.parametrize(
    ("zone", "since", "until", "now", "days"),
    [
        ("UTC", "2026-11-01", "2026-11-03", "2026-11-20", ["2026-11-01", "2026-11-02"]),
        (
            "Europe/Berlin",
            "2026-11-01",
            "2026-11-03",
            "2026-11-20",
            ["2026-11-01", "2026-11-02", "2026-11-03"],
        ),
        ("America/New_York", "2026-11-01", "2026-11-02", "2026-11-20", ["2026-10-31", "2026-11-01"]),
        # Today in the zone, which is not today in UTC.
        ("America/New_York", "2026-11-01", "2026-11-09", "2026-11-02T03:00", ["2026-10-31", "2026-11-01"]),
        ("Asia/Tokyo", "2026-11-02", "2026-11-09", "2026-11-02T16:00", ["2026-11-02", "2026-11-03"]),
        ("UTC", "2026-11-05", "2026-11-09", "2026-11-02", []),
    ],
)
def test_days_are_those_of_the_zone(zone: str, since: str, until: str, now: str, days: list[str]) -> None:
    """Each that overlaps the period, none after today: Mixpanel refuses tomorrow."""
    project_time = ProjectTime(ZoneInfo(zone), ms(since), ms(until))

    assert [day_name(day) for day in project_time.days(ms(now))] == days
