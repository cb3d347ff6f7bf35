"""Writes events into the outbox: one statement, in the open transaction if there is one."""

# ruff: noqa: S608  (no value is part of the text)

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from django.db import Error, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from whyness_mixpanel.publishing.outbox import LEASE_S, TABLE, later, takes_several_statements
from whyness_mixpanel.tables import Outbox

_ROWS_PER_STATEMENT = 500
_PLACES_PER_ROW = 6
_SAVEPOINT, _RELEASE = "SAVEPOINT whyness_mixpanel", "RELEASE SAVEPOINT whyness_mixpanel"
_ROLLBACK = "ROLLBACK TO SAVEPOINT whyness_mixpanel"


class Row(NamedTuple):
    """The values of an event's row; with a `reason` it is parked. Logs and signals use `told` instead."""

    encoded: str
    identity: str
    user: str
    reason: str = ""
    told: str = ""


def insert(rows: Sequence[Row], connection: BaseDatabaseWrapper, claim: str = "") -> int:
    """Write `rows`; return the lowest id.

    Args:
        rows: at least one.
        connection: where a transaction is open, a failure does not break it.
        claim: the claim that holds them from the beginning; `""` for none.

    Raises:
        django.db.Error: none is written, or only the first few hundred.
    """
    count = min(_ROWS_PER_STATEMENT, (connection.features.max_query_params or 65_535) // _PLACES_PER_ROW)
    ids = [_insert(rows[start : start + count], connection, claim) for start in range(0, len(rows), count)]
    return min(ids)


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Whether a transaction is open. Connects to the database if necessary."""
    return connection.in_atomic_block or not connection.get_autocommit()


def _insert(rows: Sequence[Row], connection: BaseDatabaseWrapper, claim: str) -> int:
    text = _text(connection.vendor, len(rows), is_claimed=bool(claim))
    given: list[str] = []
    for row in rows:
        state = Outbox.State.PARKED.value if row.reason else Outbox.State.PENDING.value
        given += (row.encoded, row.identity, row.user, state, row.reason, claim)
    if is_in_transaction(connection):
        return _insert_in_transaction(text, given, connection)
    try:
        return _execute(text, given, connection)
    except (OperationalError, InterfaceError):
        if connection.connection is None or connection.is_usable():
            raise
        connection.close()  # it has dropped; try a new one once
        return _execute(text, given, connection)


@lru_cache(maxsize=64)
def _text(vendor: str, row_count: int, *, is_claimed: bool) -> str:
    attempts, until = (1, later(vendor, str(LEASE_S))) if is_claimed else (0, "NULL")
    row = f"(%s, %s, %s, %s, %s, {attempts}, {later(vendor, '0')}, %s, {until})"
    return (
        f'INSERT INTO {TABLE} (encoded, identity, "user", state, reason, attempts, created_at, claimed_by,'
        f" claimed_until) VALUES {', '.join([row] * row_count)} RETURNING id"
    )


def _insert_in_transaction(text: str, given: Sequence[str], connection: BaseDatabaseWrapper) -> int:
    """Insert behind a savepoint on PostgreSQL, where a failure would break the transaction."""
    if connection.vendor != "postgresql":
        return _execute(text, given, connection)
    try:
        if takes_several_statements(connection):
            return _execute(f"{_SAVEPOINT}; {text}; {_RELEASE}", given, connection, skip=1)
        _execute(_SAVEPOINT, None, connection)
        lowest = _execute(text, given, connection)
        _execute(_RELEASE, None, connection)
    except Exception:  # also those of the driver itself
        _undo(connection)
        raise
    return lowest


def _undo(connection: BaseDatabaseWrapper) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ROLLBACK)
            cursor.execute(_RELEASE)
    except Error:  # the connection is lost, or the transaction was broken already
        pass


def _execute(
    text: str, given: Sequence[str] | None, connection: BaseDatabaseWrapper, *, skip: int = 0
) -> int:
    """Execute; return the lowest id of the result that follows `skip` others."""
    with connection.cursor() as cursor:
        cursor.execute(text, given)
        for _ in range(skip):
            cursor.nextset()
        return min((id_ for (id_,) in cursor.fetchall()), default=0) if cursor.description else 0
