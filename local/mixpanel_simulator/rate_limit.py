"""Mixpanel's rate limit: events and bytes of a project over a rolling minute."""

from collections import deque

WINDOW_S = 60.0


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
