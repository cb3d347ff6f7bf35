"""Publishes a transaction's events once it has committed, and never those of what was rolled back.

Each send has a commit hook of its own, so that Django drops the hook together with its savepoint. Where the
events have rows in the outbox, the first hook to run publishes the rows that survived, also those of later
hooks, which then find nothing. Events without a row are collected hook by hook; the last one publishes.
"""

from collections.abc import Sequence
from typing import Any, cast
from uuid import uuid4

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from whyness_mixpanel import live, outbox
from whyness_mixpanel.tables import Outbox


class _Claim:
    """The rows of one transaction: they carry its id."""

    def __init__(self) -> None:
        self.id = uuid4().hex
        self.last_row_id = 0
        self.is_done = False


class _Publish:
    """The hook of one send whose rows are in the outbox."""

    def __init__(self, claim: _Claim, first_row_id: int, alias: str) -> None:
        self.claim, self.first_row_id, self.alias = claim, first_row_id, alias

    def run(self) -> None:
        """Publish what survived of the transaction, from this send on."""
        if not self.claim.is_done:
            self.claim.is_done = True
            live.publish_claim(
                self.claim.id, self.alias, first_id=self.first_row_id, last_id=self.claim.last_row_id
            )


class _PublishHeld:
    """The hook that publishes what has no row, unless a later one of the same transaction will."""

    def __init__(self, held: list[Outbox], alias: str) -> None:
        self.held, self.alias = held, alias
        self.superseded = False

    def run(self) -> None:
        """Publish what the hooks before this one have collected."""
        if self.superseded or not self.held:
            return
        rows = list(self.held)
        self.held.clear()
        live.publish_now(rows, self.alias)


def write_and_publish(rows: Sequence[Outbox], connection: BaseDatabaseWrapper) -> bool:
    """Write `rows` in the transaction and publish them after it; False where they cannot be written."""
    earlier = _latest(connection, _Publish)
    claim = earlier.claim if earlier and not earlier.claim.is_done else _Claim()
    for row in rows:
        row.claimed_by = claim.id
    if not outbox.write(rows, connection.alias):
        for row in rows:
            row.pk, row.claimed_by = None, ""
        return False
    claim.last_row_id = rows[-1].id
    hook = _Publish(claim, rows[0].id, connection.alias)
    transaction.on_commit(hook.run, using=connection.alias, robust=True)
    return True


def hold_and_publish(rows: Sequence[Outbox], connection: BaseDatabaseWrapper) -> None:
    """Publish `rows` once the transaction has committed; until then only this process knows of them."""
    earlier = _latest(connection, _PublishHeld)
    held: list[Outbox] = earlier.held if earlier else []

    def collect() -> None:
        held.extend(rows)

    transaction.on_commit(collect, using=connection.alias, robust=True)
    # Entered by hand, as belonging to no savepoint: it must run whatever is rolled back before the commit.
    _hooks(connection).append((set(), _PublishHeld(held, connection.alias).run, True))
    if earlier:
        earlier.superseded = True


def _latest(connection: BaseDatabaseWrapper, kind: type[Any]) -> Any:
    owners = (getattr(function, "__self__", None) for _, function, _ in reversed(_hooks(connection)))
    return next((owner for owner in owners if isinstance(owner, kind)), None)


def _hooks(connection: BaseDatabaseWrapper) -> list[tuple[set[Any], Any, bool]]:
    # django-stubs 6.1.2 knows two of the three members of a hook: savepoints, function, robust.
    return cast("list[tuple[set[Any], Any, bool]]", connection.run_on_commit)
