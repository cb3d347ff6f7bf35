"""Writes sent events into the outbox, and wakes their publisher after the commit."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence

from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from whyness_mixpanel import conf, counters, forks
from whyness_mixpanel.backends import locmem
from whyness_mixpanel.faults import is_of_signal, type_name
from whyness_mixpanel.publishing import caller, lateness, memory, parked, relay
from whyness_mixpanel.publishing.condition import Condition
from whyness_mixpanel.publishing.insert import Row, insert, is_in_transaction
from whyness_mixpanel.publishing.mode import Mode, is_testing, mode_of

logger = logging.getLogger("whyness_mixpanel")
unwritable = Condition()


class _Busy(Error):
    """The connection is in the middle of a query that this send interrupts: waiting for it would deadlock."""


def check_no_event_loop() -> None:
    """Raise SynchronousOnlyOperation in an event loop, as Django does, unless its variable allows it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        raise SynchronousOnlyOperation(
            "send() waits for the database. In async code, use 'await event.asend()'."
        )


def send(rows: Sequence[Row], using: str | None = None) -> bool:
    """Write `rows` into the outbox; they are published after the commit.

    Returns:
        Whether each is written and none of them is parked.
    """
    if not rows:
        return True
    try:
        forks.notice()
        connection = transaction.get_connection(using)
        return _send(rows, connection, mode_of(connection))
    except Exception as error:
        if is_of_signal(error):
            raise
        memory.lose(len(rows), f"they could be neither written nor held in memory ({type_name(error)})")
        return False


def _send(rows: Sequence[Row], connection: BaseDatabaseWrapper, mode: Mode) -> bool:
    if mode is Mode.CALLER and conf.BACKEND.get() == "locmem":
        locmem.sent.extend(row.encoded for row in rows)
    try:
        _check_not_busy(connection)
        tell = _write(rows, connection, mode)
    except Exception as error:  # of the database or its driver
        if is_of_signal(error):
            raise
        _hold(rows, connection, mode, error)
        return False
    unwritable.end("The outbox accepts events again.", of=connection.alias)
    memory.losing.end(of=connection.alias)
    reasons = [row.told or row.reason for row in rows if row.reason]
    for reason in reasons:
        parked.tell(1, reason)
    if len(reasons) < len(rows):
        try:
            tell()
        except Exception as error:  # they are written, so a relay or a drain finds them
            if is_of_signal(error):
                raise
            logger.warning(
                "The relay could not be woken: %s. The events are published within a minute.",
                type_name(error),
            )
    return not reasons


def _write(rows: Sequence[Row], connection: BaseDatabaseWrapper, mode: Mode) -> Callable[[], None]:
    """Write `rows`; return the function that has them published."""
    alias = connection.alias
    if not connection.in_atomic_block and is_in_transaction(connection):
        insert(rows, connection)
        # The time of the commit is unknown: a relay finds them within a minute, or a drain does.
        return (lambda: relay.wake(alias, None)) if mode is Mode.THREAD else lambda: None
    if mode is Mode.CALLER:
        batch = caller.Batch.of(connection)
        hook: Callable[[], None] = caller.AtCommit(batch, insert(rows, connection, batch.claim))
    else:
        lowest_id = insert(rows, connection)
        hook = (lambda: relay.wake(alias, lowest_id)) if mode is Mode.THREAD else lambda: _tell_late(alias)
    return lambda: transaction.on_commit(hook, using=alias)


def _check_not_busy(connection: BaseDatabaseWrapper) -> None:
    lock = getattr(connection.connection, "lock", None)  # psycopg's, which is not a recursive one
    if lock is not None and lock.locked():
        raise _Busy


def _hold(rows: Sequence[Row], connection: BaseDatabaseWrapper, mode: Mode, error: Exception) -> None:
    """Publish events that cannot be written from memory, after the commit."""
    alias = connection.alias
    counters.add("unwritten", len(rows))
    if not isinstance(error, _Busy):
        unwritable.begin(
            "The outbox does not accept events: %s. They are published from the memory of this process. "
            "Check the database, and that the app is migrated. The end of this is logged.",
            type_name(error),
            of=alias,
        )
    held = [row for row in rows if not row.reason]
    if len(held) < len(rows):
        memory.lose(len(rows) - len(held), "invalid events could not be parked", of=alias)
    if not held:
        return

    def hook() -> None:
        memory.hold(held)
        if mode is Mode.THREAD:
            relay.wake(None, None)
        else:
            caller.worker.publish_memory()

    if connection.in_atomic_block:
        transaction.on_commit(hook, using=alias)
    elif connection.connection is not None and not connection.autocommit:
        memory.lose(len(held), "the end of their transaction is unknown", of=alias)
    else:
        hook()


def _tell_late(alias: str) -> None:
    if not is_testing():
        lateness.warn_of_late(alias)
