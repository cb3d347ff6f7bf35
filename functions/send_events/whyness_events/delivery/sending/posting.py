"""Post the requests of an invocation: each when it is ready, a limited number at once, until time is up.

One thread decides, and waits with a deadline; the pool posts. So there is nothing to lock, and an answer that
comes too late is dropped.
"""

from collections.abc import Callable, Collection

from msgspec import Struct, field

from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.answers import Reaction, Verdict, judge
from whyness_events.delivery.ports import Answer, Clock, SetupFault
from whyness_events.delivery.sending.container_state import ContainerState
from whyness_events.delivery.sending.in_flight import InFlight, Request
from whyness_events.outcomes import Outcome, Reason

SHORTEST_TRY_S = 1.0
# An answer that takes this part of the allowed time is a sign to send fewer requests at once.
_SLOW_PART = 0.5

# What to do with an answer.
React = Callable[[Request, Verdict], None]


class Posting(Struct, eq=False):
    """The requests of an invocation, and what holds for all of them.

    Args:
        in_flight: the requests in flight.
        clock: time.
        container_state: what the container has learned.
        queue: requests to post, in this order.
        deadline_s: time of the last answer, by the monotonic clock.
        hold_until_s: nothing is posted before this time, by the monotonic clock.
        stopped: the outcome of all that was not posted; None while requests may be posted.
        has_passed: Mixpanel has confirmed an event.
        asked_for_credentials: the credentials were fetched again; once per invocation.
        refreshed: how often that gave credentials that may be new, 0 or 1.
    """

    in_flight: InFlight
    clock: Clock
    container_state: ContainerState
    queue: list[Request] = field(default_factory=list)
    deadline_s: float = 0.0
    hold_until_s: float = 0.0
    stopped: Outcome | None = None
    has_passed: bool = False
    asked_for_credentials: bool = False
    refreshed: int = 0

    @property
    def time_left_s(self) -> float:
        """Seconds until the deadline."""
        return self.deadline_s - self.clock.monotonic_s()

    @property
    def has_time(self) -> bool:
        """Whether there is time for another request."""
        return self.time_left_s > SHORTEST_TRY_S

    def run(self, react: React) -> None:
        """Post the queue, with what `react` adds to it, until it is empty or time is up."""
        while self.in_flight or (self.queue and self.has_time):
            self._start()
            self._wait(react)

    def ask(self, request: Request) -> Verdict:
        """Send a request on its own, and return what its answer means."""
        request.credentials = self.refreshed
        try:
            return self._judge(request, self.in_flight.ask(request, self.deadline_s))
        except SetupFault as fault:
            return Verdict(Reaction.SETUP, 0, str(fault))

    def refresh_credentials(self) -> Verdict | None:
        """Fetch the credentials again; return why that failed."""
        self.asked_for_credentials = True
        try:
            self.refreshed = 1 if self.in_flight.pool.refresh_credentials() else 0
        except SetupFault as fault:
            return Verdict(Reaction.SETUP, 0, str(fault))
        return None

    def take_out(self, items: Collection[Item]) -> None:
        """Remove items from the queue."""
        left = [[item for item in request.items if item not in items] for request in self.queue]
        self.queue = [Request(kept) for kept in left if kept]

    def stop(self, outcome: Outcome) -> None:
        """Post nothing more in this invocation; requests in flight may still be answered."""
        self.stopped = outcome
        self.settle_queue(outcome)

    def open_breaker(self, outcome: Outcome) -> None:
        """Stop, and keep the container from sending for a while.

        A temporary failure does not replace the reason for which the breaker is open.
        """
        breaker = self.container_state.breaker
        detail = outcome.detail if outcome.reason is Reason.SETUP else breaker.detail
        breaker.open(detail, self.clock.monotonic_s())
        self.stop(outcome)

    def settle_queue(self, outcome: Outcome) -> None:
        """Give all events in the queue this outcome."""
        for request in self.queue:
            request.settle(outcome)
        self.queue.clear()

    def _start(self) -> None:
        while len(self.in_flight) < self.container_state.concurrency.limit and self.has_time:
            now_s = self.clock.monotonic_s()
            request = next((r for r in self.queue if self._ready_s(r) <= now_s), None)
            if request is None:
                return
            self.queue.remove(request)
            self._post(request)

    def _ready_s(self, request: Request) -> float:
        return max(request.ready_s, self.hold_until_s)

    def _post(self, request: Request) -> None:
        request.credentials = self.refreshed
        try:
            self.in_flight.post(request, self.deadline_s)
        except SetupFault as fault:
            outcome = Outcome(Reason.SETUP, str(fault))
            request.settle(outcome)
            self.open_breaker(outcome)

    def _wait(self, react: React) -> None:
        if not (self.queue or self.in_flight):
            return
        moments = [self.deadline_s]
        if len(self.in_flight) < self.container_state.concurrency.limit and self.has_time:
            moments += [self._ready_s(request) for request in self.queue]
        for request, answer in self.in_flight.wait(min(moments), self.deadline_s):
            self._pace(request, answer)
            react(request, self._judge(request, answer))

    def _judge(self, request: Request, answer: Answer) -> Verdict:
        items = request.items
        ids, now_s = [item.event.insert_id if item.event else "" for item in items], self.clock.now_s()
        return judge(answer, ids, now_s=now_s, carried=lambda: [item.encoded for item in items])

    def _pace(self, request: Request, answer: Answer) -> None:
        now_s = self.clock.monotonic_s()
        is_slow = now_s - request.started_s > _SLOW_PART * self.in_flight.answer_timeout_s
        if is_slow or answer.status == 429:  # noqa: PLR2004
            self.container_state.concurrency.back_off(started_s=request.started_s, now_s=now_s)
        else:
            self.container_state.concurrency.passed()
