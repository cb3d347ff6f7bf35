"""Publishing in the thread that commits: for backends without a network, and where no other may write."""

import os
import sys
import time

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from whyness_mixpanel.publishing import batch, outbox
from whyness_mixpanel.publishing.condition import Condition
from whyness_mixpanel.publishing.worker import BUDGET_S, Worker

_LONGEST_PAUSE_S = 30.0


class Batch:
    """The rows of one transaction, claimed as they are written: whichever hook runs first publishes them."""

    def __init__(self, claim: str, alias: str) -> None:
        self.claim, self.alias = claim, alias
        self.is_done = False

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper) -> "Batch | None":
        """Return the batch of the transaction that is open, if there is one."""
        for _, hook, *_ in reversed(connection.run_on_commit):
            if isinstance(hook, AtCommit):
                return None if hook.batch.is_done else hook.batch
        return None


class AtCommit:
    """The hook of one send; Django drops it together with its savepoint."""

    def __init__(self, batch_: Batch, first_id: int) -> None:
        self.batch, self._first_id = batch_, first_id

    def __call__(self) -> None:
        """Publish what is left of the transaction, from this send on."""
        if not self.batch.is_done:
            self.batch.is_done = True
            _patience.publish(self.batch, self._first_id)


class _Patience:
    """Asks no queue again at once that did not take anything: each try would cost a page its time-outs."""

    def __init__(self) -> None:
        self._failed_count, self._pause_until_s = 0, 0.0
        self._failing, self._unread = Condition(), Condition()

    def publish(self, batch_: Batch, first_id: int) -> None:
        """Publish rows; what is not taken is left to a drain."""
        now_s = time.monotonic()
        if now_s < self._pause_until_s:
            return
        try:
            claim = outbox.of_claim(batch_.claim, batch_.alias, from_id=first_id)
            done = batch.publish_claim(claim, lambda: time.monotonic() < now_s + BUDGET_S)
        except Error as error:
            self._unread.begin(
                "The outbox cannot be read: %s. Its events are left to the drain.", type(error).__name__
            )
            return
        self._unread.end()
        self._settle(done)

    def _settle(self, done: batch.Done) -> None:
        if done.left:
            self._failing.begin(
                "Publishing fails: %s. Events wait in the outbox; logged again when it works.", done.fault
            )
        elif done.confirmed:
            self._failing.end("Publishing works again.")
        if done.has_failed:
            self._failed_count += 1
            pause_s = min(_LONGEST_PAUSE_S, 2.0 ** min(self._failed_count - 1, 10))
            self._pause_until_s = time.monotonic() + pause_s
        else:
            self._failed_count, self._pause_until_s = 0, 0.0


_patience = _Patience()
_worker = Worker()


def publish_memory() -> None:
    """Publish what the outbox did not take, unless it is being paused."""
    _worker.publish_memory_now()


def start_afresh() -> None:
    """Forget what went wrong, as a forked child does."""
    global _patience, _worker
    _patience, _worker = _Patience(), Worker()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=start_afresh)
