"""Run the trials of events that were refused alone."""

import random
from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.answers import Reaction, Verdict
from whyness_events.delivery.sending.blame import under_trial
from whyness_events.delivery.sending.container_state import ContainerState
from whyness_events.delivery.sending.in_flight import Request
from whyness_events.delivery.sending.posting import Posting
from whyness_events.delivery.sending.trial import Trial, trials

# Part of the time left for trials: other records may still have to be sent.
_TRIALS_PART = 0.5


class TrialRunner(Struct, eq=False):
    """Runs trials, once a container has a control.

    Args:
        posting: the invocation's requests.
        rng: draws the order of a trial.
        container_state: has the control and the evidence.
    """

    posting: Posting
    rng: random.Random
    container_state: ContainerState

    def take_known(self) -> list[Item]:
        """Take known suspects out of the queue, and return them: they would get their neighbours refused."""
        evidence = self.container_state.evidence
        if not evidence or self.container_state.control is None:
            return []
        # A suspect was handed back before, so fresh events are not looked up.
        returned = [i for request in self.posting.queue for i in request.items if i.record.receive_count > 1]
        known = [item for item in returned if evidence.of(item)]
        if known:
            self.posting.take_out(set(known))
        return known

    def run(self, suspects: Sequence[Item]) -> None:
        """Try the suspects, one group after the other, in half of the time left; they all get an outcome."""
        control, evidence, posting = self.container_state.control, self.container_state.evidence, self.posting
        if control is None:
            return
        for item in suspects:
            item.outcome = posting.stopped or under_trial(evidence.of(item))
        posting.deadline_s -= (1 - _TRIALS_PART) * posting.time_left_s
        left = set(suspects)
        for trial in trials(suspects, control, evidence):
            if posting.stopped is not None or not posting.has_time:
                return
            self._run_one(trial)
            left -= set(trial.suspects)
            if trial.ended is not None:
                Request([*left]).settle(trial.ended)
                return

    def _run_one(self, trial: Trial) -> None:
        self.posting.queue = [Request([item]) for item in trial.order(self.rng)]
        self.posting.run(partial(self._note, trial))
        self.posting.queue.clear()
        trial.conclude(self.container_state.evidence)

    def _note(self, trial: Trial, request: Request, verdict: Verdict) -> None:
        if verdict.reaction is Reaction.CONFIRMED:
            self.posting.has_passed = True
            self.container_state.breaker.confirmed()
        trial.answered(request.items[0], verdict)
        self.posting.queue = [queued for queued in self.posting.queue if trial.needs(queued.items[0])]
