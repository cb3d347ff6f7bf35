import asyncio
import json
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from botocore.exceptions import ClientError
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, transaction
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.django_support import override, published, write
from whyness_events import InvalidEvent
from whyness_mixpanel import counters, send_many, signals
from whyness_mixpanel.backends import Answer, all_of, locmem
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.publishing import memory, outbox
from whyness_mixpanel.publishing.drain import drain

pytestmark = pytest.mark.usefixtures("db")


def make_event(insert_id: int = 1, **fields: Any) -> Event:
    """Return a valid event."""
    defaults: dict[str, Any] = {"event": "Video watched", "user": "7", "insert_id": insert_id}
    return Event(**defaults | fields)


def waiting() -> list[str]:
    """Return the insert ids of the rows in the outbox."""
    rows = Outbox.objects.order_by("id").values_list("encoded", flat=True)
    return [json.loads(encoded)["insert_id"] for encoded in rows]


def fail(*_: object, **__: object) -> Answer:
    """Be a backend that is down."""
    raise TimeoutError


def drop_table() -> None:
    """Take the outbox away, as where the app is not migrated."""
    with connection.schema_editor() as editor:
        editor.delete_model(Outbox)


def make_table() -> None:
    """Put it back."""
    with connection.schema_editor() as editor:
        editor.create_model(Outbox)


@pytest.fixture
def no_table() -> Any:
    """The outbox is not there."""
    drop_table()
    yield
    make_table()


def test_a_published_event_leaves_no_row() -> None:
    """The outbox is empty while all is well; before the commit the row is in the transaction."""
    with transaction.atomic():
        assert make_event().send() is True
        assert waiting() == ["1"]

    assert [event["insert_id"] for event in published()] == ["1"]
    assert waiting() == []


