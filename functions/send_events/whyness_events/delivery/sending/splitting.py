"""Requests refused as a whole, halved until they pass or one event is alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.answers import Verdict
from whyness_events.delivery.sending.container_state import RequestSize
from whyness_events.delivery.sending.in_flight import Request
from whyness_events.delivery.sending.packing import body_bytes
from whyness_events.outcomes import Outcome, Reason

EXTRA_REQUESTS = 64
# What a part that passes adds to them: where half of all are culprits, a neighbour costs some five requests.
_EARNED_REQUESTS = 8


@dataclass(slots=True)
class Splitting:
    """What an invocation has refused requests of, and may still spend on them.

    Args:
        size: what the container knows of body sizes.
        rng: shuffles.
    """

    size: RequestSize
    rng: random.Random
    isolated: list[tuple[Item, Verdict]] = field(default_factory=list)
    unsplit: list[tuple[Request, Verdict]] = field(default_factory=list)
    _left: int = EXTRA_REQUESTS

    def split(self, request: Request, verdict: Verdict, *, may_send: bool) -> list[Request]:
        """Return the parts to send; none where one event is alone, or too much was spent for nothing."""
        if verdict.status == 413 and len(request.items) > 1:  # noqa: PLR2004
            self.size.shrink(body_bytes(request.items))
        if len(request.items) == 1:
            self.isolated.append((request.items[0], verdict))
            return []
        self.unsplit.append((request, verdict))
        return self._go_on() if may_send else []

    def passed(self, request: Request, *, may_send: bool) -> list[Request]:
        """Hear of a confirmed request; return the parts that it has earned."""
        if not request.is_part:
            return []
        self._left += _EARNED_REQUESTS
        return self._go_on() if may_send else []

    def _go_on(self) -> list[Request]:
        """Split the smallest, for they are the first of which a part passes."""
        self.unsplit.sort(key=lambda refused: -len(refused[0].items))
        parts: list[Request] = []
        while self.unsplit and self._left >= 2:  # noqa: PLR2004  (each has two parts)
            request, verdict = self.unsplit.pop()
            parts += [Request(part, is_part=True) for part in self._parts(request.items, verdict)]
            self._left -= 2
        return parts

    def give_up(self, *, has_passed: bool) -> list[tuple[Request, Verdict]]:
        """Give what was not split its outcome, and return it with the answers to it."""
        given_up, self.unsplit = self.unsplit, []
        for request, verdict in given_up:
            detail = f"{verdict.detail}; not isolated within {EXTRA_REQUESTS} requests that brought nothing"
            reason = Reason.RETRY if has_passed else Reason.SETUP
            request.settle(Outcome(reason, detail, verdict.status))
        return given_up

    def _parts(self, items: Sequence[Item], verdict: Verdict) -> list[Sequence[Item]]:
        """Return the named apart from the others, or else two halves.

        They are drawn by lot: culprits that stand side by side would use up the requests before one passes.
        """
        named = [item for index, item in enumerate(items) if index in verdict.named]
        others = [item for index, item in enumerate(items) if index not in verdict.named]
        if named and others:
            return [others, named]
        shuffled = [*items]
        self.rng.shuffle(shuffled)
        return [shuffled[: len(items) // 2], shuffled[len(items) // 2 :]]
