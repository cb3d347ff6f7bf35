"""Requests refused as a whole, halved until they pass or one event is alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from whyness_events.delivery.answers import Verdict
from whyness_events.delivery.blame import Ask, judge_isolated
from whyness_events.delivery.flights import Request
from whyness_events.delivery.items import Item
from whyness_events.delivery.learned import RequestSize
from whyness_events.delivery.packing import body_bytes
from whyness_events.outcomes import Outcome, Reason

EXTRA_REQUESTS = 64


@dataclass(slots=True)
class Splitting:
    """What an invocation has refused requests of, and may still spend on them.

    Args:
        size: what the container knows of body sizes.
    """

    size: RequestSize
    _isolated: list[tuple[Item, Verdict]] = field(default_factory=list)
    _unsplit: list[tuple[Request, Verdict]] = field(default_factory=list)
    _extra: int = 0

    def split(self, request: Request, verdict: Verdict, *, may_send: bool) -> list[Request]:
        """Return the parts to send; none where one event is alone or too much was spent."""
        if verdict.status == 413 and len(request.items) > 1:  # noqa: PLR2004
            self.size.shrink(body_bytes(request.items))
        if len(request.items) == 1:
            self._isolated.append((request.items[0], verdict))
            return []
        parts = _parts(request.items, verdict)
        if not may_send or self._extra + len(parts) > EXTRA_REQUESTS:
            self._unsplit.append((request, verdict))
            return []
        self._extra += len(parts)
        return [Request(part) for part in parts]

    def judge(self, control: Item | None, ask: Ask) -> list[tuple[Request, Verdict]]:
        """Give what is left its outcome (see judge_isolated), and return it with the answers to it."""
        judge_isolated(self._isolated, control, ask)
        for request, verdict in self._unsplit:
            detail = f"{verdict.detail}; not isolated within {EXTRA_REQUESTS} extra requests"
            reason = Reason.SETUP if control is None else Reason.RETRY
            request.settle(Outcome(reason, detail, verdict.status))
        refused = [*self._unsplit, *((Request([item]), verdict) for item, verdict in self._isolated)]
        self._unsplit, self._isolated = [], []
        return refused


def _parts(items: Sequence[Item], verdict: Verdict) -> list[Sequence[Item]]:
    """Return the named apart from the others, or else two halves."""
    named = [item for index, item in enumerate(items) if index in verdict.named]
    others = [item for index, item in enumerate(items) if index not in verdict.named]
    if named and others:
        return [others, named]
    return [items[: len(items) // 2], items[len(items) // 2 :]]
