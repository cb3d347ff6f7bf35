"""Claims, deletes and frees rows of the outbox, on SQLite and PostgreSQL. No signals, no network.

Every statement runs alone or in a short transaction, on the calling thread's connection, and uses the
database's clock. No value is part of a statement's text: names are the model's, numbers are constants.
"""

# ruff: noqa: S608  (as above)

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import uuid4

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from whyness_events.values import size_bytes
from whyness_mixpanel.tables import Outbox

CLAIM_ROWS = 500
# The most bytes of a claim, unless a single row is larger.
CLAIM_BYTES = 4_000_000
# How long a claim lasts: longer than any publishing.
LEASE_S = 120
# A lease longer than this was set by a wrong clock, and is ignored.
_LONGEST_LEASE_S = 300
GATHER_S = 0.2
# Older rows are sent in the message group `backfill`.
_OLD_S = 300
_LONGEST_DELAY_S = 30

TABLE = f'"{Outbox._meta.db_table}"'  # noqa: SLF001  (Django's public API for models)

# PostgreSQL selects and marks in one statement, because under load each round trip costs time. With
# statistics of a table that was empty a minute ago, it would sort a whole backlog for each claim.
_BY_INDEX = "SET LOCAL enable_bitmapscan = off"
_ANY = (
    "= ANY(ARRAY(SELECT id FROM (SELECT id, SUM(size) OVER (ORDER BY id) - size AS before FROM"
    " (SELECT id, OCTET_LENGTH(encoded) AS size {free} LIMIT %s FOR UPDATE SKIP LOCKED) AS free) AS summed"
    " WHERE before < %s))"
)


class Waiting(NamedTuple):
    """A claimed row: `attempts` includes this one, `is_old` is by the database's clock."""

    id: int
    identity: str
    encoded: str
    attempts: int = 1
    is_old: bool = False


class Claim(NamedTuple):
    """Rows of one publisher until its lease ends, oldest first; if `is_full`, there may be more."""

    id: str
    alias: str
    rows: Sequence[Waiting] = ()
    is_full: bool = False


def later(vendor: str, seconds: str) -> str:
    """Return SQL for the database's time plus `seconds` (an expression)."""
    if vendor == "sqlite":
        return f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', ({seconds}) || ' seconds')"
    return f"(STATEMENT_TIMESTAMP() + ({seconds}) * INTERVAL '1 second')"


def takes_several_statements(connection: BaseDatabaseWrapper) -> bool:
    """Whether this is PostgreSQL with psycopg binding parameters on the client."""
    if connection.vendor != "postgresql":
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3  # noqa: PLC0415  (needs the driver)

    return is_psycopg3 and not connection.settings_dict["OPTIONS"].get("server_side_binding")


def is_due(alias: str, from_id: int) -> bool | None:
    """Whether the oldest free row from an id on is older than the gather time; None if there is none."""
    vendor = connections[alias].vendor
    age = f"created_at <= {later(vendor, f'-{GATHER_S}')} OR created_at > {later(vendor, '0')}"
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {age} {_free_from(vendor)} LIMIT 1", [from_id])
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
    """Claim the oldest free rows from an id on, for LEASE_S.

    Any number of processes may claim at once: each row goes to one of them.

    Args:
        alias: the database.
        from_id: lower ids are skipped.
        count: rows, at most.
        max_bytes: once reached, no further row is claimed.
        even_delayed: claim also rows that wait after a refusal.
    """
    claim, vendor = uuid4().hex, connections[alias].vendor
    free = _free_from(vendor, "claimed_by = '' OR claimed_until IS NULL OR " if even_delayed else "")
    if vendor == "postgresql":
        rows = _mark_oldest(alias, claim, free, [from_id, count, max_bytes])
    else:
        with transaction.atomic(using=alias):
            ids = _oldest(alias, f"SELECT id, LENGTH(encoded) {free} LIMIT %s", [from_id, count], max_bytes)
            rows = _mark(alias, claim, f"IN {_places(ids)}", ids)
    is_cut = sum(size_bytes(row.encoded) for row in rows) >= max_bytes
    return Claim(claim, alias, rows, is_full=is_cut or len(rows) == count)


def claimed_by(claim: str, alias: str, *, from_id: int) -> Claim:
    """Return the rows written under a claim that still exist, from an id on."""
    fields = _fields(connections[alias].vendor)
    with connections[alias].cursor() as cursor:
        cursor.execute(
            f"SELECT {fields} FROM {TABLE} WHERE state = 'pending' AND claimed_by = %s AND id >= %s",
            [claim, from_id],
        )
        return Claim(claim, alias, _rows(cursor))


def delete(ids: Sequence[int], claim: Claim) -> None:
    """Delete those of `ids` that the claim still holds."""
    _each(f"DELETE FROM {TABLE}", ids, claim)


