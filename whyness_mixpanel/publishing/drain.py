"""One run over an outbox, from its beginning to its end, in the thread that asks for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from whyness_mixpanel.publishing import batch, outbox
from whyness_mixpanel.publishing.worker import BUDGET_S


@dataclass(slots=True)
class Drained:
    """What a run has done: events published, not taken by the queue, and suppressed or parked."""

    published: int = 0
    refused: int = 0
    withheld: int = 0
    fault: str = ""

    @property
    def count(self) -> int:
        """Return how many events it has had."""
        return self.published + self.refused + self.withheld


def drain(
    alias: str,
    *,
    claim_rows: int,
    limit: int | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
    progress: Callable[[Drained], None] = lambda _: None,
) -> Drained:
    """Publish the rows of a database that wait, oldest first, each at most once in this run.

    Args:
        alias: the database.
        claim_rows: events claimed at a time, at most.
        limit: events in all, at most; None is no limit.
        is_wanted: asked between two calls whether to go on.
        progress: told after each claim.

    Raises:
        django.db.Error: the database fails; what was claimed is free again after its lease.
    """
    drained, from_id = Drained(), 0
    while is_wanted():
        count = claim_rows if limit is None else min(claim_rows, limit - drained.count)
        if count <= 0:
            break
        claim = outbox.claim_oldest(alias, from_id=from_id, count=count, even_delayed=True)
        if not claim.rows:
            break
        until_s = time.monotonic() + BUDGET_S
        done = batch.publish_claim(claim, lambda until_s=until_s: is_wanted() and time.monotonic() < until_s)  # type: ignore[misc]
        _add(drained, done)
        progress(drained)
        if done.has_failed:
            break  # the queue is down: the rest would fare no better
        from_id = claim.rows[-1].id + 1
    return drained


def _add(drained: Drained, done: batch.Done) -> None:
    drained.published += len(done.confirmed)
    drained.refused += len(done.left)
    drained.withheld += len(done.suppressed) + len(done.park)
    drained.fault = drained.fault or done.fault
