"""What a GET of the raw export asks for, and when it is refused. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from .reply import NOT_JSON, Refused

PATH = "/api/2.0/export"
MAX_LIMIT = 100_000
LATE_DATE_ERROR = "to_date cannot be later than today"
"""Source: the connectors that handle it (airbyte, singer-io)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """One valid request.

    Attributes:
        from_date: the first day, in the project's zone.
        to_date: the last day.
        names: of events; empty = all.
        limit: most events; 0 = no limit.
        in_ms: times in milliseconds, not in seconds.
        is_packed: the client takes gzip.
    """

    from_date: date
    to_date: date
    names: frozenset[str] = frozenset()
    limit: int = 0
    in_ms: bool = False
    is_packed: bool = False


def parsed(
    headers: Mapping[str, str], query: Mapping[str, str], *, zone: ZoneInfo, now_s: float
) -> ExportRequest:
    """Read a request.

    Args:
        headers: names in lower case.
        query: decoded.
        zone: of the project.
        now_s: arrival, epoch seconds.

    Raises:
        Refused: 400; the text names the parameter.
    """
    first, last = _date(query, "from_date"), _date(query, "to_date")
    if last > local_moment(round(now_s * 1_000), zone).date():
        raise Refused(400, LATE_DATE_ERROR)
    if first > last:
        raise Refused(400, "from_date cannot be later than to_date")
    if "where" in query:
        raise Refused(400, "the simulator has no where")
    return ExportRequest(
        first,
        last,
        _names(query.get("event", "")),
        _limit(query.get("limit", "")),
        query.get("time_in_ms", "").lower() == "true",
        "gzip" in headers.get("accept-encoding", "").lower(),
    )


def local_moment(time_ms: int, zone: ZoneInfo) -> datetime:
    """Give the date and time that a clock in the zone shows."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone)


def local_ms(time_ms: int, zone: ZoneInfo) -> int:
    """Count milliseconds as if the zone's clock showed UTC."""
    offset = local_moment(time_ms, zone).utcoffset() or timedelta()
    return time_ms + offset // timedelta(milliseconds=1)


def _date(query: Mapping[str, str], name: str) -> date:
    text = query.get(name, "")
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise Refused(400, f"{name} must be a date as yyyy-mm-dd") from error


def _names(text: str) -> frozenset[str]:
    try:
        return frozenset(msgspec.json.decode(text, type=list[str])) if text else frozenset()
    except NOT_JSON as error:
        raise Refused(400, "event must be a JSON array of names") from error


def _limit(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MAX_LIMIT):
        raise Refused(400, f"limit must be from 1 to {MAX_LIMIT}")
    return int(text)
