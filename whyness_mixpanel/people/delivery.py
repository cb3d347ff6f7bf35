"""Sends the updates of a page: marks, posts, settles; finds the person whom Mixpanel refuses. One thread."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from whyness_mixpanel.people import engage
from whyness_mixpanel.people.engage import Post, Verdict
from whyness_mixpanel.people.state import LEASE, Sender
from whyness_mixpanel.people.update import Project, Update

REFUSED_ALONE = "Mixpanel refuses this profile, and accepted another before and after it."
# So many pairs must show that this profile is refused and another accepted, and none the opposite. Where
# refusals do not depend on the profile, either of a pair is the refused one with equal chance: 1 in 2**20.
_PROOFS, _MOST_PAIRS = 20, 64
_HOPELESS = 5
_MOST_TRIALS = 50
# Refusals until it counts as Mixpanel's fault; each request that passes adds some.
_PATIENCE, _PATIENCE_FOR_YES = 64, 8
# After failures in a row; one more ends the pass.
_PAUSES_S = (5, 15)
# A process that was frozen for longer between its mark and its request does not send any more.
_STALE_S = 60


class Ended(Exception):
    """The pass cannot go on; what was done is written down. The text shows no value.

    Args:
        is_setup: Mixpanel refuses whatever is sent.
    """

    def __init__(self, text: str, *, is_setup: bool = False) -> None:
        super().__init__(text)
        self.is_setup = is_setup


class ReadAgain(Exception):
    """A request ended without an answer, or the lease was lost: what was read is too old to be sent."""


@dataclass(kw_only=True, eq=False)
class Delivery:
    """The requests of a pass; `counts` has what became of the updates.

    Args:
        project: where they go.
        sender: holds the lease.
        post: posts the body of a request.
        wait: waits for a number of seconds.
        is_wanted: called before each request; False ends the pass.
        monotonic: returns seconds.
        rng: for the order of a trial.
    """

    project: Project
    sender: Sender
    post: Post
    wait: Callable[[float], object] = time.sleep
    is_wanted: Callable[[], bool] = lambda: True
    monotonic: Callable[[], float] = time.monotonic
    rng: random.Random = field(default_factory=random.Random)
    counts: Counter[str] = field(default_factory=Counter)
    _failures: int = 0
    _trials: int = 0
    _patience: int = _PATIENCE
    _has_canary: bool = False

    def send(self, source: str, updates: Sequence[Update]) -> None:
        """Send updates that were read just now.

        Raises:
            ReadAgain: read the page again, and send what is still due.
            Ended: end the pass.
        """
        for chunk in engage.chunks(updates, self.project):
            self._send(source, chunk)

    def need(self, has_lease: bool) -> None:  # noqa: FBT001  (what it checks)
        """Take the lease again where it was lost; then, what was read before is too old.

        Raises:
            ReadAgain, Ended: as `send`.
        """
        if has_lease:
            return
        for _ in range(int(LEASE.total_seconds()) + 10):
            if self.sender.take():
                raise ReadAgain
            self._check_wanted()
            self.wait(1)
        raise Ended("Another process is sending profiles. Run this again later.")

    def _check_wanted(self) -> None:
        if not self.is_wanted():
            raise Ended("Stopped.")

    def close(self) -> None:
        """Delete the canary, if it was written."""
        if self._has_canary:
            self.post(engage.body_of([self.project.canary(is_delete=True)]))

    def _send(self, source: str, some: Sequence[Update]) -> None:
        """Send a request; what is not accepted is halved until a single person is left."""
        if self._request(source, some):
            return
        self._patience -= 1
        if self._patience <= 0:
            raise Ended("Mixpanel refuses most of what is sent. Run this again later.", is_setup=True)
        if len(some) == 1:
            self._try_alone(source, some)
            return
        middle = len(some) // 2
        self._send(source, some[:middle])
        self._send(source, some[middle:])

    def _request(self, source: str, some: Sequence[Update]) -> bool:
        """Return whether Mixpanel said yes; people whom it refused stay unsure."""
        self._check_wanted()
        objects = [text for update in some for text in self.project.objects(update)]
        begun_s = self.monotonic()
        self.need(self.sender.mark(source, some))
        if self.monotonic() - begun_s > _STALE_S:
            raise ReadAgain
        reply = self.post(engage.body_of(objects))
        verdict = engage.judge(reply, len(objects))
        if verdict is Verdict.UNSURE:
            self.sender.doubt(source, some)
            self._pause()
        if verdict is Verdict.SETUP:
            self.sender.again(source, some)
            text = f"Mixpanel answered {reply.status}. Check PROJECT_TOKEN and MIXPANEL_URL."
            raise Ended(text, is_setup=True)
        self._failures = 0
        if verdict is Verdict.YES:
            self._settle(source, some)
        return verdict is Verdict.YES

    def _settle(self, source: str, some: Sequence[Update], refusal: str = "") -> None:
        has_lease = self.sender.settle(source, some, refusal)
        if not has_lease:  # another process may have sent meanwhile: which request acted last is unknown
            self.sender.doubt(source, some)
        self.need(has_lease)
        deleted = sum(update.is_delete for update in some)
        self.counts["refused"] += len(some) if refusal else 0
        self.counts["deleted"] += 0 if refusal else deleted
        self.counts["sent"] += 0 if refusal else len(some) - deleted
        self._patience += _PATIENCE_FOR_YES

    def _pause(self) -> None:
        """Wait after a failure; the rows that were read before are then too old.

        Raises:
            ReadAgain, Ended: always.
        """
        if self._failures == len(_PAUSES_S):
            raise Ended("Mixpanel cannot be reached, or asks to wait. Run this again in ten minutes.")
        self.wait(_PAUSES_S[self._failures])
        self._failures += 1
        self.need(self.sender.hold())
        raise ReadAgain

    def _try_alone(self, source: str, some: Sequence[Update]) -> None:
        """Find out whether Mixpanel refuses this person, or anything by chance."""
        self._trials += 1
        proofs = 0
        for pair in range(_MOST_PAIRS if self._trials <= _MOST_TRIALS else 0):
            is_first = bool(self.rng.getrandbits(1))
            if is_first and self._request(source, some):
                return
            has_passed = self._canary_passes()
            if not is_first and self._request(source, some):
                return
            proofs += has_passed
            if proofs == _PROOFS:
                self._settle(source, some, REFUSED_ALONE)
                return
            if pair == _HOPELESS and not proofs:
                break  # Mixpanel refuses everything
        self._patience -= _PATIENCE_FOR_YES
        self.sender.again(source, some)

    def _canary_passes(self) -> bool:
        self._has_canary = True
        return engage.judge(self.post(engage.body_of([self.project.canary()])), 1) is Verdict.YES
