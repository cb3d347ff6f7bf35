"""Pure: a trial sends events that were refused alone, and one that passes, several times in random order."""

import random
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.answers import Reaction, Verdict
from whyness_events.delivery.sending.blame import blamed, rejected, under_trial, waiting
from whyness_events.delivery.sending.evidence import Evidence, copies
from whyness_events.outcomes import DELIVERED, Outcome

# How many suspects share a trial. More would need fewer requests, but lose more if it is cut short.
_SUSPECTS_AT_ONCE = 16


class Trial(Struct):
    """One trial.

    Args:
        suspects: events that were refused alone.
        control: an event that Mixpanel confirmed, and deduplicates when it is sent again.
        suspect_copies: how often each suspect is sent.
        control_copies: how often the control is sent.
        ended: why the trial cannot go on, as the outcome of suspects that wait; None while it can.
    """

    suspects: Sequence[Item]
    control: Item
    suspect_copies: int
    control_copies: int
    ended: Outcome | None = None
    _is_contradicted: bool = False
    _passes: int = 0
    _refusals: dict[Item, list[Verdict]] = field(default_factory=dict)
    _settled: dict[Item, Outcome] = field(default_factory=dict)

    def order(self, rng: random.Random) -> list[Item]:
        """Return the items to send, in random order."""
        order = [*self.suspects] * self.suspect_copies + [self.control] * self.control_copies
        rng.shuffle(order)
        return order

    def needs(self, item: Item) -> bool:
        """Return whether another copy of `item` must be sent."""
        return self.ended is None and item not in self._settled

    def answered(self, item: Item, verdict: Verdict) -> None:
        """Note an answer; the first that neither confirms nor refuses the item ends the trial."""
        is_control, reaction = item is self.control, verdict.reaction
        if reaction is Reaction.CONFIRMED and not is_control:
            named = verdict.named
            self._settled[item] = rejected(named[0], verdict.status) if named else DELIVERED
        elif reaction is Reaction.CONFIRMED and not verdict.named:
            self._passes += 1
        elif reaction is Reaction.SPLIT and not is_control:
            self._refusals.setdefault(item, []).append(verdict)
        elif is_control and reaction in (Reaction.CONFIRMED, Reaction.SPLIT, Reaction.SETUP):
            self._is_contradicted = True
            detail = f"refused alone; then another event did not pass either: {verdict.detail}"
            self.ended = waiting(verdict, detail)
        else:
            self.ended = self.ended or waiting(verdict)

    def conclude(self, evidence: Evidence) -> None:
        """Give each suspect its outcome, and add the evidence against it.

        If the control was refused, refusals do not depend on the event: all evidence is dropped.
        """
        if self._is_contradicted:
            evidence.clear()
        for item in self.suspects:
            item.outcome = self._settled.get(item) or self._weigh(item, evidence)
            if item in self._settled:
                evidence.forget(item)

    def _weigh(self, item: Item, evidence: Evidence) -> Outcome:
        refusals = self._refusals.get(item)
        if self._is_contradicted or not refusals:
            return self.ended or under_trial(evidence.of(item))
        suspicion = evidence.add(item, [verdict.status for verdict in refusals], self._passes)
        if suspicion.is_enough and self._passes:
            return blamed(item, refusals[-1], suspicion)
        return self.ended or under_trial(suspicion)


def trials(suspects: Sequence[Item], control: Item, evidence: Evidence) -> Iterator[Trial]:
    """Yield the trials of the suspects, those with the most evidence against them first.

    An event with enough evidence is still sent once more: its record may have waited for another event, or an
    operator may have fixed the cause and redriven it.
    """
    known = {item: evidence.of(item) for item in suspects}
    enough = [item for item, suspicion in known.items() if suspicion and suspicion.is_enough]
    others = [item for item in known if item not in set(enough)]
    others.sort(key=lambda item: -(suspicion.odds if (suspicion := known[item]) else 0))
    for group in _groups(enough):
        yield Trial(group, control, 1, 1)
    for group in _groups(others):
        yield Trial(group, control, *copies(len(group)))


def _groups(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _SUSPECTS_AT_ONCE):
        yield items[start : start + _SUSPECTS_AT_ONCE]
