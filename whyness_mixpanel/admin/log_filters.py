"""Pure: the filters in the query of a page. Unreadable values are ignored and reported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from whyness_events.log_entry import LogKey
from whyness_events.outcomes import AUDIT, FAILURE_REASONS, State

PERIODS = (1, 7, 30)
STATES = tuple(map(str, State))
PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class LogFilters:
    """The days to show, newest first, and the filters; `""` where one is not set."""

    days: tuple[date, ...]
    period: int = 7
    reason: str = ""
    state: str = ""
    event: str = ""
    day: str = ""
    page: int = 1
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, given: Mapping[str, str], *, today: date) -> "LogFilters":
        """Return the filters in a query."""
        wrong: list[str] = []
        day = _read_day(given.get("day", ""), wrong)
        period = int(given["period"]) if given.get("period", "") in map(str, PERIODS) else 7
        days = [day] if day else [today - timedelta(days=back) for back in range(period)]
        return cls(
            days=tuple(days),
            period=period,
            reason=_one_of(given.get("reason", ""), FAILURE_REASONS, "reason", wrong),
            state=_one_of(given.get("state", ""), STATES, "state", wrong),
            event=given.get("event", "").strip()[:255],
            day=str(day) if day else "",
            page=_read_page(given.get("p", "")),
            wrong=wrong,
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return the reasons to read; audit rows of redrives are not failures."""
        return (self.reason,) if self.reason else FAILURE_REASONS

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of these days and reasons matches the other filters."""
        return self.state in ("", row.get("state")) and self.event in ("", row.get("event", ""))

    def query(self, **changed: object) -> str:
        """Return the query with the `changed` values."""
        values = {"period": self.period, "reason": self.reason, "state": self.state, "event": self.event}
        return urlencode({n: v for n, v in {**values, "day": self.day, **changed}.items() if v})


def has_dead_letter(row: Mapping[str, Any]) -> bool:
    """Whether a row may have a dead letter that can be sent again."""
    return row.get("state") == State.DEAD and row.get("reason") != AUDIT and _key(row) is not None


def row_key(row: Mapping[str, Any]) -> str:
    """Return a row's key in the format of dead letters."""
    return f"{row.get('pk', '')}/{row.get('sk', '')}"


def _key(row: Mapping[str, Any]) -> LogKey | None:
    return LogKey.parse(row_key(row))


def _one_of(text: str, allowed: tuple[str, ...], name: str, wrong: list[str]) -> str:
    if text and text not in allowed:
        wrong.append(f"Unknown {name}: the filter was ignored.")
        return ""
    return text


def _read_day(text: str, wrong: list[str]) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        wrong.append("The day is not a date such as 2026-11-23: the filter was ignored.")
        return None


def _read_page(text: str) -> int:
    return max(1, whole_number(text, most=1_000_000) or 1)


def whole_number(text: str, *, most: int) -> int | None:
    """Return a text as a number, at most `most`; None if it is not a number."""
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) <= len(str(most)) and int(text) <= most else most
