"""What becomes of events that are sent: by the state of the transaction, and by the setting OUTBOX."""

import asyncio
import os
from collections.abc import Sequence

from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from whyness_mixpanel import conf, live, on_commit, outbox
from whyness_mixpanel.backends import locmem
from whyness_mixpanel.tables import Outbox


def check_no_event_loop() -> None:
    """Raise SynchronousOnlyOperation in an event loop, as Django does, under the same variable."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        raise SynchronousOnlyOperation(
            "send() waits for the database and the queue: in async code use 'await event.asend()'."
        )


def send(rows: Sequence[Outbox], using: str | None = None) -> bool:
    """Publish `rows` once the transaction they belong to has committed, or now if there is none.

    Returns:
        Whether each of them is safe: confirmed by the queue, or in the outbox, and none of them parked.
    """
    if conf.BACKEND.get() == "locmem":
        locmem.sent.extend(row.encoded for row in rows)
    connection = transaction.get_connection(using)
    parked = [row for row in rows if row.state == Outbox.State.PARKED]
    pending = [row for row in rows if row.state == Outbox.State.PENDING]
    if parked:
        outbox.park(parked, connection.alias)
    return (not pending or _send(pending, connection)) and not parked


def _send(rows: Sequence[Outbox], connection: BaseDatabaseWrapper) -> bool:
    if _managed_by_hand(connection):
        _begin(connection)
        return outbox.write(rows, connection.alias)  # nobody can tell when it commits: the drain's
    if not connection.in_atomic_block:
        return live.publish_now(rows, connection.alias)
    if conf.OUTBOX.get() == "always" and on_commit.write_and_publish(rows, connection):
        return True
    on_commit.hold_and_publish(rows, connection)
    return False


def _begin(connection: BaseDatabaseWrapper) -> None:
    # SQLite's driver begins no transaction for a savepoint: its release would then be the commit.
    connection.ensure_connection()
    if connection.vendor == "sqlite" and not connection.connection.in_transaction:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")


def _managed_by_hand(connection: BaseDatabaseWrapper) -> bool:
    if connection.in_atomic_block:
        return False
    if connection.connection is None:
        return not connection.settings_dict["AUTOCOMMIT"]
    return not connection.autocommit
