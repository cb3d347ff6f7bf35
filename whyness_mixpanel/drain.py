"""Publishes what waits in the outbox. Any number of drains may run at once, beside any number of pages."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from whyness_mixpanel import live, outbox

# How long one claim's publishing may take: well below outbox.LEASE_S, so that no row is claimed twice.
BUDGET_S = 30.0
# In a loop, younger rows are left to the page that wrote them and is about to publish them.
LIVE_S = 5


@dataclass(slots=True)
class Drained:
    """What a run has done: events published, not taken by the queue, and suppressed or parked."""

    published: int = 0
    refused: int = 0
    withheld: int = 0


def drain(  # noqa: PLR0913  (what the command offers)
    alias: str,
    *,
    batch: int,
    limit: int | None = None,
    spare_live: bool = False,
    is_wanted: Callable[[], bool] = lambda: True,
    progress: Callable[[Drained], None] = lambda _: None,
) -> Drained:
    """Publish the rows of a database that wait, oldest first, each at most once in this run.

    Args:
        alias: the database.
        batch: events claimed at a time, at most.
        limit: events in all, at most; None is no limit.
        spare_live: leave rows younger than LIVE_S.
        is_wanted: asked between two claims whether to go on.
        progress: told after each claim.

    Raises:
        django.db.Error: the database fails; what was claimed is free again after outbox.LEASE_S.
    """
    done, after_id = Drained(), 0
    older_than = timezone.now() - timedelta(seconds=LIVE_S) if spare_live else None
    while is_wanted():
        count = batch if limit is None else min(batch, limit - done.published - done.refused - done.withheld)
        if count <= 0:
            break
        claim, rows = outbox.claim_oldest(alias, count=count, after_id=after_id, older_than=older_than)
        if not rows:
            break
        published = live.publish(rows, budget_s=BUDGET_S)
        left = live.settle(published, rows, claim, alias)
        outbox.give_back(claim, left, alias)
        done.published += len(published.confirmed)
        done.refused += len(left)
        done.withheld += len(rows) - len(left) - len(published.confirmed)
        progress(done)
        if len(left) == len(rows):
            break  # the queue is down: the rest would fare no better
        after_id = rows[-1].id
    return done
