"""The outbox in the database: writing rows, claiming them, deleting what is published. Decides nothing.

Every statement stands for itself or in a short transaction, and none waits for the network.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from django.db import Error, connections, router, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from whyness_mixpanel import counters, signals
from whyness_mixpanel.tables import Outbox

logger = logging.getLogger("whyness_mixpanel")

# Longer than any publishing: 30 s for the drain.
LEASE_S = 120
_ROWS_PER_STATEMENT = 500
# What a claim holds in memory, at most, unless a single row is larger.
_CLAIM_BYTES = 4_000_000


class Waiting(NamedTuple):
    """A row, as far as publishing needs it."""

    id: int
    identity: str
    encoded: str


def write(rows: Sequence[Outbox], alias: str) -> bool:
    """Write `rows`, in a savepoint of its own where a transaction is open; False where that fails."""
    try:
        with transaction.atomic(using=alias):
            _rows(alias).bulk_create(rows, batch_size=_ROWS_PER_STATEMENT)
    except Error as error:
        counters.add("unwritten", len(rows))
        logger.warning("The outbox does not take events: %s. Is the app migrated?", type(error).__name__)
        return False
    return True


def park(rows: Sequence[Outbox], alias: str) -> bool:
    """Put `rows` aside for a person, each with its reason; False where that fails."""
    if not write(rows, alias):
        counters.add("lost", len(rows))
        return False
    for row in rows:
        signals.event_parked.send_robust(sender=Outbox, count=1, reason=row.reason)
    return True


def of_claim(claim: str, alias: str, *, first_id: int, last_id: int) -> list[Waiting]:
    """Return the rows of `claim`, oldest first; ids tell where they are."""
    found = _claimed(claim, alias).filter(id__range=(first_id, last_id)).order_by("id")
    return [Waiting(*row) for row in found.values_list("id", "identity", "encoded")]


def delete(ids: Sequence[int], claim: str, alias: str) -> None:
    """Delete those of `ids` that are still of `claim`."""
    if ids and ids[-1] - ids[0] == len(ids) - 1:
        _claimed(claim, alias).filter(id__range=(ids[0], ids[-1])).delete()
        return
    for start in range(0, len(ids), _ROWS_PER_STATEMENT):
        _claimed(claim, alias).filter(id__in=ids[start : start + _ROWS_PER_STATEMENT]).delete()


def claim_oldest(
    alias: str,
    *,
    count: int,
    after_id: int = 0,
    older_than: datetime | None = None,
    max_bytes: int = _CLAIM_BYTES,
) -> tuple[str, list[Waiting]]:
    """Claim up to `count` of the oldest pending rows for LEASE_S; return the claim and its rows.

    Any number of processes may do so at once: a row goes to one of them. No rows: nothing is left to claim.
    """
    while ids := _oldest_free(alias, count, after_id, older_than, max_bytes):
        claim = uuid4().hex
        until = timezone.now() + timedelta(seconds=LEASE_S)
        taken = (
            _free(alias)
            .filter(id__in=ids)
            .update(claimed_by=claim, claimed_until=until, attempts=F("attempts") + 1)
        )
        if taken:
            return claim, of_claim(claim, alias, first_id=ids[0], last_id=ids[-1])
    return "", []


def give_back(claim: str, ids: Sequence[int], alias: str) -> None:
    """End the claim on `ids` early, so that others may take them."""
    for start in range(0, len(ids), _ROWS_PER_STATEMENT):
        rows = _claimed(claim, alias).filter(id__in=ids[start : start + _ROWS_PER_STATEMENT])
        rows.update(claimed_by="", claimed_until=None)


def park_claimed(ids: Sequence[int], claim: str, alias: str, reason: str) -> None:
    """Put rows that are still of `claim` aside for a person."""
    parked_count = 0
    for start in range(0, len(ids), _ROWS_PER_STATEMENT):
        rows = _claimed(claim, alias).filter(id__in=ids[start : start + _ROWS_PER_STATEMENT])
        parked_count += rows.update(
            state=Outbox.State.PARKED, reason=reason, claimed_by="", claimed_until=None
        )
    if parked_count:
        logger.warning("%d events are parked in the outbox: %s", parked_count, reason)
        signals.event_parked.send_robust(sender=Outbox, count=parked_count, reason=reason)


def pending(alias: str) -> QuerySet[Outbox]:
    """Return the rows that wait, claimed or not."""
    return _rows(alias).filter(state=Outbox.State.PENDING)


def parked(alias: str) -> QuerySet[Outbox]:
    """Return the rows that wait for a person."""
    return _rows(alias).filter(state=Outbox.State.PARKED)


def aliases() -> list[str]:
    """Return the databases that have an outbox."""
    table = Outbox._meta.db_table  # noqa: SLF001  (Django's public API for models)
    allowed = [alias for alias in connections if router.allow_migrate_model(alias, Outbox)]
    return [alias for alias in allowed if table in connections[alias].introspection.table_names()]


def _rows(alias: str) -> QuerySet[Outbox]:
    return Outbox._default_manager.using(alias)  # noqa: SLF001  (Django's public API for models)


def _claimed(claim: str, alias: str) -> QuerySet[Outbox]:
    return _rows(alias).filter(claimed_by=claim)


def _free(alias: str) -> QuerySet[Outbox]:
    unclaimed = Q(claimed_until__isnull=True) | Q(claimed_until__lt=timezone.now())
    return pending(alias).filter(unclaimed)


def _oldest_free(
    alias: str, count: int, after_id: int, older_than: datetime | None, max_bytes: int
) -> list[int]:
    found = _free(alias).filter(id__gt=after_id).order_by("id")
    if older_than:
        found = found.filter(created_at__lt=older_than)
    ids: list[int] = []
    for id_, size in found.annotate(size=Length("encoded")).values_list("id", "size")[:count]:
        max_bytes -= size
        if ids and max_bytes < 0:
            break
        ids.append(id_)
    return ids
