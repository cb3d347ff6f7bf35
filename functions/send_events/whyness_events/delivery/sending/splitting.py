"""Split requests that are refused as a whole, until the parts pass or hold a single event."""

import random
from collections.abc import Sequence

from msgspec import Struct, field

from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.answers import Verdict
from whyness_events.delivery.sending.container_state import RequestSize
from whyness_events.delivery.sending.in_flight import Request
from whyness_events.delivery.sending.packing import body_bytes
from whyness_events.outcomes import Outcome, Reason

EXTRA_REQUESTS = 64
# Added by each part that passes: if half of the events are refused, a valid one costs about five requests.
_EARNED_REQUESTS = 8


class Splitting(Struct):
    """The refused requests of an invocation, and the number of requests left to split them.

    Args:
        size: of bodies, which a 413 shrinks.
        rng: shuffles events.
        isolated: events that were refused alone, with the answer.
        unsplit: requests that are not split yet, with the answer.
    """

    size: RequestSize
    rng: random.Random
    isolated: list[tuple[Item, Verdict]] = field(default_factory=list)
    unsplit: list[tuple[Request, Verdict]] = field(default_factory=list)
    _left: int = EXTRA_REQUESTS

    def split(self, request: Request, verdict: Verdict, *, may_send: bool) -> list[Request]:
        """Return the parts to send; none if the request holds one event, or no requests are left."""
        if verdict.status == 413 and len(request.items) > 1:  # noqa: PLR2004
            self.size.shrink(body_bytes(request.items))
        if len(request.items) == 1:
            self.isolated.append((request.items[0], verdict))
            return []
        self.unsplit.append((request, verdict))
        return self._go_on() if may_send else []

    def passed(self, request: Request, *, may_send: bool) -> list[Request]:
        """Note a confirmed request; return the parts to send with the requests that it adds."""
        if not request.is_part:
            return []
        self._left += _EARNED_REQUESTS
        return self._go_on() if may_send else []

    def _go_on(self) -> list[Request]:
        """Split the smallest requests first, because their parts are the most likely to pass."""
        self.unsplit.sort(key=lambda refused: -len(refused[0].items))
        parts: list[Request] = []
        while self.unsplit and self._left >= 2:  # noqa: PLR2004  (each has two parts)
            request, verdict = self.unsplit.pop()
            parts += [Request(part, is_part=True) for part in self._parts(request.items, verdict)]
            self._left -= 2
        return parts

    def give_up(self, *, has_passed: bool) -> list[tuple[Request, Verdict]]:
        """Settle the requests that were not split; return them with their answers."""
        given_up, self.unsplit = self.unsplit, []
        for request, verdict in given_up:
            why = f"the events at fault were not found in {EXTRA_REQUESTS} extra requests"
            reason = Reason.RETRY if has_passed else Reason.SETUP
            request.settle(Outcome(reason, f"{verdict.detail}; {why}", verdict.status))
        return given_up

    def _parts(self, items: Sequence[Item], verdict: Verdict) -> list[Sequence[Item]]:
        """Return the named events and the others; if that does not split them, two random halves.

        Random, because adjacent culprits would use up the requests before a part passes.
        """
        named = [item for index, item in enumerate(items) if index in verdict.named]
        others = [item for index, item in enumerate(items) if index not in verdict.named]
        if named and others:
            return [others, named]
        shuffled = [*items]
        self.rng.shuffle(shuffled)
        return [shuffled[: len(items) // 2], shuffled[len(items) // 2 :]]
