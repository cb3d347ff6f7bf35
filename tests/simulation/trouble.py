"""What goes wrong in a run: kinds of fault, each in windows of time and with a chance to strike."""

import random
from collections.abc import Mapping, Sequence
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
# What an operator did wrong, and puts right.
AT_SETUP = ("401", "wrong project")
# What AWS does, and what happens to a container.
AT_AWS = (
    "letters refused",
    "letters unconfirmed",
    "rows lost",
    "delays refused",
    "throttled invoke",
    "delivered twice",
    "kill",
    "stall",
)
KINDS = (*AT_MIXPANEL, *AT_SETUP, *AT_AWS)
# An answer that blames a lone event while others pass is believed: the event may lie in the DLQ, with a
# reason. Where everything is refused alike it may not.
UNCLEAR = frozenset({"short 200", "uncounted 200", "unexplained 400", "proxy's 403"})
# The positive control is asked for per invocation, not per moment: a refusal of everything that begins or
# ends within one may blame events that it isolated. False makes the simulation find that.
CHANGE_MAY_BLAME = True
LEAST_KINDS = 3
_MOST_KINDS = 8
_LENGTHS_S = (20, 90, 600, 3_600, 4 * 3_600)
_NEVER_WHOLE = ("kill", "stall", "delivered twice")


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

    def may_blame(self, from_s: float, to_s: float) -> bool:
        """Whether, between these moments, some requests pass while others are blamed."""
        is_partial = self.part < 1 and self.from_s < to_s and from_s < self.from_s + self.for_s
        changes = from_s <= self.from_s < to_s or from_s < self.from_s + self.for_s <= to_s
        return self.kind in UNCLEAR and (is_partial or (CHANGE_MAY_BLAME and changes))


def make_trouble(rng: random.Random, days: float, moments: Sequence[float]) -> list[Window]:
    """Return windows of at least three kinds, most of them at one of the `moments` when something is sent.

    All are over when the last tenth of the days begins.
    """
    kinds = rng.sample(KINDS, rng.randint(LEAST_KINDS, _MOST_KINDS))
    until_s = days * DAY_S * 0.9
    return [_window(rng, kind, until_s, moments) for kind in kinds for _ in range(rng.randint(1, 3))]


def _window(rng: random.Random, kind: str, until_s: float, moments: Sequence[float]) -> Window:
    for_s = rng.choice(_LENGTHS_S) * rng.uniform(0.5, 1.5)
    from_s = min(max(0.0, rng.choice(moments) - rng.random() * for_s), until_s * 0.95)
    is_whole = kind in AT_SETUP or (kind not in _NEVER_WHOLE and rng.random() < 0.3)
    part = 1.0 if is_whole else rng.uniform(0.02, 0.6)
    return Window(kind, from_s, min(for_s, until_s - from_s), part)