@pytest.mark.parametrize("in_transaction", [True, False])
def test_an_event_that_the_queue_does_not_take_waits(
    *, in_transaction: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact bytes, the mode and the user are kept; nothing is lost."""
    monkeypatch.setattr(locmem, "publish", fail)
    event = make_event()

    with override(IDENTITY="simplified"), transaction.atomic() if in_transaction else nullcontext():
        is_written = event.send()

    row = Outbox.objects.get()
    assert (row.encoded, row.identity, row.user, row.state) == (event.json(), "simplified", "7", "pending")
    assert is_written is True
    assert counters.snapshot()["lost"] == 0


@pytest.mark.usefixtures("no_table")
def test_without_the_table_the_page_goes_on_and_the_hook_publishes() -> None:
    """It is counted, the transaction lives, and what is rolled back is still not sent."""
    with transaction.atomic():
        assert make_event(1).send() is False
        with suppress(ZeroDivisionError), transaction.atomic():
            make_event(2).send()
            raise ZeroDivisionError

    assert [event["insert_id"] for event in published()] == ["1"]
    assert (counters.snapshot()["unwritten"], counters.snapshot()["lost"]) == (2, 0)


@pytest.mark.usefixtures("no_table")
def test_an_event_that_neither_outbox_nor_queue_nor_memory_takes_is_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is held while there is room and tried again; a full memory is one ERROR, however many are lost."""
    monkeypatch.setattr(locmem, "publish", fail)
    monkeypatch.setattr(memory, "MOST_EVENTS", 2)

    assert [make_event(number).send() for number in range(1, 33)] == [False] * 32

    assert counters.snapshot()["lost"] == 30
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert "wait in the outbox" not in caplog.text


def test_a_full_disk_breaks_no_page() -> None:
    """SQLite with no page left for the row: the hook alone publishes."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # else there may be free pages
        cursor.execute("PRAGMA page_count")
        page_count = cursor.fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {page_count}")
        try:
            with transaction.atomic():
                is_safe = make_event(data="x" * 500_000).send()
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")

    assert (is_safe, len(published())) == (False, 1)
    assert counters.snapshot()["unwritten"] == 1


def test_ten_thousand_sends_in_one_transaction_cost_one_statement_each() -> None:
    """After the commit a constant number, whatever the number of events."""
    with CaptureQueriesContext(connection) as few, transaction.atomic():
        for number in range(1, 11):
            make_event(number).send()
    connection.force_debug_cursor = False
    for_ten = len(few)

    with transaction.atomic():
        for number in range(1, 10_001):
            make_event(number).send()

    assert for_ten <= 10 + 6
    assert len(published()) == 10_010
    assert (waiting(), len(locmem.messages) < 60) == ([], True)


def test_send_many_writes_with_few_queries_and_publishes_together() -> None:
    """A thousand events are a handful of statements."""
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        assert send_many(make_event(number) for number in range(1, 1_001)) is True

    assert len(queries) < 25  # SQLite takes a hundred rows per statement
    assert len(published()) == 1_000
    assert Event.send_many([]) is True


def test_send_many_sends_none_where_one_raises() -> None:
    """A developer's mistake is seen before anything has left."""
    with pytest.raises(InvalidEvent):
        send_many([make_event(1), make_event(2, event="")])

    assert published() == []


def test_an_invalid_event_is_parked_with_its_reason() -> None:
    """In production: kept for a person, and its neighbours travel."""
    told: list[tuple[int, str]] = []

    def note(count: int, reason: str, **_: object) -> None:
        told.append((count, reason))

    signals.event_parked.connect(note)
    circular: dict[str, Any] = {}
    circular["again"] = circular

    with override(BACKEND="dummy", RAISE_INVALID=False):
        sent = send_many([make_event(1), make_event(2, data=object()), make_event(useragent=circular)])

    rows = list(Outbox.objects.order_by("id"))
    assert sent is False
    assert [row.state for row in rows] == ["parked", "parked"]
    assert json.loads(rows[0].encoded)["insert_id"] == "2"
    assert [row.reason.split(":")[0] for row in rows] == ["data", "useragent"]
    assert [count for count, _ in told] == [1, 1]


def test_a_signal_tells_what_was_published_and_what_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the team's own metrics; a receiver that raises breaks nothing."""
    told: list[tuple[str, int]] = []

    def note_published(count: int, **_: object) -> None:
        told.append(("published", count))
        raise RuntimeError

    def note_failed(count: int, fault: str, **_: object) -> None:
        told.append((fault, count))

    signals.event_published.connect(note_published)
    signals.publish_failed.connect(note_failed)

    assert make_event(1).send() is True
    monkeypatch.setattr(locmem, "publish", fail)
    make_event(2).send()

    assert told == [("published", 1), ("TimeoutError", 1)]


def test_in_an_event_loop_send_says_what_to_use() -> None:
    """It would block the loop; `asend()` is the same thing without that."""

    async def view() -> bool:
        with pytest.raises(SynchronousOnlyOperation, match=r"await event\.asend\(\)"):
            make_event(1).send()
        return await make_event(2).asend()

    assert asyncio.run(view()) is True
    assert [event["insert_id"] for event in published()] == ["2"]


def test_asend_belongs_to_the_transaction_of_the_view() -> None:
    """A synchronous block called from async code is one transaction still."""

    def block() -> None:
        with transaction.atomic():
            make_event(1).send()

    async def view() -> None:
        await sync_to_async(block)()

    asyncio.run(view())

    assert [event["insert_id"] for event in published()] == ["1"]


def test_a_claim_goes_to_one() -> None:
    """A claimed row belongs to its claim until the lease ends; then another claim may take it."""
    write([Outbox(encoded="{}", identity="distinct_id") for _ in range(3)])

    first = outbox.claim_oldest("default", count=2)
    others = outbox.claim_oldest("default", count=5)
    Outbox.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    freed = outbox.claim_oldest("default", count=5)
    outbox.delete([row.id for row in first.rows], first)

    assert (len(first.rows), len(others.rows), len(freed.rows)) == (2, 1, 3)
    assert (first.is_full, others.is_full) == (True, False)
    assert Outbox.objects.count() == 3


@pytest.mark.parametrize("moved", [timedelta(days=365), timedelta(minutes=6)])
def test_a_lease_or_a_row_of_a_clock_that_is_ahead_stops_nobody(moved: timedelta) -> None:
    """No claim lasts so long, so such a lease is ignored, and such a row is due."""
    ahead = timezone.now() + moved
    rows = [Outbox(encoded="{}", identity="d", created_at=ahead, claimed_until=ahead) for _ in range(3)]
    write(rows)

    assert outbox.is_due("default", 0) is True
    assert len(outbox.claim_oldest("default").rows) == 3


def test_rows_are_due_once_they_are_gathered() -> None:
    """By the clock of the database; where there is none, nobody is told to come again."""
    nothing = outbox.is_due("default", 0)
    write([Outbox(encoded="{}", identity="d", created_at=timezone.now() + timedelta(seconds=-1))])
    old = outbox.is_due("default", 0)
    Outbox.objects.all().delete()
    write([Outbox(encoded="{}", identity="d")])
    young = outbox.is_due("default", 0)

    assert (nothing, old, young) == (None, True, False)


def test_what_was_not_taken_is_free_later_the_later_the_more_often() -> None:
    """One second, doubling to thirty, with jitter; it ends by itself."""
    write([Outbox(encoded="{}", identity="d", attempts=attempts) for attempts in (0, 2, 90)])
    claim = outbox.claim_oldest("default")

    longest_s = outbox.free_later(claim.rows, claim)

    now = timezone.now()
    times = Outbox.objects.order_by("id").values_list("claimed_until", flat=True)
    delays_s = [(until - now).total_seconds() for until in times if until]
    assert [0.5 < delays_s[0] <= 1, 2.5 < delays_s[1] <= 4, 20 < delays_s[2] <= 30] == [True] * 3
    assert longest_s <= 30
    assert not outbox.claim_oldest("default").rows
    assert len(outbox.claim_oldest("default", even_delayed=True).rows) == 3


def test_a_claim_begins_where_it_is_told() -> None:
    """Lower rows are skipped; a row older than five minutes is marked as old."""
    long_ago = timezone.now() - timedelta(minutes=6)
    write([Outbox(encoded=str(n), identity="d", created_at=long_ago) for n in range(3)])
    second = Outbox.objects.order_by("id")[1].pk

    claim = outbox.claim_oldest("default", from_id=second)

    assert [(row.encoded, row.is_old, row.attempts) for row in claim.rows] == [("1", True, 1), ("2", True, 1)]


def test_a_claim_is_bounded_in_bytes() -> None:
    """Memory holds a few large events, not a batch of them; a single one larger than that goes alone."""
    write([Outbox(encoded="x" * 1_000, identity="d") for _ in range(3)])

    two = outbox.claim_oldest("default", count=10, max_bytes=2_000)
    alone = outbox.claim_oldest("default", count=10, max_bytes=10)

    assert (len(two.rows), len(alone.rows)) == (2, 1)
    assert two.is_full


@pytest.mark.parametrize(
    "damaged", ["{", "", "[]", "7", f'{{"n":{"9" * 5_000}}}', "[" * 5_000 + "]" * 5_000, '{"a":' * 5_000]
)
def test_a_damaged_row_is_parked_and_its_neighbours_go(damaged: str) -> None:
    """By a drain as by a relay; receivers of the site's own for the model are not asked."""

    def object_to(**_: object) -> None:
        raise RuntimeError

    good = [Outbox(encoded=make_event(n).json(), identity="distinct_id") for n in (1, 2)]
    write([good[0], Outbox(encoded=damaged, identity="distinct_id"), good[1]])
    post_delete.connect(object_to, sender=Outbox)
    try:
        done = drain("default", claim_rows=10)
    finally:
        post_delete.disconnect(object_to, sender=Outbox)

    assert (done.published, done.withheld) == (2, 1)
    assert Outbox.objects.get().state == "parked"


def test_a_signal_handler_that_sends_while_it_counts_does_not_hang() -> None:
    """It runs in the thread that holds the lock."""
    with counters._lock:
        assert make_event().send() is True


def test_an_event_belongs_to_the_transaction_of_the_database_that_is_named() -> None:
    """Its row is there, and what is rolled back there is not sent, whatever the default database does."""
    with transaction.atomic():
        with suppress(ZeroDivisionError), transaction.atomic(using="other"):
            make_event(1).send(using="other")
            raise ZeroDivisionError
        with transaction.atomic(using="other"):
            assert make_event(2).send(using="other") is True
            assert (Outbox.objects.using("other").count(), waiting(), published()) == (1, [], [])
        assert [event["insert_id"] for event in published()] == ["2"]

    assert Outbox.objects.using("other").count() == 0


@pytest.mark.parametrize("poison", [1, 17, 60])
def test_an_event_for_which_the_queue_refuses_whole_calls_is_soon_alone(
    poison: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing says which event is to blame: each attempt divides those that were refused together."""
    calls: list[int] = []

    def refuse(bodies: Sequence[str], **_: object) -> Answer:
        calls.append(len(bodies))
        if any(f'"insert_id":"{poison}"' in body for body in bodies):
            raise ClientError({"Error": {"Code": "UnsupportedOperation"}}, "SendMessageBatch")
        return all_of(bodies)

    write([Outbox(encoded=make_event(n).json(), identity="distinct_id") for n in range(1, 61)])
    monkeypatch.setattr(locmem, "publish", refuse)
    for _ in range(5):
        drain("default", claim_rows=500)

    assert waiting() == [str(poison)]
    assert len(calls) < 20
