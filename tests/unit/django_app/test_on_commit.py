import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import TestCase

from tests.django_support import published
from whyness_mixpanel import counters
from whyness_mixpanel.backends import locmem
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.publishing.messages import MESSAGE_BYTES

pytestmark = pytest.mark.usefixtures("db")


def send(insert_id: int, using: str | None = None, **fields: Any) -> bool:
    """Send a valid event."""
    return Event(event="Video watched", user="7", insert_id=insert_id, **fields).send(using)


class Undone(Exception):
    """What ends a block that is to be rolled back."""


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction, or within one a savepoint, that is rolled back at the end of the block."""
    with suppress(Undone), transaction.atomic():
        yield
        raise Undone


def raises() -> None:
    """A commit hook of someone else, with a mistake in it."""
    raise RuntimeError


def sent_ids() -> list[int]:
    """Return the insert ids of what has left so far."""
    return [int(event["insert_id"]) for event in published()]


def message_sizes() -> list[int]:
    """Return how many events each message had."""
    return [len(json.loads(body)["events"]) for body in locmem.messages]


def test_an_event_waits_for_the_commit() -> None:
    """Inside the block nothing has left yet; after it everything has."""
    with transaction.atomic():
        assert send(1) is True
        assert sent_ids() == []

    assert sent_ids() == [1]
    assert counters.snapshot()["published"] == 1


def test_events_of_one_transaction_travel_together() -> None:
    """Several calls of send() make one message, in their order, savepoints or not."""
    with transaction.atomic():
        send(1)
        with transaction.atomic():
            send(2)
            with transaction.atomic():
                send(3)
        send(4)

    assert sent_ids() == [1, 2, 3, 4]
    assert message_sizes() == [4]


def test_a_rolled_back_transaction_sends_nothing() -> None:
    """What did not happen is not told."""
    with rolled_back():
        send(1)

    assert sent_ids() == []
    assert counters.snapshot()["failed"] == 0


@pytest.mark.parametrize(
    ("kept_before", "kept_after"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_a_rolled_back_savepoint_sends_nothing_of_its_own(*, kept_before: bool, kept_after: bool) -> None:
    """Its events are gone wherever it stood; those around it travel, still together."""
    with transaction.atomic():
        if kept_before:
            send(1)
        with rolled_back():
            send(2)
            with transaction.atomic():
                send(3)
        if kept_after:
            send(4)

    assert sent_ids() == [1] * kept_before + [4] * kept_after
    assert message_sizes() == ([kept_before + kept_after] if kept_before or kept_after else [])


def test_a_savepoint_rolled_back_by_hand_sends_nothing() -> None:
    """Django keeps its commit hooks, but the rows are gone."""
    with transaction.atomic():
        send(1)
        savepoint = transaction.get_connection().savepoint()
        send(2)
        transaction.savepoint_rollback(savepoint)
        send(3)

    assert sent_ids() == [1, 3]


def test_a_transaction_marked_for_rollback_sends_nothing() -> None:
    """An inner block without a savepoint, that failed, dooms the outer one."""
    with transaction.atomic():
        send(1)
        with suppress(Undone), transaction.atomic(savepoint=False):
            send(2)
            raise Undone

    assert sent_ids() == []


def test_transactions_do_not_mix() -> None:
    """Each has its own messages, also after one that rolled back."""
    with transaction.atomic():
        send(1)
    with rolled_back():
        send(2)
    with transaction.atomic():
        send(3)

    assert sent_ids() == [1, 3]
    assert message_sizes() == [1, 1]


def test_outside_a_transaction_an_event_leaves_at_once() -> None:
    """There is nothing to wait for."""
    assert send(1) is True
    assert sent_ids() == [1]


def test_databases_are_waited_for_one_by_one() -> None:
    """`using` names the transaction that counts; the default database is the default."""
    with transaction.atomic(using="other"):
        send(1, using="other")
        send(2)
        assert sent_ids() == [2]
        with transaction.atomic():
            send(3)
            send(4, using="other")
        assert sent_ids() == [2, 3]

    assert sent_ids() == [2, 3, 1, 4]
    assert message_sizes() == [1, 1, 2]


def test_a_transaction_managed_by_hand_goes_through_the_outbox_only() -> None:
    """The time of the commit is unknown: committed rows wait for the drain, others do not exist."""
    connection = connections["default"]
    connection.ensure_connection()
    connection.set_autocommit(False)
    try:
        assert send(1) is True
        connection.commit()
        assert send(2) is True
        connection.rollback()
    finally:
        connection.set_autocommit(True)

    assert sent_ids() == []
    assert [json.loads(row.encoded)["insert_id"] for row in Outbox.objects.all()] == ["1"]


def test_hooks_of_others_run_beside_ours() -> None:
    """Between two events or after them, before or after ours: each runs once, in its order."""
    ran: list[str] = []

    with transaction.atomic():
        transaction.on_commit(lambda: ran.append("first"))
        send(1)
        transaction.on_commit(lambda: ran.append(f"middle, {len(sent_ids())} sent"))
        send(2)
        transaction.on_commit(lambda: ran.append(f"last, {len(sent_ids())} sent"))

    assert ran == ["first", "middle, 2 sent", "last, 2 sent"]
    assert message_sizes() == [2]


def test_a_later_hook_of_someone_else_that_raises_takes_no_event_with_it() -> None:
    """Ours has run by then."""
    block = transaction.atomic()
    block.__enter__()
    send(1)
    transaction.on_commit(raises)

    with pytest.raises(RuntimeError):
        block.__exit__(None, None, None)

    assert sent_ids() == [1]


def test_an_earlier_robust_hook_of_someone_else_that_raises_takes_no_event_with_it() -> None:
    """Django goes on after a robust hook."""
    with transaction.atomic():
        transaction.on_commit(raises, robust=True)
        send(1)

    assert sent_ids() == [1]


def test_an_earlier_hook_of_someone_else_that_raises_leaves_nothing_behind() -> None:
    """Django drops the hooks after it: these events wait in the outbox, and no later ones."""
    block = transaction.atomic()
    block.__enter__()
    transaction.on_commit(raises)
    send(1)

    with pytest.raises(RuntimeError):
        block.__exit__(None, None, None)
    with transaction.atomic():
        send(2)

    assert sent_ids() == [2]
    assert [json.loads(row.encoded)["insert_id"] for row in Outbox.objects.all()] == ["1"]


def test_a_failing_backend_breaks_no_commit_and_no_other_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page goes on, and so do the hooks after ours."""
    ran: list[int] = []
    monkeypatch.setattr(locmem, "publish", lambda *_, **__: 1 / 0)

    with transaction.atomic():
        assert send(1) is True
        transaction.on_commit(lambda: ran.append(1))

    assert ran == [1]
    assert counters.snapshot()["failed"] == 1


def test_an_event_sent_by_a_commit_hook_leaves_at_once() -> None:
    """There is no transaction any more by then."""
    with transaction.atomic():
        send(1)
        transaction.on_commit(lambda: send(2))

    assert sent_ids() == [1, 2]


def test_a_transaction_of_many_events_is_few_messages() -> None:
    """Three thousand calls of send() in one transaction fill messages to just under 64 KiB."""
    with transaction.atomic():
        for number in range(1, 3_001):
            send(number, data="x" * 100)

    assert sent_ids() == list(range(1, 3_001))
    assert len(locmem.messages) < 12
    assert all(len(body) <= MESSAGE_BYTES for body in locmem.messages)


def test_djangos_test_case_sees_the_events_of_each_capture() -> None:
    """In a TestCase nothing commits; each captureOnCommitCallbacks(execute=True) publishes its own events."""
    with rolled_back():
        send(1)
        with TestCase.captureOnCommitCallbacks(execute=True):
            send(2)
            send(3)
        first = list(sent_ids())
        with TestCase.captureOnCommitCallbacks(execute=True):
            send(4)

    assert first == [2, 3]
    assert sent_ids() == [2, 3, 4]
    assert message_sizes() == [2, 1]
