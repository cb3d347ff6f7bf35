"""Account for the events of a row by their four deduplication fields. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from local.chaos.load import DELIVERED, Load
from local.reconcile import Key
from whyness_events.outcomes import CRASHED, UNKNOWN, Reason

# Mixpanel may have an event with such a letter too: its last answer was unknown, or a process died then.
_MAY_BE_BOTH = {CRASHED, Reason.EXHAUSTED}
_NO_REASONS = {"", UNKNOWN}


class Letter(NamedTuple):
    """A dead letter: why it is there, and the events in it."""

    reason: str
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What there is in the end.

    Args:
        at_mixpanel: the events as a query at Mixpanel counts them.
        letters: in the dead-letter queue.
        waiting: events that are still in the queue.
    """

    at_mixpanel: Sequence[Key]
    letters: Sequence[Letter]
    waiting: Sequence[Key]


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a row's events. Sound is 0 for all but the first three."""

    offered: int
    delivered: int
    dead: int
    lost: int
    double_counted: int
    unexplained: int
    waiting: int

    @property
    def is_sound(self) -> bool:
        """Whether every event has one fate, and the one it should have."""
        return not (self.lost or self.double_counted or self.unexplained or self.waiting)


def account(load: Load, found: Found) -> Account:
    """Compare what was offered with what there is. Events of other loads are left aside."""
    prefix = load.prefix + "-"
    ours = [key for key in found.at_mixpanel if key.insert_id.startswith(prefix)]
    letters = [letter for letter in found.letters if _concerns(letter, prefix)]
    offered = set(load.fates)
    delivered = offered.intersection(ours)
    reasons = _reasons(letters)
    dead = offered & reasons.keys()
    waiting = offered.intersection(found.waiting)
    return Account(
        offered=len(offered),
        delivered=len(delivered),
        dead=len(dead),
        lost=len(offered - delivered - dead - waiting),
        double_counted=_counted_again(ours)
        + sum(not reasons[key] & _MAY_BE_BOTH for key in delivered & dead),
        unexplained=_unexplained(load.fates, delivered, reasons, letters),
        waiting=len(waiting),
    )


def _concerns(letter: Letter, prefix: str) -> bool:
    return not letter.keys or any(key.insert_id.startswith(prefix) for key in letter.keys)


def _reasons(letters: Iterable[Letter]) -> dict[Key, set[str]]:
    reasons: dict[Key, set[str]] = {}
    for letter in letters:
        for key in letter.keys:
            reasons.setdefault(key, set()).add(letter.reason)
    return reasons


def _counted_again(at_mixpanel: Iterable[Key]) -> int:
    """Return how many events too many Mixpanel counts: each insert id stands for one event."""
    counts = Counter(key.insert_id for key in at_mixpanel)
    return counts.total() - len(counts)


def _unexplained(
    fates: Mapping[Key, str],
    delivered: Iterable[Key],
    reasons: Mapping[Key, set[str]],
    letters: Iterable[Letter],
) -> int:
    """Count letters that say nothing, and events with another fate than their own."""
    silent = sum(letter.reason in _NO_REASONS or not letter.keys for letter in letters)
    wrongly_dead = sum(found != {fates.get(key, DELIVERED)} for key, found in reasons.items())
    wrongly_delivered = sum(fates[key] != DELIVERED and key not in reasons for key in delivered)
    return silent + wrongly_dead + wrongly_delivered
