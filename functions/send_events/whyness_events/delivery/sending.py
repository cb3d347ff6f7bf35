"""The flow of one invocation's requests: what to post next, and what each answer does.

One thread decides and waits by deadline, never by join; the pool posts. So there is nothing to lock, and an
answer that comes too late finds nobody.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from whyness_events.delivery.answers import Reaction, Verdict, judge
from whyness_events.delivery.items import Item
from whyness_events.delivery.outcomes import DELIVERED, Outcome, Reason
from whyness_events.delivery.packing import REQUEST_BYTES, body_bytes
from whyness_events.delivery.ports import Answer, Clock, SenderPool, SetupFault

# Source of the backoff: Mixpanel, troubleshooting/errors/429, 2026-11-23.
BACKOFF_S = 2.0
BACKOFF_CAP_S = 60.0
JITTER_S = (1.0, 5.0)
ASLEEP_S = 30.0  # in all, per invocation: whoever must wait longer waits in the queue, which costs nothing
EXTRA_REQUESTS = 64
CONNECT_TIMEOUT_S = 5.0
_SHORTEST_TRY_S = 1.0
# A 413 for an event this small says nothing about the event. Design: a tenth of what Mixpanel takes.
_OVERSIZED_FROM_BYTES = 100_000
_DECLINED = {403: Reason.REJECTED, 413: Reason.OVERSIZED}


@dataclass(slots=True)
class RequestSize:
    """What a container has learned of the largest body that passes; grows back by a quarter an invocation."""

    limit_bytes: int = REQUEST_BYTES

    def shrink(self, refused_bytes: int) -> None:
        """Learn that a body of `refused_bytes` was too large."""
        self.limit_bytes = max(_OVERSIZED_FROM_BYTES, min(self.limit_bytes, refused_bytes // 2))

    def grow(self) -> None:
        """Try a little more next time."""
        self.limit_bytes = min(REQUEST_BYTES, self.limit_bytes * 5 // 4)


@dataclass(slots=True)
class SendingCounts:
    """What the metrics tell of an invocation's requests."""

    requests: int = 0
    body_bytes: int = 0
    confirmed: int = 0
    latency_ms: list[float] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Request:
    items: Sequence[Item]
    attempt: int = 0
    ready_s: float = 0.0
    started_s: float = 0.0
    credentials: int = 0  # how often they had been refreshed when it was posted


