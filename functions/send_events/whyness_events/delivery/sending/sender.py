"""The flow of an invocation's requests: what to post next, and what each answer does.

One thread decides and waits by deadline, never by join; the pool posts. So there is nothing to lock, and an
answer that comes too late finds nobody.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.answers import Reaction, Verdict, judge
from whyness_events.delivery.ports import Answer, Clock, SetupFault
from whyness_events.delivery.sending.blame import (
    may_be_blamed,
    rejected,
    too_small,
    under_trial,
    waiting,
    without_control,
)
from whyness_events.delivery.sending.container_state import ContainerState
from whyness_events.delivery.sending.in_flight import InFlight, Request
from whyness_events.delivery.sending.pacing import Pauses
from whyness_events.delivery.sending.splitting import Splitting
from whyness_events.delivery.sending.trial import Trial, trials
from whyness_events.outcomes import DELIVERED, Outcome, Reason

# Source of the backoff: Mixpanel, troubleshooting/errors/429, 2026-11-23.
BACKOFF_S = 2.0
BACKOFF_CAP_S = 60.0
JITTER_S = (1.0, 5.0)
_SHORTEST_TRY_S = 1.0
# An answer that takes so much of its time is a sign to ask less at once.
_SLOW_PART = 0.5
# Of the time that is left: for trying what was refused alone. Others may still have to be sent.
_TRIALS_PART = 0.5
_UNAUTHORISED = "check the service account, its role, MIXPANEL_PROJECT_ID and the region"


@dataclass(slots=True, eq=False)
class Sender:
    """Gives every item that is sent its outcome; one for an invocation, whose runs share what they met.

    Args:
        in_flight: the requests under way.
        clock: time.
        rng: jitter.
        container_state: what the container knows.
        pauses: what is left of the invocation's sleep.
    """

    in_flight: InFlight
    clock: Clock
    rng: random.Random
    container_state: ContainerState
    pauses: Pauses = field(default_factory=Pauses)
    _splitting: Splitting = field(init=False)
    _deadline_s: float = 0.0
    _queue: list[Request] = field(default_factory=list)
    _has_passed: bool = False  # whether Mixpanel confirmed anything
    _trial: Trial | None = None
    _stopped: Outcome | None = None
    _last_trouble: str = ""
    _asked_afresh: bool = False
    _refreshed: int = 0
    _hold_until_s: float = 0.0

    def __post_init__(self) -> None:
        """Begin with nothing refused."""
        self._splitting = Splitting(self.container_state.size, self.rng)

    def run(self, batches: Iterable[Sequence[Item]], *, deadline_s: float) -> None:
        """Send the batches, the last answer by `deadline_s`; on return each of their items has an outcome."""
        self._deadline_s = deadline_s
        self._queue = [Request(batch) for batch in batches]
        self._heed_breaker()
        if self._stopped is not None:
            self._settle_all(self._queue, self._stopped)
        known = self._set_known_apart()
        self._post_all()
        self._settle_all(self._queue, self._out_of_time())
        self._judge_refused(known)

    def _time_left_s(self) -> float:
        return self._deadline_s - self.clock.monotonic_s()

    def _has_time(self) -> bool:
        return self._time_left_s() > _SHORTEST_TRY_S

    # --- what to post next

    def _heed_breaker(self) -> None:
        """While the set-up is believed to be wrong send nothing, or one event to see whether it still is."""
        breaker = self.container_state.breaker
        if not (breaker.is_open and self._queue) or self._stopped is not None:
            return
        if breaker.rests(self.clock.monotonic_s()):
            self._stop(None, Outcome(Reason.SETUP, f"not sent: {breaker.detail}"))
        elif self._has_time():
            self._probe(breaker.choose([item for request in self._queue for item in request.items]))

    def _probe(self, item: Item) -> None:
        request = Request([item])
        verdict = self._refresh() or self._ask(request)
        if verdict.reaction is not Reaction.CONFIRMED:
            self._break(None, waiting(verdict))
            return
        self._take_out({item})
        self._react(request, verdict)

    def _take_out(self, items: Collection[Item]) -> None:
        left = [[item for item in request.items if item not in items] for request in self._queue]
        self._queue = [Request(kept) for kept in left if kept]

    def _set_known_apart(self) -> list[Item]:
        """Take out what this container has refused alone before: with it, its neighbours would be refused."""
        evidence = self.container_state.evidence
        if not evidence or self.container_state.control is None:
            return []
        # What is known was handed back: nothing fresh is looked up.
        again = [i for request in self._queue for i in request.items if i.record.receive_count > 1]
        known = [item for item in again if evidence.of(item)]
        if known:
            self._take_out(set(known))
        return known

    def _refresh(self) -> Verdict | None:
        """Fetch the credentials afresh; return why there are none."""
        self._asked_afresh = True
        try:
            self._refreshed = 1 if self.in_flight.pool.refresh_credentials() else 0
        except SetupFault as fault:
            return Verdict(Reaction.SETUP, 0, str(fault))
        return None

    def _ask(self, request: Request) -> Verdict:
        """Send a request on its own, and return what came of it."""
        request.credentials = self._refreshed
        try:
            return self._judge(request, self.in_flight.ask(request, self._deadline_s))
        except SetupFault as fault:
            return Verdict(Reaction.SETUP, 0, str(fault))

    def _post_all(self) -> None:
        while self.in_flight or (self._queue and self._has_time()):
            self._start()
            self._wait()

    def _start(self) -> None:
        while len(self.in_flight) < self.container_state.concurrency.limit and self._has_time():
            now_s = self.clock.monotonic_s()
            request = next((r for r in self._queue if self._ready_s(r) <= now_s), None)
            if request is None:
                return
            self._queue.remove(request)
            self._post(request)

    def _ready_s(self, request: Request) -> float:
        return max(request.ready_s, self._hold_until_s)

    def _post(self, request: Request) -> None:
        request.credentials = self._refreshed
        try:
            self.in_flight.post(request, self._deadline_s)
        except SetupFault as fault:
            self._break(request, Outcome(Reason.SETUP, str(fault)))

    def _wait(self) -> None:
        if not (self._queue or self.in_flight):
            return
        moments = [self._deadline_s]
        if len(self.in_flight) < self.container_state.concurrency.limit and self._has_time():
            moments += [self._ready_s(request) for request in self._queue]
        for request, answer in self.in_flight.wait(min(moments), self._deadline_s):
            self._pace(request, answer)
            self._react(request, self._judge(request, answer))

    # --- what an answer does

    def _judge(self, request: Request, answer: Answer) -> Verdict:
        items = request.items
        ids, now_s = [item.insert_id for item in items], self.clock.now_s()
        return judge(answer, ids, now_s=now_s, carried=lambda: [item.encoded for item in items])

    def _pace(self, request: Request, answer: Answer) -> None:
        now_s = self.clock.monotonic_s()
        is_slow = now_s - request.started_s > _SLOW_PART * self.in_flight.answer_timeout_s
        if is_slow or answer.status == 429:  # noqa: PLR2004
            self.container_state.concurrency.back_off(started_s=request.started_s, now_s=now_s)
        else:
            self.container_state.concurrency.passed()

    def _react(self, request: Request, verdict: Verdict) -> None:
        if self._trial is not None:
            self._note(self._trial, request, verdict)
            return
        match verdict.reaction:
            case Reaction.CONFIRMED:
                self._confirm(request, verdict)
            case Reaction.RETRY:
                self._retry(request, verdict)
            case Reaction.THROTTLED:
                self._throttle(request, verdict)
            case Reaction.SETUP:
                self._refuse(request, verdict)
            case Reaction.UNAUTHORISED:
                self._reauthorise(request, verdict)
            case Reaction.SPLIT:
                self._split(request, verdict)

    def _confirm(self, request: Request, verdict: Verdict) -> None:
        request.settle(DELIVERED)
        for index, detail in verdict.named.items():
            request.items[index].outcome = rejected(detail, verdict.status)
        passed = next((n for n in range(len(request.items)) if n not in verdict.named), None)
        if passed is not None:
            self._has_passed = True
            self.container_state.confirmed(request.items[passed])
            self._queue[:0] = self._splitting.passed(request, may_send=self._stopped is None)
        self.container_state.breaker.confirmed()

    def _retry(self, request: Request, verdict: Verdict) -> bool:
        """Queue the same bytes again after a pause; False where the pause is too long for this invocation."""
        self._last_trouble = verdict.detail
        now_s, pause_s = self.clock.monotonic_s(), self._backoff_s(request, verdict)
        outcome = waiting(verdict)
        in_time = self._stopped is None and pause_s + _SHORTEST_TRY_S <= self._time_left_s()
        if not (in_time and self.pauses.grant(outcome.reason, now_s=now_s, pause_s=pause_s)):
            request.settle(outcome)
            return False
        request.attempt += 1
        request.ready_s = now_s + pause_s
        self._queue.append(request)
        return True

    def _backoff_s(self, request: Request, verdict: Verdict) -> float:
        asked_s = verdict.retry_after_s
        own_s = min(BACKOFF_S * 2**request.attempt, BACKOFF_CAP_S)
        return (own_s if asked_s is None else asked_s) + self.rng.uniform(*JITTER_S)

    def _throttle(self, request: Request, verdict: Verdict) -> None:
        # The limit is the project's: nobody else has better luck meanwhile.
        if self._retry(request, verdict):
            self._hold_until_s = max(self._hold_until_s, request.ready_s)
        else:
            self._stop(None, waiting(verdict))

    def _refuse(self, request: Request, verdict: Verdict) -> None:
        request.settle(waiting(verdict))
        self._tell_breaker(request, verdict)

    def _tell_breaker(self, request: Request, verdict: Verdict) -> None:
        if not self._has_passed:
            now_s = self.clock.monotonic_s()
            self.container_state.breaker.refused(request.message_ids, verdict.detail, now_s)

    def _reauthorise(self, request: Request, verdict: Verdict) -> None:
        """After a 401 fetch the secret once: it may have been rotated."""
        fault = None if self._asked_afresh else self._refresh()
        if fault is None and request.credentials < self._refreshed and self._stopped is None:
            self._queue.insert(0, request)
            return
        detail = fault.detail if fault else f"{verdict.detail}; {_UNAUTHORISED}"
        self._break(request, Outcome(Reason.SETUP, detail, verdict.status))

    def _split(self, request: Request, verdict: Verdict) -> None:
        self._queue[:0] = self._splitting.split(request, verdict, may_send=self._stopped is None)

    # --- what was refused alone

    def _judge_refused(self, known: Sequence[Item]) -> None:
        refused = self._splitting.give_up(has_passed=self._has_passed)
        isolated, self._splitting.isolated = self._splitting.isolated, []
        for item, verdict in isolated:
            item.outcome = self._refused_alone(item, verdict)
        suspects = [*known, *(item for item, verdict in isolated if may_be_blamed(item, verdict))]
        self._try(suspects)
        for request, verdict in [*refused, *((Request([item]), verdict) for item, verdict in isolated)]:
            self._tell_breaker(request, verdict)

    def _refused_alone(self, item: Item, verdict: Verdict) -> Outcome:
        if not may_be_blamed(item, verdict):
            return too_small(verdict)
        if self.container_state.control is not None:
            self.container_state.evidence.suspect(item, verdict.status)
        return without_control(verdict)

    def _try(self, suspects: Sequence[Item]) -> None:
        """Try the suspects one group after the other, in the time that there is for that."""
        control, evidence = self.container_state.control, self.container_state.evidence
        if control is None:
            return
        for item in suspects:
            item.outcome = self._stopped or under_trial(evidence.of(item))
        self._deadline_s -= (1 - _TRIALS_PART) * self._time_left_s()
        left = set(suspects)
        for trial in trials(suspects, control, evidence):
            if self._stopped is not None or not self._has_time():
                return
            self._hear(trial)
            left -= set(trial.suspects)
            if trial.ended is not None:
                Request([*left]).settle(trial.ended)
                return

    def _hear(self, trial: Trial) -> None:
        self._trial = trial
        self._queue = [Request([item]) for item in trial.order(self.rng)]
        self._post_all()
        self._queue.clear()
        self._trial = None
        trial.conclude(self.container_state.evidence)

    def _note(self, trial: Trial, request: Request, verdict: Verdict) -> None:
        if verdict.reaction is Reaction.CONFIRMED:
            self._has_passed = True
            self.container_state.breaker.confirmed()
        trial.answered(request.items[0], verdict)
        self._queue = [request for request in self._queue if trial.needs(request.items[0])]

    # --- outcomes of many

    def _out_of_time(self) -> Outcome:
        last = f"; last: {self._last_trouble}" if self._last_trouble else ""
        return Outcome(Reason.RETRY, f"handed back: the invocation's time was up{last}")

    def _break(self, request: Request | None, outcome: Outcome) -> None:
        """Stop, and keep the container from trying for a while; what passes by itself is no news of it."""
        breaker = self.container_state.breaker
        detail = outcome.detail if outcome.reason is Reason.SETUP else breaker.detail
        breaker.open(detail, self.clock.monotonic_s())
        self._stop(request, outcome)

    def _stop(self, request: Request | None, outcome: Outcome) -> None:
        """Post nothing more in this invocation; what is under way may still be answered."""
        self._stopped = outcome
        self._settle_all([request] if request else [], outcome)
        self._settle_all(self._queue, outcome)

    def _settle_all(self, requests: list[Request], outcome: Outcome) -> None:
        for request in requests:
            request.settle(outcome)
        requests.clear()
