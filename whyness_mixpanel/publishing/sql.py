"""The outbox's statements, made once per kind of connection. Each uses the clock of the database.

Nothing of a user is part of the text: the names are the model's, the numbers are constants of the app.
"""

# ruff: noqa: S608  (as above)

from functools import cache
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from whyness_mixpanel.tables import Outbox

# How long a row stays with whoever has claimed it: longer than any publishing.
LEASE_S = 120
# Nobody claims for longer than this: such a lease is of a clock that was wrong, and binds nobody.
_LONGEST_LEASE_S = 300
GATHER_S = 0.2
# What is older than this travels in the queue's group `backfill`.
OLD_S = 300

_TABLE = Outbox._meta.db_table  # noqa: SLF001  (Django's public API for models)


class Statements(NamedTuple):
    """SQL texts.

    Args:
        insert: up to VALUES; one of the `row` texts follows for each row, then `returning`.
        row: pending until somebody claims it.
        claimed_row: claimed as it is written.
        returning: for the ids; empty where the database does not tell.
        peek: whether the oldest free row from an id on is due: as old as the gathering, or of the future.
        choose: ids and sizes of the oldest free rows from an id on.
        choose_all: the same, with those that are to wait because the queue did not take them just now.
        mark: claims rows; the ids follow, then `marked`.
        marked: returns what was claimed; empty where the database does not tell, and `read` does.
        read: what a claim has from an id on.
        delete: those of a claim; the ids follow.
        delay: frees rows of a claim later, in so many seconds; the ids follow.
    """

    insert: str
    row: str
    claimed_row: str
    returning: str
    peek: str
    choose: str
    choose_all: str
    mark: str
    marked: str
    read: str
    delete: str
    delay: str


def statements(connection: BaseDatabaseWrapper) -> Statements:
    """Return the statements for a connection."""
    features = connection.features
    lock = " FOR UPDATE" if features.has_select_for_update else ""
    if features.has_select_for_update_skip_locked:
        lock += " SKIP LOCKED"
    returns = connection.vendor != "mysql" and features.can_return_rows_from_bulk_insert
    return _make(connection.vendor, lock, bool(returns))


def now(vendor: str, offset_s: float) -> str:
    """Return the database's time, so many seconds later or earlier."""
    if vendor == "sqlite":
        return f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', '{offset_s:+.3f} seconds')"
    if vendor == "postgresql":
        return f"(STATEMENT_TIMESTAMP() + INTERVAL '{offset_s:.3f} seconds')"
    return f"(UTC_TIMESTAMP(6) + INTERVAL {offset_s:.3f} SECOND)"


def places(count: int) -> str:
    """Return placeholders for so many ids."""
    return f"({','.join(['%s'] * count)})"


@cache
def _make(vendor: str, lock: str, returns: bool) -> Statements:  # noqa: FBT001  (a key of the cache)
    mark = "`" if vendor == "mysql" else '"'
    table, user = f"{mark}{_TABLE}{mark}", f"{mark}user{mark}"
    present = now(vendor, 0)
    nobodys = (
        f"(claimed_until IS NULL OR claimed_until <= {present}"
        f" OR claimed_until > {now(vendor, _LONGEST_LEASE_S)})"
    )
    size = "OCTET_LENGTH(encoded)" if vendor == "postgresql" else "LENGTH(encoded)"
    waiting = f"identity, encoded, attempts, created_at < {now(vendor, -OLD_S)}"
    fields = f"encoded, identity, {user}, state, reason, attempts, created_at, claimed_by, claimed_until"
    given = f"%s, %s, %s, %s, %s, 0, {present}, %s"
    choose = (
        f"SELECT id, {size} FROM {table} WHERE state = 'pending' AND {{free}} AND id >= %s"
        f" ORDER BY id LIMIT %s{lock}"
    )
    return Statements(
        insert=f"INSERT INTO {table} ({fields}) VALUES ",
        row=f"({given}, NULL)",
        claimed_row=f"({given}, {now(vendor, LEASE_S)})",
        returning=" RETURNING id" if returns else "",
        peek=f"SELECT created_at <= {now(vendor, -GATHER_S)} OR created_at > {present} FROM {table}"
        f" WHERE state = 'pending' AND {nobodys} AND id >= %s ORDER BY id LIMIT 1",
        choose=choose.format(free=nobodys),
        choose_all=choose.format(free=f"(claimed_by = '' OR {nobodys})"),
        mark=f"UPDATE {table} SET claimed_by = %s, claimed_until = {now(vendor, LEASE_S)},"
        " attempts = attempts + 1 WHERE id IN ",
        marked=f" RETURNING id, {waiting}" if returns else "",
        read=f"SELECT id, {waiting} FROM {table}"
        " WHERE state = 'pending' AND claimed_by = %s AND id >= %s ORDER BY id",
        delete=f"DELETE FROM {table} WHERE claimed_by = %s AND id IN ",
        delay=f"UPDATE {table} SET claimed_by = '', claimed_until = {{until}}"
        " WHERE claimed_by = %s AND id IN ",
    )
