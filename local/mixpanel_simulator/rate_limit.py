"""Mixpanel's rate limits: of imports over a rolling minute, of queries over an hour and a second."""

from collections import deque

from .reply import Refused

WINDOW_S = 60.0
QUERY_RATE_ERROR = "Query rate limit exceeded"
_HOUR_S = 3_600.0


class RollingMinute:
    """The events and bytes of a project in the last minute."""

    def __init__(self) -> None:
        self._taken: deque[tuple[float, int, int]] = deque()
        self._events = 0
        self._bytes = 0

    def take(
        self, now_s: float, *, events: int, size_bytes: int, events_limit: int, bytes_limit: int
    ) -> bool:
        """Count a request if it fits within the limits, and return whether it does."""
        self._forget(now_s - WINDOW_S)
        if self._events + events > events_limit or self._bytes + size_bytes > bytes_limit:
            return False
        self._taken.append((now_s, events, size_bytes))
        self._events += events
        self._bytes += size_bytes
        return True

    def _forget(self, until_s: float) -> None:
        while self._taken and self._taken[0][0] <= until_s:
            _, events, size_bytes = self._taken.popleft()
            self._events -= events
            self._bytes -= size_bytes


class QueryRate:
    """When each project was asked. A refused query does not count."""

    def __init__(self) -> None:
        self._asked: dict[str, deque[float]] = {}

    def take(self, project_id: str, now_s: float, *, per_hour: int, per_s: int) -> None:
        """Count a query.

        Raises:
            Refused: 429, there were too many.
        """
        asked = self._asked.setdefault(project_id, deque())
        while asked and asked[0] <= now_s - _HOUR_S:
            asked.popleft()
        last_second = sum(at_s > now_s - 1 for at_s in asked)
        if len(asked) >= per_hour or last_second >= per_s:
            raise Refused(429, QUERY_RATE_ERROR)
        asked.append(now_s)
