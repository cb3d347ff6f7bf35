"""Pure: the project's time zone: what its export calls a moment, and on which of its days it lies."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

DAY_MS = 86_400_000
QUARTER_MS = 900_000
_EPOCH = date(1970, 1, 1)
# What a zone may be off UTC, and more.
_MARGIN_MS = 2 * DAY_MS


class ProjectTime:
    """The offsets of a zone from shortly before a period to shortly after it.

    Args:
        zone: of the project; UTC for projects from 2023 on.
        since_ms: first moment of the period, epoch milliseconds.
        until_ms: its end, which is not in it.
    """

    def __init__(self, zone: ZoneInfo, since_ms: int, until_ms: int) -> None:
        self.zone = zone
        self.since_ms, self.until_ms = since_ms, until_ms
        changes = list(_changes(zone, since_ms - _MARGIN_MS, until_ms + _MARGIN_MS))
        # From each of these moments on, the offset of the same place holds.
        self.moments_ms = [moment_ms for moment_ms, _ in changes]
        self.offsets_ms = [offset_ms for _, offset_ms in changes]

    def local_ms(self, utc_ms: int) -> int:
        """Return a moment as the export of an old project writes it: local time as if it were UTC."""
        return utc_ms + self.offsets_ms[max(0, bisect_right(self.moments_ms, utc_ms) - 1)]

    def day_of(self, utc_ms: int) -> int:
        """Return the local day of a moment, counted from 1970."""
        return self.local_ms(utc_ms) // DAY_MS

    def moments_of(self, local_ms: int) -> list[int]:
        """Return the moments that are written so: two in the hour that a change repeats."""
        moments = {local_ms - offset_ms for offset_ms in self.offsets_ms}
        return sorted(moment for moment in moments if self.local_ms(moment) == local_ms)

    def is_inside(self, utc_ms: int) -> bool:
        """Whether a moment is in the period."""
        return self.since_ms <= utc_ms < self.until_ms

    def local_is_inside(self, local_ms: int) -> bool:
        """Whether each moment that is written so is in the period."""
        moments = self.moments_of(local_ms)
        return bool(moments) and all(self.is_inside(moment) for moment in moments)

    def days(self, now_ms: int) -> list[int]:
        """Return the local days that overlap the period, none after today."""
        last = min(self.day_of(self.until_ms - 1), _local_day(self.zone, now_ms))
        # A change at midnight may give the period's hours to more days than its ends.
        return list(range(self.day_of(self.since_ms), last + 1)) if self.since_ms < self.until_ms else []

    def part(self, first_day: int, last_day: int) -> "ProjectTime":
        """Return the part of the period that lies on these local days."""
        midnights = {day * DAY_MS - off for day in (first_day, last_day + 1) for off in self.offsets_ms}
        # A change of the clocks may begin or end a day, too.
        borders = sorted({*midnights, *self.moments_ms, self.since_ms, self.until_ms})
        inside = [
            (start_ms, end_ms)
            for start_ms, end_ms in pairwise(borders)
            if self.is_inside(start_ms) and first_day <= self.day_of(start_ms) <= last_day
        ]
        return ProjectTime(self.zone, inside[0][0], inside[-1][1])


def day_name(day: int) -> str:
    """Return the date of a day that is counted from 1970."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_number(name: str) -> int:
    """Return the day, counted from 1970, of a date."""
    return (date.fromisoformat(name) - _EPOCH).days


def _local_day(zone: ZoneInfo, utc_ms: int) -> int:
    return (datetime.fromtimestamp(utc_ms / 1000, zone).date() - _EPOCH).days


def _offset_ms(zone: ZoneInfo, utc_ms: int) -> int:
    moment = datetime.fromtimestamp(utc_ms // 1000, UTC).astimezone(zone)
    return int((moment.utcoffset() or timedelta()) / timedelta(milliseconds=1))


def _changes(zone: ZoneInfo, from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """Yield each moment at which the offset changes, to the second, with the new offset; the start first."""
    from_ms = from_ms // 1000 * 1000
    offset_ms = _offset_ms(zone, from_ms)
    yield from_ms, offset_ms
    while from_ms < to_ms:
        next_ms = from_ms + DAY_MS
        if (next_offset_ms := _offset_ms(zone, next_ms)) != offset_ms:
            yield _change_between(zone, from_ms, next_ms), next_offset_ms
            offset_ms = next_offset_ms
        from_ms = next_ms


def _change_between(zone: ZoneInfo, before_ms: int, after_ms: int) -> int:
    before = _offset_ms(zone, before_ms)
    while after_ms - before_ms > 1000:  # noqa: PLR2004  (a second)
        middle_ms = (before_ms + after_ms) // 2000 * 1000
        if _offset_ms(zone, middle_ms) == before:
            before_ms = middle_ms
        else:
            after_ms = middle_ms
    return after_ms
