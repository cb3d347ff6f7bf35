"""Pure: what a container knows of single events: how sure it is that one is refused for what it is.

Each trial (see trial.py) sends an event so many times, and a control so many times, in random order. If the
answers did not depend on the event, all refusals would meet the event, and none the control, in one of
`comb(refusals + passes, refusals)` orders. Decision 6 has the reckoning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import count
from math import comb

from whyness_events.delivery.items import Item

# One in four billion: as sixteen alternations, of which each may be chance in one case of four.
ENOUGH_ODDS = 2**32
# Half of it (as a power) is the most that one trial adds, so that two invocations must agree.
TRIAL_ODDS = 2**16
_MOST_SUSPECTS = 4_096
_MOST_DELIVERED = 50_000
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What speaks against an event.

    Args:
        status: of all its refusals.
        refusals: how many, in trials; 0 where it was not tried yet.
        odds: chance would show this once in so many.
    """

    status: int = 0
    refusals: int = 0
    odds: int = 1

    @property
    def is_enough(self) -> bool:
        """Whether it is no chance."""
        return self.odds >= ENOUGH_ODDS


class Evidence:
    """What speaks against which events, by a digest of their bytes; the oldest go first."""

    def __init__(self) -> None:
        self._by_digest: dict[bytes, Suspicion] = {}

    def __bool__(self) -> bool:
        """Return whether any event is under suspicion."""
        return bool(self._by_digest)

    def of(self, item: Item) -> Suspicion | None:
        """Return what speaks against an event, if anything does."""
        return self._by_digest.get(_digest(item))

    def suspect(self, item: Item, status: int) -> None:
        """Note that an event was refused alone, which is no evidence yet."""
        self._by_digest.setdefault(_digest(item), Suspicion(status))
        self._bound()

    def add(self, item: Item, statuses: Sequence[int], passes: int) -> Suspicion:
        """Add a trial in which the event was refused with these, and the control passed so often.

        With another status all begins anew: it is another refusal.
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
        """Hold nothing against an event that passed."""
        self._by_digest.pop(_digest(item), None)

    def clear(self) -> None:
        """Hold nothing against anyone: refusals meet what is not at fault, too."""
        self._by_digest.clear()

    def _bound(self) -> None:
        if len(self._by_digest) > _MOST_SUSPECTS:
            del self._by_digest[next(iter(self._by_digest))]


class Delivered:
    """Events that were confirmed in records that come again for others' sake; the oldest go first.

    Without it all events of a record would have to pass in the same invocation.
    """

    def __init__(self) -> None:
        self._digests: dict[bytes, None] = {}

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._digests)

    def __contains__(self, item: Item) -> bool:
        """Return whether Mixpanel confirmed these bytes."""
        return _digest(item) in self._digests

    def add(self, item: Item) -> None:
        """Keep one."""
        self._digests[_digest(item)] = None
        if len(self._digests) > _MOST_DELIVERED:
            del self._digests[next(iter(self._digests))]


def _digest(item: Item) -> bytes:
    return blake2b(item.encoded, digest_size=_DIGEST_BYTES).digest()


@cache
def copies(suspects: int) -> tuple[int, int]:
    """Return how often a trial sends each of so many suspects, and the control: the fewest that are enough.

    All suspects share the controls, so the more there are, the fewer copies of each.
    """
    plans = [(refusals, _controls(refusals)) for refusals in range(2, 17)]
    return min(plans, key=lambda plan: suspects * plan[0] + plan[1])


def _controls(refusals: int) -> int:
    return next(n for n in count(1) if comb(refusals + n, refusals) >= TRIAL_ODDS)
