"""The counters of a simulator. Of headers only the names, because values hold credentials."""

from collections import Counter, deque
from typing import Any, NamedTuple

LAST_REQUESTS = 50


class RequestNote(NamedTuple):
    """An import request, without secrets or personal data."""

    at_s: float
    outcome: str
    size_bytes: int
    header_names: list[str]
    fault: str


class Stats:
    """Counters of import requests."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()
        self._size_bytes = 0
        self._last: deque[RequestNote] = deque(maxlen=LAST_REQUESTS)

    def add(self, note: RequestNote) -> None:
        """Count one request."""
        self._outcomes[note.outcome] += 1
        self._size_bytes += note.size_bytes
        self._last.append(note)

    def to_json(self) -> dict[str, Any]:
        """Return requests by outcome, bytes as received, and the last requests, newest last."""
        return {
            "requests": self._outcomes.total(),
            "requests_by_outcome": dict(self._outcomes),
            "received_bytes": self._size_bytes,
            "last_requests": [note._asdict() for note in self._last],
        }
