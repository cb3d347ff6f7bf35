"""The control pages of the Mixpanel simulator and the fault proxy: faults, settings, what has arrived."""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

_TIMEOUT_S = 60


class Mixpanel:
    """The simulator's control pages.

    Args:
        url: of the simulator.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_simulator"

    def events(self) -> list[dict[str, Any]]:
        """Return each event once, as a query at Mixpanel counts it."""
        return [json.loads(line) for line in ask(f"{self._url}/events").splitlines()]

    def event_count(self) -> int:
        """Return how many events a query at Mixpanel counts."""
        return int(self._stats()["events"]["unique"])

    def profiles(self) -> dict[str, dict[str, Any]]:
        """Return the properties of each profile, by its id."""
        found = json.loads(ask(f"{self._url}/profiles"))
        return {each["$distinct_id"]: each["$properties"] for each in found}

    def answered(self, status: int) -> int:
        """Return how many requests were answered with a status since the last reset."""
        return int(self._stats()["requests_by_outcome"].get(str(status), 0))

    def change(self, **settings: object) -> None:
        """Change settings."""
        ask(f"{self._url}/settings", "PATCH", json.dumps(settings).encode())

    def reset(self) -> None:
        """Forget events, counters and faults."""
        ask(f"{self._url}/reset", "POST")

    def add(self, *faults: Mapping[str, Any]) -> None:
        """Switch faults on; their fields are those of the simulator's `Fault`."""
        ask(f"{self._url}/faults", "POST", json.dumps(faults).encode())

    def clear(self) -> int:
        """Switch all faults off; return how many requests they struck."""
        struck = self.struck()
        ask(f"{self._url}/faults", "DELETE")
        return struck

    def struck(self) -> int:
        """Return how many requests the faults struck."""
        return _fired(json.loads(ask(f"{self._url}/faults")))

    def _stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = json.loads(ask(f"{self._url}/stats"))
        return stats


class Aws:
    """The fault proxy's control page.

    Args:
        url: of the proxy.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_proxy/faults"

    def add(self, *faults: Mapping[str, Any]) -> None:
        """Switch faults on; their fields are those of `AwsFault`."""
        ask(self._url, "POST", json.dumps(faults).encode())

    def clear(self) -> int:
        """Switch all faults off; return how many calls they struck."""
        struck = _fired(json.loads(ask(self._url)))
        ask(self._url, "DELETE")
        return struck


def ask(url: str, method: str = "GET", body: bytes | None = None) -> str:
    """Return the text of a page of a local process.

    Raises:
        URLError: it does not answer, or not with success.
    """
    request = urllib.request.Request(url, body, method=method)  # noqa: S310  (our own, on loopback)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310  (as above)
        text: str = answer.read().decode()
        return text


def _fired(faults: Sequence[Mapping[str, Any]]) -> int:
    return sum(fault["fired"] for fault in faults)