@dataclass(slots=True, eq=False)
class Sending:
    """Gives every item that is sent its outcome, by `deadline_s` of the monotonic clock.

    Args:
        pool: posts the requests.
        clock: time.
        rng: jitter.
        threads: how many requests at once.
        answer_timeout_s: how long an answer may take, beside the time to connect.
        size: what the container knows of body sizes.
        deadline_s: when the last answer may come.
        counts: for the metrics.
    """

    pool: SenderPool
    clock: Clock
    rng: random.Random
    threads: int
    answer_timeout_s: float
    size: RequestSize
    deadline_s: float
    counts: SendingCounts = field(default_factory=SendingCounts)
    _queue: list[_Request] = field(default_factory=list)
    _in_flight: dict[int, _Request] = field(default_factory=dict)
    _isolated: list[tuple[Item, Verdict]] = field(default_factory=list)
    _unsplit: list[tuple[_Request, Verdict]] = field(default_factory=list)
    _stopped: bool = False
    _asked_afresh: bool = False
    _refreshed: int = 0
    _tickets: int = 0
    _extra: int = 0
    _hold_until_s: float = 0.0
    _asleep_s: float = 0.0

    def run(self, batches: Iterable[Sequence[Item]]) -> None:
        """Send the batches; on return each of their items has an outcome."""
        self._queue = [_Request(batch) for batch in batches]
        while self._in_flight or (self._queue and self._time_left_s() > _SHORTEST_TRY_S):
            self._start()
            self._wait()
            self._expire()
        self._settle_all(self._queue, Outcome(Reason.RETRY, "handed back: the invocation's time was up"))
        self._judge_refused()

    def _time_left_s(self) -> float:
        return self.deadline_s - self.clock.monotonic_s()

    # --- what to post next

    def _start(self) -> None:
        while len(self._in_flight) < self.threads and self._time_left_s() > _SHORTEST_TRY_S:
            now_s = self.clock.monotonic_s()
            request = next((r for r in self._queue if max(r.ready_s, self._hold_until_s) <= now_s), None)
            if request is None:
                return
            self._queue.remove(request)
            self._post(request, now_s)

    def _post(self, request: _Request, now_s: float) -> None:
        self._tickets += 1
        request.started_s, request.credentials = now_s, self._refreshed
        events = [item.encoded for item in request.items]
        try:
            self.pool.submit(self._tickets, events, min(self.answer_timeout_s, self._time_left_s()))
        except SetupFault as fault:
            self._stop(request, Outcome(Reason.SETUP, str(fault)))
            return
        self._in_flight[self._tickets] = request
        self.counts.requests += 1
        self.counts.body_bytes += body_bytes(request.items)

    def _wait(self) -> None:
        idle = not self._in_flight
        before_s = self.clock.monotonic_s()
        answers = self.pool.wait(self._pause_s(before_s)) if self._queue or self._in_flight else []
        if idle:
            self._asleep_s += self.clock.monotonic_s() - before_s
        for ticket, answer in answers:
            if (request := self._in_flight.pop(ticket, None)) is not None:
                self._take(request, answer)

    def _pause_s(self, now_s: float) -> float:
        moments = [self.deadline_s, *(self._expires_s(r) for r in self._in_flight.values())]
        if len(self._in_flight) < self.threads and self._time_left_s() > _SHORTEST_TRY_S:
            moments += [max(r.ready_s, self._hold_until_s) for r in self._queue]
        return max(0.0, min(moments) - now_s)

    def _expires_s(self, request: _Request) -> float:
        return min(self.deadline_s, request.started_s + CONNECT_TIMEOUT_S + self.answer_timeout_s)

    def _expire(self) -> None:
        """Leave behind what takes too long, whatever its socket says: a server may drip for hours."""
        now_s = self.clock.monotonic_s()
        for ticket in [t for t, r in self._in_flight.items() if self._expires_s(r) <= now_s]:
            self.pool.abandon(ticket)
            self._take(self._in_flight.pop(ticket), Answer(0, error="no answer in time"))

    # --- what an answer does

    def _take(self, request: _Request, answer: Answer) -> None:
        self.counts.latency_ms.append((self.clock.monotonic_s() - request.started_s) * 1000)
        insert_ids = [item.insert_id for item in request.items]
        verdict = judge(answer, insert_ids, now_s=self.clock.now_s())
        match verdict.reaction:
            case Reaction.CONFIRMED:
                self._confirm(request, verdict)
            case Reaction.RETRY:
                self._retry(request, verdict, Reason.RETRY)
            case Reaction.THROTTLED:
                self._throttle(request, verdict)
            case Reaction.SETUP:
                self._settle(request, Outcome(Reason.SETUP, verdict.detail, verdict.status))
            case Reaction.UNAUTHORISED:
                self._reauthorise(request, verdict)
            case Reaction.SPLIT:
                self._split(request, verdict)

    def _confirm(self, request: _Request, verdict: Verdict) -> None:
        for index, item in enumerate(request.items):
            named = verdict.named.get(index)
            item.outcome = Outcome(Reason.REJECTED, named, verdict.status) if named else DELIVERED
        self.counts.confirmed += len(request.items) - len(verdict.named)

    def _retry(self, request: _Request, verdict: Verdict, reason: Reason) -> bool:
        """Queue the same bytes again after a pause; False where the pause is too long for this invocation."""
        pause_s = self._backoff_s(request, verdict)
        too_long = self._asleep_s + pause_s > ASLEEP_S or pause_s + _SHORTEST_TRY_S > self._time_left_s()
        if too_long or self._stopped:
            self._settle(request, _waiting(reason, verdict))
            return False
        request.attempt += 1
        request.ready_s = self.clock.monotonic_s() + pause_s
        self._queue.append(request)
        return True

    def _backoff_s(self, request: _Request, verdict: Verdict) -> float:
        asked_s = verdict.retry_after_s
        own_s = min(BACKOFF_S * 2**request.attempt, BACKOFF_CAP_S)
        return (own_s if asked_s is None else asked_s) + self.rng.uniform(*JITTER_S)

    def _throttle(self, request: _Request, verdict: Verdict) -> None:
        # The limit is the project's: nobody else has better luck meanwhile.
        if self._retry(request, verdict, Reason.THROTTLED):
            self._hold_until_s = max(self._hold_until_s, request.ready_s)
        else:
            self._stop(None, _waiting(Reason.THROTTLED, verdict))

    def _reauthorise(self, request: _Request, verdict: Verdict) -> None:
        """After a 401 fetch the secret once: it may have been rotated."""
        if not self._asked_afresh:
            self._asked_afresh = True
            try:
                self._refreshed = 1 if self.pool.refresh_credentials() else 0
            except SetupFault as fault:
                self._stop(request, Outcome(Reason.SETUP, str(fault), verdict.status))
                return
        if request.credentials < self._refreshed and not self._stopped:
            self._queue.insert(0, request)
            return
        detail = (
            "Mixpanel answered 401: check the service account, its role, MIXPANEL_PROJECT_ID and the region"
        )
        self._stop(request, Outcome(Reason.SETUP, detail, verdict.status))

    def _split(self, request: _Request, verdict: Verdict) -> None:
        if len(request.items) == 1:
            self._isolated.append((request.items[0], verdict))
            return
        if verdict.status == 413:  # noqa: PLR2004
            self.size.shrink(body_bytes(request.items))
        parts = _parts(request.items, verdict)
        if self._stopped or self._extra + len(parts) > EXTRA_REQUESTS:
            self._unsplit.append((request, verdict))
            return
        self._extra += len(parts)
        self._queue[:0] = [_Request(part) for part in parts]

    def _judge_refused(self) -> None:
        """Blame a lone event only where another one passed: else it is the set-up that is wrong."""
        for request, verdict in self._unsplit:
            detail = f"{verdict.detail}; not isolated within {EXTRA_REQUESTS} extra requests"
            reason = Reason.RETRY if self.counts.confirmed else Reason.SETUP
            self._settle(request, Outcome(reason, detail, verdict.status))
        for item, verdict in self._isolated:
            reason = _DECLINED.get(verdict.status, Reason.REJECTED)
            small = reason is Reason.OVERSIZED and len(item.encoded) <= _OVERSIZED_FROM_BYTES
            blamed = self.counts.confirmed and not small
            detail = f"{verdict.detail} to this event alone"
            item.outcome = Outcome(reason if blamed else Reason.SETUP, detail, verdict.status)

    # --- outcomes of many

    def _stop(self, request: _Request | None, outcome: Outcome) -> None:
        """Post nothing more in this invocation; what is under way may still be answered."""
        self._stopped = True
        self._settle_all([request] if request else [], outcome)
        self._settle_all(self._queue, outcome)

    def _settle_all(self, requests: list[_Request], outcome: Outcome) -> None:
        for request in requests:
            self._settle(request, outcome)
        requests.clear()

    @staticmethod
    def _settle(request: _Request, outcome: Outcome) -> None:
        for item in request.items:
            item.outcome = outcome


def _waiting(reason: Reason, verdict: Verdict) -> Outcome:
    return Outcome(reason, verdict.detail, verdict.status, verdict.retry_after_s or 0.0)


def _parts(items: Sequence[Item], verdict: Verdict) -> list[Sequence[Item]]:
    """Return the named apart from the others, or else two halves."""
    named = [item for index, item in enumerate(items) if index in verdict.named]
    others = [item for index, item in enumerate(items) if index not in verdict.named]
    if named and others:
        return [others, named]
    return [items[: len(items) // 2], items[len(items) // 2 :]]
