"""The flow of sending: what to send, and what each answer does to the events of its request."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.answers import Reaction, Verdict
from whyness_events.delivery.ports import Clock
from whyness_events.delivery.sending.blame import may_be_blamed, rejected, too_small, waiting, without_control
from whyness_events.delivery.sending.container_state import ContainerState
from whyness_events.delivery.sending.in_flight import InFlight, Request
from whyness_events.delivery.sending.pacing import Pauses
from whyness_events.delivery.sending.posting import SHORTEST_TRY_S, Posting
from whyness_events.delivery.sending.splitting import Splitting
from whyness_events.delivery.sending.trial_runner import TrialRunner
from whyness_events.outcomes import DELIVERED, Outcome, Reason

# Source of the backoff: Mixpanel, troubleshooting/errors/429, 2026-11-23.
BACKOFF_S = 2.0
BACKOFF_CAP_S = 60.0
JITTER_S = (1.0, 5.0)
_UNAUTHORISED = "check the service account, its role, MIXPANEL_PROJECT_ID and the region"


@dataclass(slots=True, eq=False)
class Sender:
    """Gives every item that is sent its outcome. One for an invocation, whose runs share what they learn.

    Args:
        in_flight: the requests in flight.
        clock: time.
        rng: for jitter, and the order of trials.
        container_state: what the container has learned.
        pauses: what is left of the invocation's sleep.
    """

    in_flight: InFlight
    clock: Clock
    rng: random.Random
    container_state: ContainerState
    pauses: Pauses = field(default_factory=Pauses)
    _posting: Posting = field(init=False)
    _splitting: Splitting = field(init=False)
    _trials: TrialRunner = field(init=False)
    _last_trouble: str = ""

    def __post_init__(self) -> None:
        self._posting = Posting(self.in_flight, self.clock, self.container_state)
        self._splitting = Splitting(self.container_state.size, self.rng)
        self._trials = TrialRunner(self._posting, self.rng, self.container_state)

    def run(self, batches: Iterable[Sequence[Item]], *, deadline_s: float) -> None:
        """Send the batches; all their items have an outcome on return, by `deadline_s` (monotonic clock)."""
        posting = self._posting
        posting.deadline_s = deadline_s
        posting.queue = [Request(batch) for batch in batches]
        self._heed_breaker()
        if posting.stopped is not None:
            posting.settle_queue(posting.stopped)
        known = self._trials.take_known()
        posting.run(self._react)
        posting.settle_queue(self._out_of_time())
        self._judge_refused(known)

    def _out_of_time(self) -> Outcome:
        last = f"; last: {self._last_trouble}" if self._last_trouble else ""
        return Outcome(Reason.RETRY, f"returned to the queue: the invocation ran out of time{last}")

    # --- the breaker

    def _heed_breaker(self) -> None:
        """While the setup seems wrong, send nothing, or a probe to see whether it still is."""
        breaker, posting = self.container_state.breaker, self._posting
        if not (breaker.is_open and posting.queue) or posting.stopped is not None:
            return
        if breaker.rests(self.clock.monotonic_s()):
            posting.stop(Outcome(Reason.SETUP, f"not sent: {breaker.detail}"))
        elif posting.has_time:
            self._probe(breaker.choose([item for request in posting.queue for item in request.items]))

    def _probe(self, item: Item) -> None:
        request = Request([item])
        verdict = self._posting.refresh_credentials() or self._posting.ask(request)
        if verdict.reaction is not Reaction.CONFIRMED:
            self._posting.open_breaker(waiting(verdict))
            return
        self._posting.take_out({item})
        self._react(request, verdict)

    def _tell_breaker(self, request: Request, verdict: Verdict) -> None:
        if not self._posting.has_passed:
            now_s = self.clock.monotonic_s()
            self.container_state.breaker.refused(request.message_ids, verdict.detail, now_s)

    # --- what an answer does

    def _react(self, request: Request, verdict: Verdict) -> None:
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
        posting = self._posting
        request.settle(DELIVERED)
        for index, detail in verdict.named.items():
            request.items[index].outcome = rejected(detail, verdict.status)
        passed = next((n for n in range(len(request.items)) if n not in verdict.named), None)
        if passed is not None:
            posting.has_passed = True
            self.container_state.confirmed(request.items[passed])
            posting.queue[:0] = self._splitting.passed(request, may_send=posting.stopped is None)
        self.container_state.breaker.confirmed()

    def _retry(self, request: Request, verdict: Verdict) -> bool:
        """Queue the request again after a pause; return False if that is too long for this invocation."""
        posting = self._posting
        self._last_trouble = verdict.detail
        now_s, pause_s = self.clock.monotonic_s(), self._backoff_s(request, verdict)
        outcome = waiting(verdict)
        in_time = posting.stopped is None and pause_s + SHORTEST_TRY_S <= posting.time_left_s
        if not (in_time and self.pauses.grant(outcome.reason, now_s=now_s, pause_s=pause_s)):
            request.settle(outcome)
            return False
        request.attempt += 1
        request.ready_s = now_s + pause_s
        posting.queue.append(request)
        return True

    def _backoff_s(self, request: Request, verdict: Verdict) -> float:
        asked_s = verdict.retry_after_s
        own_s = min(BACKOFF_S * 2**request.attempt, BACKOFF_CAP_S)
        return (own_s if asked_s is None else asked_s) + self.rng.uniform(*JITTER_S)

    def _throttle(self, request: Request, verdict: Verdict) -> None:
        # The limit is the project's, so no other request would pass meanwhile.
        if self._retry(request, verdict):
            self._posting.hold_until_s = max(self._posting.hold_until_s, request.ready_s)
        else:
            self._posting.stop(waiting(verdict))

    def _refuse(self, request: Request, verdict: Verdict) -> None:
        request.settle(waiting(verdict))
        self._tell_breaker(request, verdict)

    def _reauthorise(self, request: Request, verdict: Verdict) -> None:
        """Fetch the credentials once after a 401: they may have been rotated."""
        posting = self._posting
        fault = None if posting.asked_for_credentials else posting.refresh_credentials()
        if fault is None and request.credentials < posting.refreshed and posting.stopped is None:
            posting.queue.insert(0, request)
            return
        detail = fault.detail if fault else f"{verdict.detail}; {_UNAUTHORISED}"
        outcome = Outcome(Reason.SETUP, detail, verdict.status)
        request.settle(outcome)
        posting.open_breaker(outcome)

    def _split(self, request: Request, verdict: Verdict) -> None:
        may_send = self._posting.stopped is None
        self._posting.queue[:0] = self._splitting.split(request, verdict, may_send=may_send)

    # --- what was refused alone

    def _judge_refused(self, known: Sequence[Item]) -> None:
        refused = self._splitting.give_up(has_passed=self._posting.has_passed)
        isolated, self._splitting.isolated = self._splitting.isolated, []
        for item, verdict in isolated:
            item.outcome = self._refused_alone(item, verdict)
        self._trials.run([*known, *(item for item, verdict in isolated if may_be_blamed(item, verdict))])
        for request, verdict in [*refused, *((Request([item]), verdict) for item, verdict in isolated)]:
            self._tell_breaker(request, verdict)

    def _refused_alone(self, item: Item, verdict: Verdict) -> Outcome:
        if not may_be_blamed(item, verdict):
            return too_small(verdict)
        if self.container_state.control is not None:
            self.container_state.evidence.suspect(item, verdict.status)
        return without_control(verdict)
