"""What goes wrong in a run: kinds of fault, each in windows of time and with a chance to strike."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.simulation.traffic import DAY_S

PAGE = "<html><body>Welcome back</body></html>"
# What Mixpanel, or something before it, does; the fields of the local simulator's faults.
AT_MIXPANEL: Mapping[str, Mapping[str, Any]] = {
    "429": {"status": 429},
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "20"}},
    "429 for long": {"status": 429, "headers": {"Retry-After": "3600"}},
    "503": {"status": 503},
    "504 rate limit": {"status": 504, "body": "too many requests"},
    "outage": {"connection": "reset"},
    "reset after ingestion": {"connection": "reset", "ingest": True},
    "no answer": {"connection": "hang"},
    "no answer after ingestion": {"connection": "hang", "ingest": True},
    "slow": {"delay_s": 25.0},
    "too slow": {"delay_s": 50.0},
    "cut answer": {"cut": True},
    "413": {"status": 413, "over_bytes": 3_000},
    "garbage 200": {"status": 200, "body": PAGE},
    "garbage 200 after ingestion": {"status": 200, "body": PAGE, "ingest": True},
    "short 200": {"count": "short", "ingest": True},
    "uncounted 200": {"count": "missing", "ingest": True},
    "unexplained 400": {"status": 400, "body": {"code": 400, "error": "bad", "status": "Bad Request"}},
    "proxy's 403": {"status": 403, "body": PAGE},
}
# What an operator did wrong, and fixes.
AT_SETUP = ("401", "wrong project")
# What AWS does, and what happens to a container.
AT_AWS = (
    "dead letters refused",
    "dead letters unconfirmed",
    "dead letters throttled",
    "rows lost",
    "rows throttled",
    "delays refused",
    "deletes refused",
    "throttled invoke",
    "delivered twice",
    "kill",
    "stall",
)
# Another version of the function runs meanwhile: one that reads newer messages, one with other defaults.
DEPLOYS = ("newer reader", "changed default")
# When a window of these begins, somebody sends dead letters again.
REDRIVES = ("redrive", "redrive with edit", "redrive of all")
# What a message brings along.
BY_MESSAGE = ("poison", "newer message")
KINDS = (*AT_MIXPANEL, *AT_SETUP, *AT_AWS, *DEPLOYS, *REDRIVES, *BY_MESSAGE)
# Refusals that explain nothing: of all requests or of any part of them, they blame nobody.
UNCLEAR = frozenset({"short 200", "uncounted 200", "unexplained 400", "proxy's 403"})
LEAST_KINDS = 3
_MOST_KINDS = 8
_LENGTHS_S = (20, 90, 600, 3_600, 4 * 3_600)
_UNCLEAR_LENGTHS_S = (*_LENGTHS_S, 12 * 3_600)
_ALWAYS_WHOLE = frozenset({*AT_SETUP, *DEPLOYS, *REDRIVES, *BY_MESSAGE})
_NEVER_WHOLE = ("kill", "stall", "delivered twice")
_PER_CALL_PART = 0.1  # of a window's part, where every port call is asked


@dataclass(frozen=True, slots=True)
class Window:
    """One fault for a time.

    Args:
        kind: one of KINDS.
        from_s: seconds since the start.
        for_s: how long.
        part: chance to strike, 0 to 1, of each request, call, or invocation.
    """

    kind: str
    from_s: float
    for_s: float
    part: float

    def is_open(self, at_s: float) -> bool:
        """Whether `at_s` lies in it."""
        return self.from_s <= at_s < self.from_s + self.for_s


def draw_kinds(rng: random.Random) -> list[str]:
    """Return the kinds of a run, three or more."""
    return rng.sample(KINDS, rng.randint(LEAST_KINDS, _MOST_KINDS))


def make_trouble(
    rng: random.Random, kinds: Sequence[str], days: float, moments: Sequence[float]
) -> list[Window]:
    """Return windows of these kinds, most of them at one of the `moments` when something is sent.

    All are over when the last tenth of the days begins.
    """
    until_s = days * DAY_S * 0.9
    return [_window(rng, kind, until_s, moments) for kind in kinds for _ in range(rng.randint(1, 3))]


def _window(rng: random.Random, kind: str, until_s: float, moments: Sequence[float]) -> Window:
    is_unclear = kind in UNCLEAR
    for_s = rng.choice(_UNCLEAR_LENGTHS_S if is_unclear else _LENGTHS_S) * rng.uniform(0.5, 1.5)
    from_s = min(max(0.0, rng.choice(moments) - rng.random() * for_s), until_s * 0.95)
    if kind in REDRIVES:
        from_s = min(from_s + rng.random() * 4 * 3_600, until_s * 0.95)  # there must be something to redrive
    is_whole = kind in _ALWAYS_WHOLE or (kind not in _NEVER_WHOLE and rng.random() < 0.3)
    part = 1.0 if is_whole else rng.uniform(0.02, 0.85 if is_unclear else 0.6)
    return Window(kind, from_s, min(for_s, until_s - from_s), part)


class Trouble:
    """The windows of a run, asked as its time passes.

    Args:
        windows: all of them.
        passed_s: seconds since the start.
        rng: what strikes.
    """

    def __init__(self, windows: Iterable[Window], passed_s: Callable[[], float], rng: random.Random) -> None:
        self.windows = list(windows)
        self._passed_s = passed_s
        self._rng = rng
        self._by_kind: dict[str, list[Window]] = {}
        for window in self.windows:
            self._by_kind.setdefault(window.kind, []).append(window)

    def of(self, kind: str) -> Sequence[Window]:
        """Return the windows of a kind."""
        return self._by_kind.get(kind, ())

    def open(self, kind: str) -> Window | None:
        """Return a window of this kind that is open, if there is one."""
        passed_s = self._passed_s()
        return next((window for window in self.of(kind) if window.is_open(passed_s)), None)

    def strikes(self, kind: str, *, rarely: bool = False) -> bool:
        """Draw whether a fault of this kind strikes now; `rarely` for what is asked at every call."""
        if kind not in self._by_kind or (window := self.open(kind)) is None:
            return False
        return self._rng.random() < window.part * (_PER_CALL_PART if rarely else 1.0)

    def last_before(self, at_s: float) -> float:
        """Return when, up to `at_s` seconds since the start, something was wrong for the last time."""
        ends = (min(w.from_s + w.for_s, at_s) for w in self.windows if w.from_s < at_s)
        return max(ends, default=0.0)
