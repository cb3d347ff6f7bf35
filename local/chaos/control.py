"""Switch faults on and off from outside: the control pages of the Mixpanel simulator and the fault proxy."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from local.inventory import ask


class Mixpanel:
    """The simulator's control pages.

    Args:
        url: of the simulator.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_simulator"

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

    def answered(self, status: int) -> int:
        """Return how many requests were answered with a status since the last reset."""
        counts = json.loads(ask(f"{self._url}/stats"))["requests_by_outcome"]
        return int(counts.get(str(status), 0))

    def change(self, **settings: object) -> None:
        """Change settings."""
        ask(f"{self._url}/settings", "PATCH", json.dumps(settings).encode())

    def reset(self) -> None:
        """Forget events, counters and faults."""
        ask(f"{self._url}/reset", "POST")


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


def _fired(faults: Sequence[Mapping[str, Any]]) -> int:
    return sum(fault["fired"] for fault in faults)
