"""One run over an outbox, from its beginning to its end, in the calling thread."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from whyness_mixpanel.publishing import batch, outbox
from whyness_mixpanel.publishing.worker import BUDGET_S


@dataclass(slots=True)
class Drained:
    """The counts of a run: events published, refused by the queue, and withheld (suppressed or parked)."""

    published: int = 0
    refused: int = 0
    withheld: int = 0
    fault: str = ""

    def add(self, done: batch.Done) -> None:
        """Add the results of a batch."""
        self.published += len(done.confirmed)
        self.refused += len(done.left)
        self.withheld += len(done.suppressed) + len(done.park)
        self.fault = self.fault or done.fault


def drain(
    alias: str,
    *,
    claim_rows: int,
    limit: int | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
    progress: Callable[[Drained], None] = lambda _: None,
) -> Drained:
    """Publish the pending rows of a database, oldest first, each at most once in this run.

    Args:
        alias: the database.
        claim_rows: events claimed at a time, at most.
        limit: events in total, at most; None for no limit.
        is_wanted: called between two calls to the backend; False ends the run.
        progress: called after each claim.

    Raises:
        django.db.Error: the database failed. Claimed rows are free again after their lease.
    """
    drained, from_id, left = Drained(), 0, claim_rows if limit is None else limit
    while is_wanted() and left > 0:
        claim = outbox.claim_oldest(alias, from_id=from_id, count=min(claim_rows, left), even_delayed=True)
        if not claim.rows:
            break
        until_s = time.monotonic() + BUDGET_S
        done = batch.publish_claim(claim, lambda until_s=until_s: is_wanted() and time.monotonic() < until_s)  # type: ignore[misc]
        drained.add(done)
        progress(drained)
        if done.has_failed:
            break  # the queue is down, so the rest would fail too
        from_id = claim.rows[-1].id + 1
        left -= 0 if limit is None else len(claim.rows)
    return drained
