"""Pure: what a container knows of single events: how likely it is that one is refused for its content.

A trial (see trial.py) sends an event and a control several times each, in random order. If the answers did
not depend on the event, all refusals would fall on the event, and none on the control, in one of
`comb(refusals + passes, refusals)` orders. Decision 6 has the calculation.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from itertools import count
from math import comb

from msgspec import Struct

from whyness_events.delivery.items import Item

# One in four billion: the odds of sixteen alternations, each of which is chance in one case of four.
ENOUGH_ODDS = 2**32
# The most that one trial adds, so that it takes two invocations to reach ENOUGH_ODDS.
TRIAL_ODDS = 2**16
_MOST_SUSPECTS = 4_096
_MOST_DELIVERED = 50_000
_DIGEST_BYTES = 16


class Suspicion(Struct, frozen=True):
    """The evidence against one event.

    Args:
        status: HTTP status of all its refusals.
        refusals: number of refusals in trials; 0 if it was not tried yet.
        odds: chance alone would give these answers once in so many cases.
    """

    status: int = 0
    refusals: int = 0
    odds: int = 1

    @property
    def is_enough(self) -> bool:
        """Whether chance is ruled out."""
        return self.odds >= ENOUGH_ODDS


class Evidence:
    """The evidence against events, by a digest of their bytes; the oldest entries are dropped first."""

    def __init__(self) -> None:
        self._by_digest: dict[bytes, Suspicion] = {}

    def __bool__(self) -> bool:
        return bool(self._by_digest)

    def of(self, item: Item) -> Suspicion | None:
        """Return the evidence against an event; None if there is none."""
        return self._by_digest.get(_digest(item))

    def suspect(self, item: Item, status: int) -> None:
        """Note that an event was refused alone, which is not yet evidence."""
        self._by_digest.setdefault(_digest(item), Suspicion(status))
        self._bound()

    def add(self, item: Item, statuses: Sequence[int], passes: int) -> Suspicion:
        """Add a trial, and return the evidence. With another status than before, it starts anew.

        Args:
            item: the event.
            statuses: HTTP statuses of its refusals in the trial, at least one.
            passes: how often the control passed in the trial.
        """
        known = self._by_digest.pop(_digest(item), Suspicion())
        refusals = len(statuses)
        if set(statuses) - {known.status}:
            known = Suspicion(statuses[-1])
        odds = min(comb(refusals + passes, refusals), TRIAL_ODDS) if len(set(statuses)) == 1 else 1
        suspicion = Suspicion(known.status, known.refusals + refusals, known.odds * odds)
        self._by_digest[_digest(item)] = suspicion
        self._bound()
        return suspicion

    def forget(self, item: Item) -> None:
        """Drop the evidence against an event that passed."""
        self._by_digest.pop(_digest(item), None)

    def clear(self) -> None:
        """Drop all evidence: valid events are refused, too."""
        self._by_digest.clear()

    def _bound(self) -> None:
        if len(self._by_digest) > _MOST_SUSPECTS:
            del self._by_digest[next(iter(self._by_digest))]


class Delivered:
    """Confirmed events of records that return because of others; the oldest entries are dropped first.

    Without it, all events of a record would have to pass in the same invocation.
    """

    def __init__(self) -> None:
        self._digests: dict[bytes, None] = {}

    def __bool__(self) -> bool:
        return bool(self._digests)

    def __contains__(self, item: Item) -> bool:
        return _digest(item) in self._digests

    def add(self, item: Item) -> None:
        """Note that Mixpanel confirmed the event."""
        self._digests[_digest(item)] = None
        if len(self._digests) > _MOST_DELIVERED:
            del self._digests[next(iter(self._digests))]


def _digest(item: Item) -> bytes:
    return blake2b(item.encoded, digest_size=_DIGEST_BYTES).digest()


@cache
def copies(suspects: int) -> tuple[int, int]:
    """Return how often a trial of so many suspects sends each, and the control: the fewest that suffice.

    The suspects share the control's copies, so the more suspects there are, the fewer copies of each.
    """
    plans = [(refusals, _controls(refusals)) for refusals in range(2, 17)]
    return min(plans, key=lambda plan: suspects * plan[0] + plan[1])


def _controls(refusals: int) -> int:
    return next(n for n in count(1) if comb(refusals + n, refusals) >= TRIAL_ODDS)
