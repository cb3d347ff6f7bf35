"""The requests in flight: each is answered, or given up in time, whatever its socket does."""

from collections.abc import Sequence

from msgspec import Struct, field

from whyness_events.delivery.items import Item
from whyness_events.delivery.ports import Answer, Clock, SenderPool
from whyness_events.delivery.sending.packing import body_bytes
from whyness_events.outcomes import Outcome

CONNECT_TIMEOUT_S = 5.0


class SendingCounts(Struct):
    """An invocation's requests: their number, uncompressed body bytes, and milliseconds to each answer."""

    requests: int = 0
    body_bytes: int = 0
    latency_ms: list[float] = field(default_factory=list)


class Request(Struct, eq=False):
    """One request.

    Args:
        items: its events, at least one.
        attempt: how often it was retried.
        ready_s: earliest time to post it, by the monotonic clock.
        started_s: when it was last posted, by the monotonic clock.
        credentials: how often the credentials had been refreshed when it was last posted.
        is_part: it is a part of a request that was refused.
    """

    items: Sequence[Item]
    attempt: int = 0
    ready_s: float = 0.0
    started_s: float = 0.0
    credentials: int = 0
    is_part: bool = False

    @property
    def message_ids(self) -> set[str]:
        """The ids of its events' records."""
        return {item.record.message_id for item in self.items}

    def settle(self, outcome: Outcome) -> None:
        """Give all its events this outcome."""
        for item in self.items:
            item.outcome = outcome


class InFlight(Struct):
    """The requests in flight.

    Args:
        pool: posts them.
        clock: time.
        answer_timeout_s: longest wait for an answer once connected, seconds.
        counts: for the metrics.
    """

    pool: SenderPool
    clock: Clock
    answer_timeout_s: float
    counts: SendingCounts = field(default_factory=SendingCounts)
    _by_ticket: dict[int, Request] = field(default_factory=dict)
    _tickets: int = 0

    def __len__(self) -> int:
        return len(self._by_ticket)

    def post(self, request: Request, deadline_s: float) -> None:
        """Begin to send a request, which must be answered by `deadline_s`.

        Raises:
            SetupFault: there are no credentials.
        """
        self._tickets += 1
        request.started_s = now_s = self.clock.monotonic_s()
        events = [item.encoded for item in request.items]
        self.pool.submit(self._tickets, events, min(self.answer_timeout_s, deadline_s - now_s))
        self._by_ticket[self._tickets] = request
        self.counts.requests += 1
        self.counts.body_bytes += body_bytes(request.items)

    def wait(self, until_s: float, deadline_s: float) -> list[tuple[Request, Answer]]:
        """Wait until `until_s` at most for the first answers; a request that takes too long is given up.

        A server may let its answer trickle in for hours, so no request gets more than its own time, or the
        deadline.
        """
        moments = [until_s, *(self._expires_s(r, deadline_s) for r in self._by_ticket.values())]
        answers = self.pool.wait(max(0.0, min(moments) - self.clock.monotonic_s()))
        answered = [(r, answer) for ticket, answer in answers if (r := self._by_ticket.pop(ticket, None))]
        now_s = self.clock.monotonic_s()
        for ticket in [t for t, r in self._by_ticket.items() if self._expires_s(r, deadline_s) <= now_s]:
            self.pool.abandon(ticket)
            answered.append((self._by_ticket.pop(ticket), Answer(0, error="no answer in time")))
        self.counts.latency_ms += [(now_s - request.started_s) * 1000 for request, _ in answered]
        return answered

    def ask(self, request: Request, deadline_s: float) -> Answer:
        """Send a request while no other is in flight, and return its answer.

        Raises:
            SetupFault: there are no credentials.
        """
        self.post(request, deadline_s)
        while not (answered := self.wait(deadline_s, deadline_s)):
            pass
        return answered[0][1]

    def _expires_s(self, request: Request, deadline_s: float) -> float:
        return min(deadline_s, request.started_s + CONNECT_TIMEOUT_S + self.answer_timeout_s)