def free_later(rows: Sequence[Waiting], claim: Claim) -> float:
    """Free rows that were not published, the later the more attempts they had.

    Returns:
        Seconds until all of them are free: 1, doubling to 30, with jitter.
    """
    jitter = random.uniform(0.7, 1)  # noqa: S311  (no secret)
    delay = f"{jitter} * CASE WHEN attempts > 5 THEN {_LONGEST_DELAY_S} ELSE 1 << (attempts - 1) END"
    until = later(connections[claim.alias].vendor, delay)
    _each(f"UPDATE {TABLE} SET claimed_by = '', claimed_until = {until}", [row.id for row in rows], claim)
    return max((jitter * min(_LONGEST_DELAY_S, 2 ** min(row.attempts - 1, 5)) for row in rows), default=0.0)


def pending(alias: str) -> QuerySet[Outbox]:
    """Return the pending rows, claimed or not."""
    return _of(alias).filter(state=Outbox.State.PENDING)


def parked(alias: str) -> QuerySet[Outbox]:
    """Return the parked rows, which wait for a person."""
    return _of(alias).filter(state=Outbox.State.PARKED)


def aliases() -> list[str]:
    """Return the databases that have an outbox."""
    return [alias for alias in connections if has_table(alias)]


def has_table(alias: str) -> bool:
    """Whether a database has an outbox."""
    allowed = router.allow_migrate_model(alias, Outbox)
    return bool(allowed) and TABLE.strip('"') in connections[alias].introspection.table_names()


def slices(ids: Sequence[int], count: int = CLAIM_ROWS) -> Iterator[Sequence[int]]:
    """Yield `ids`, at most `count` at a time."""
    return (ids[start : start + count] for start in range(0, len(ids), count))


def _of(alias: str) -> QuerySet[Outbox]:
    return Outbox._default_manager.using(alias)  # noqa: SLF001  (Django's public API for models)


def _free_from(vendor: str, or_else: str = "") -> str:
    """Return SQL from FROM to ORDER BY for the free rows from an id on."""
    is_wrong_lease = f"claimed_until > {later(vendor, str(_LONGEST_LEASE_S))}"
    # Releases without the relay publish such rows at the commit, and may run beside this one.
    is_theirs = f"claimed_by <> '' AND created_at > {later(vendor, '-30')}"
    free = f"claimed_until <= {later(vendor, '0')} OR claimed_until IS NULL AND NOT ({is_theirs})"
    free = f"({or_else}{free} OR {is_wrong_lease})"
    return f"FROM {TABLE} WHERE state = 'pending' AND {free} AND id >= %s ORDER BY id"


def _fields(vendor: str) -> str:
    return f"id, identity, encoded, attempts, created_at < {later(vendor, f'-{_OLD_S}')}"


def _oldest(alias: str, text: str, given: Sequence[int], max_bytes: int) -> list[int]:
    """Return the ids of the rows that fit into `max_bytes`, and of the first that does not."""
    ids: list[int] = []
    with connections[alias].cursor() as cursor:
        cursor.execute(text, given)
        for id_, row_bytes in cursor:  # SQLite reads only as far as this loop
            ids.append(id_)
            max_bytes -= row_bytes
            if max_bytes <= 0:
                break
    return ids


def _mark(alias: str, claim: str, which: str, given: Sequence[int], before: str = "") -> Sequence[Waiting]:
    """Claim the rows `which`, and return them. `before` is sent in the same round trip."""
    vendor = connections[alias].vendor
    text = (
        f"UPDATE {TABLE} SET claimed_by = %s, claimed_until = {later(vendor, str(LEASE_S))},"
        f" attempts = attempts + 1 WHERE id {which} RETURNING {_fields(vendor)}"
    )
    with connections[alias].cursor() as cursor:
        cursor.execute(before + text, [claim, *given])
        if before:
            cursor.nextset()
        return _rows(cursor)


def _mark_oldest(alias: str, claim: str, free: str, given: Sequence[int]) -> Sequence[Waiting]:
    """Claim the oldest rows on PostgreSQL."""
    which = _ANY.format(free=free)
    if takes_several_statements(connections[alias]):
        return _mark(alias, claim, which, given, before=f"{_BY_INDEX}; ")
    with transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute(_BY_INDEX)
        return _mark(alias, claim, which, given)


def _rows(cursor: CursorWrapper) -> list[Waiting]:
    return sorted(
        Waiting(id_, identity, encoded, attempts, bool(is_old))
        for id_, identity, encoded, attempts, is_old in cursor.fetchall()
    )


def _each(text: str, ids: Sequence[int], claim: Claim) -> None:
    for some in slices(ids):
        with connections[claim.alias].cursor() as cursor:
            cursor.execute(f"{text} WHERE claimed_by = %s AND id IN {_places(some)}", [claim.id, *some])


def _places(ids: Sequence[int]) -> str:
    return f"({','.join(['%s'] * len(ids))})"
