"""The rows of the outbox: claimed, deleted, freed again, parked. No signals of the model, no network.

Every statement stands for itself or in a short transaction, on the connection of the thread that asks.
"""

import logging
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple
from uuid import uuid4

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from whyness_mixpanel import signals
from whyness_mixpanel.publishing.sql import now, places, statements
from whyness_mixpanel.tables import Outbox

logger = logging.getLogger("whyness_mixpanel")

CLAIM_ROWS = 500
# What a claim holds in memory, at most, unless a single row is larger.
CLAIM_BYTES = 4_000_000
_LONGEST_DELAY_S = 30


class Waiting(NamedTuple):
    """A claimed row: `attempts` counts this one, `is_old` is the database's word."""

    id: int
    identity: str
    encoded: str
    attempts: int = 1
    is_old: bool = False


class Claim(NamedTuple):
    """Rows that are of one publisher until its lease ends, oldest first.

    Args:
        id: of the claim; `""` where there was nothing to claim.
        alias: of their database.
        rows: what is claimed.
        is_full: whether there may be more of them.
    """

    id: str
    alias: str
    rows: Sequence[Waiting] = ()
    is_full: bool = False


def is_due(alias: str, from_id: int) -> bool | None:
    """Whether the oldest free row from an id on has been gathered for long enough; None: there is none."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(statements(connection).peek, [from_id])
        row = cursor.fetchone()
    return None if row is None else bool(row[0])


def claim_oldest(
    alias: str,
    *,
    from_id: int = 0,
    count: int = CLAIM_ROWS,
    max_bytes: int = CLAIM_BYTES,
    even_delayed: bool = False,
) -> Claim:
    """Claim the oldest free rows from an id on, for sql.LEASE_S.

    Any number of processes may do so at once: a row goes to one of them.

    Args:
        alias: the database.
        from_id: lower ids are not looked at.
        count: rows, at most.
        max_bytes: of their events, at most, unless the first alone has more.
        even_delayed: also those that wait because the queue did not take them just now.
    """
    connection = connections[alias]
    known = statements(connection)
    claim = uuid4().hex
    with transaction.atomic(using=alias):
        choose = known.choose_all if even_delayed else known.choose
        ids, is_cut = _choose(connection, choose, from_id, count, max_bytes)
        if not ids:
            return Claim("", alias)
        with connection.cursor() as cursor:
            cursor.execute(f"{known.mark}{places(len(ids))}{known.marked}", [claim, *ids])
            if not known.marked:
                cursor.execute(known.read, [claim, ids[0]])
            rows = _rows(cursor)
    return Claim(claim, alias, rows, is_full=is_cut or len(ids) == count)


def of_claim(claim: str, alias: str, *, from_id: int) -> Claim:
    """Return what was written under a claim and is still there, from an id on."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(statements(connection).read, [claim, from_id])
        return Claim(claim, alias, _rows(cursor))


def delete(ids: Sequence[int], claim: Claim) -> None:
    """Delete those of `ids` that are still of the claim."""
    connection = connections[claim.alias]
    _each(connection, statements(connection).delete, ids, claim)


def free_later(rows: Sequence[Waiting], claim: Claim) -> float:
    """Let others have the rows that the queue did not take, the later the more attempts there were.

    Returns:
        In how many seconds all of them are free.
    """
    longest_s = 0.0
    by_attempts: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        by_attempts[row.attempts].append(row.id)
    connection = connections[claim.alias]
    for attempts, ids in by_attempts.items():
        delay_s = min(_LONGEST_DELAY_S, 2 ** min(attempts - 1, 10)) * random.uniform(0.7, 1)  # noqa: S311  (jitter)
        until = now(connection.vendor, delay_s)
        _each(connection, statements(connection).delay.replace("{until}", until), ids, claim)
        longest_s = max(longest_s, delay_s)
    return longest_s


def park_claimed(ids: Sequence[int], claim: Claim, reason: str) -> None:
    """Put rows that are still of the claim aside for a person."""
    count = 0
    for some in _some(ids):
        rows = _of(claim.alias).filter(claimed_by=claim.id, id__in=some)
        count += rows.update(state=Outbox.State.PARKED, reason=reason, claimed_by="", claimed_until=None)
    if count:
        tell_parked(count, reason)


def tell_parked(count: int, reason: str) -> None:
    """Log that events wait for a person, and send the signal."""
    logger.warning("%d events are parked in the outbox: %s", count, reason)
    signals.event_parked.send_robust(sender=Outbox, count=count, reason=reason)


def pending(alias: str) -> QuerySet[Outbox]:
    """Return the rows that wait, claimed or not."""
    return _of(alias).filter(state=Outbox.State.PENDING)


def parked(alias: str) -> QuerySet[Outbox]:
    """Return the rows that wait for a person."""
    return _of(alias).filter(state=Outbox.State.PARKED)


def aliases() -> list[str]:
    """Return the databases that have an outbox."""
    return [alias for alias in connections if has_table(alias)]


def has_table(alias: str) -> bool:
    """Whether a database has an outbox."""
    table = Outbox._meta.db_table  # noqa: SLF001  (Django's public API for models)
    allowed = router.allow_migrate_model(alias, Outbox)
    return bool(allowed) and table in connections[alias].introspection.table_names()


def _of(alias: str) -> QuerySet[Outbox]:
    return Outbox._default_manager.using(alias)  # noqa: SLF001  (Django's public API for models)


def _choose(
    connection: BaseDatabaseWrapper, text: str, from_id: int, count: int, max_bytes: int
) -> tuple[list[int], bool]:
    """Return the ids to claim, and whether they are cut short by their bytes."""
    ids: list[int] = []
    with connection.cursor() as cursor:
        cursor.execute(text, [from_id, count])
        for id_, size_bytes in cursor:  # SQLite reads no further than this asks
            max_bytes -= size_bytes
            if ids and max_bytes < 0:
                return ids, True
            ids.append(id_)
    return ids, False


def _rows(cursor: CursorWrapper) -> list[Waiting]:
    return sorted(
        Waiting(id_, identity, encoded, attempts, bool(is_old))
        for id_, identity, encoded, attempts, is_old in cursor.fetchall()
    )


def _each(connection: BaseDatabaseWrapper, text: str, ids: Sequence[int], claim: Claim) -> None:
    for some in _some(ids):
        with connection.cursor() as cursor:
            cursor.execute(f"{text}{places(len(some))}", [claim.id, *some])


def _some(ids: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while some := list(islice(rest, CLAIM_ROWS)):
        yield some
