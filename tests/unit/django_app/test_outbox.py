import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.django_support import override, published
from whyness_events import InvalidEvent
from whyness_mixpanel import counters, live, outbox, send_many, signals
from whyness_mixpanel.backends import Answer, locmem
from whyness_mixpanel.models import Event, Outbox

pytestmark = pytest.mark.usefixtures("db")


def make_event(insert_id: int = 1, **fields: Any) -> Event:
    """Return a valid event."""
    defaults: dict[str, Any] = {"event": "Video watched", "user": "7", "insert_id": insert_id}
    return Event(**defaults | fields)


def waiting() -> list[str]:
    """Return the insert ids of the rows in the outbox."""
    rows = Outbox.objects.order_by("id").values_list("encoded", flat=True)
    return [json.loads(encoded)["insert_id"] for encoded in rows]


def fail(_: object) -> Answer:
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
@pytest.mark.parametrize("mode", ["always", "on_failure"])
def test_an_event_that_the_queue_does_not_take_waits(
    mode: str, *, in_transaction: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact bytes, the mode and the user are kept; nothing is lost."""
    monkeypatch.setattr(locmem, "publish", fail)
    event = make_event()

    with override(OUTBOX=mode, IDENTITY="simplified"):
        if in_transaction:
            with transaction.atomic():
                is_safe = event.send()
        else:
            is_safe = event.send()

    row = Outbox.objects.get()
    assert (row.encoded, row.identity, row.user, row.state) == (event.json(), "simplified", "7", "pending")
    assert is_safe == (mode == "always" or not in_transaction)
    assert counters.snapshot()["lost"] == 0


def test_with_on_failure_a_transaction_writes_no_row_and_a_rolled_back_savepoint_sends_nothing() -> None:
    """The hooks of nested blocks decide what travels; True is not said before anything is safe."""
    with override(OUTBOX="on_failure"), transaction.atomic():
        assert make_event(1).send() is False
        with suppress(ZeroDivisionError), transaction.atomic():
            make_event(2).send()
            raise ZeroDivisionError
        make_event(3).send()
        assert waiting() == []

    assert [event["insert_id"] for event in published()] == ["1", "3"]
    assert len(locmem.messages) == 1


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
def test_an_event_that_neither_queue_nor_outbox_takes_is_counted_as_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """send() has said False."""
    monkeypatch.setattr(locmem, "publish", fail)

    assert make_event().send() is False

    assert counters.snapshot()["lost"] == 1


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


def test_ten_thousand_sends_in_one_transaction_cost_three_statements_each() -> None:
    """A savepoint, a row, its release; after the commit a constant number, whatever the number of events."""
    with CaptureQueriesContext(connection) as few, transaction.atomic():
        for number in range(1, 11):
            make_event(number).send()
    connection.force_debug_cursor = False
    for_ten = len(few)

    with transaction.atomic():
        for number in range(1, 10_001):
            make_event(number).send()

    assert for_ten <= 10 * 3 + 10
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
        sent = send_many([make_event(1), make_event(2, data=timezone.now()), make_event(useragent=circular)])

    rows = list(Outbox.objects.order_by("id"))
    assert sent is False
    assert [row.state for row in rows] == ["parked", "parked"]
    assert json.loads(rows[0].encoded)["insert_id"] == "2"
    assert (rows[0].reason.split(":")[0], rows[1].encoded) == ("data", "{}")
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


def test_old_events_are_taken_along_by_a_page_that_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message of them, and only rows that nobody is publishing."""
    for number, age_s in ((1, 3_600), (2, 1)):
        Outbox.objects.create(
            encoded=make_event(number).json(),
            identity="distinct_id",
            created_at=timezone.now() - timedelta(seconds=age_s),
        )
    monkeypatch.setattr(live, "_last_look_s", -1_000.0)

    with transaction.atomic():
        make_event(3).send()

    assert [event["insert_id"] for event in published()] == ["3", "1"]
    assert waiting() == ["2"]


def test_a_claim_goes_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is claimed is nobody else's until the lease is over; then it is free again."""
    outbox.write([Outbox(encoded="{}", identity="distinct_id") for _ in range(3)], "default")

    later = timezone.now() + timedelta(hours=1)

    claim, rows = outbox.claim_oldest("default", count=2)
    _, others = outbox.claim_oldest("default", count=5)
    monkeypatch.setattr(timezone, "now", lambda: later)
    _, freed = outbox.claim_oldest("default", count=5)
    outbox.delete([row.id for row in rows], claim, "default")

    assert (len(rows), len(others), len(freed)) == (2, 1, 3)
    assert Outbox.objects.count() == 3  # the claim had been lost


def test_rows_that_another_takes_between_the_look_and_the_claim_are_its_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two drains that saw the same rows publish each of them once."""
    outbox.write([Outbox(encoded="{}", identity="distinct_id") for _ in range(3)], "default")
    look, others = outbox._oldest_free, list[outbox.Waiting]()

    def overtaken(*arguments: Any) -> list[int]:
        found = look(*arguments)
        monkeypatch.setattr(outbox, "_oldest_free", look)
        others.extend(outbox.claim_oldest("default", count=2)[1])
        return found

    monkeypatch.setattr(outbox, "_oldest_free", overtaken)

    _, rows = outbox.claim_oldest("default", count=3)

    assert len(others) == 2
    assert {row.id for row in rows}.isdisjoint(row.id for row in others)
    assert len(rows) == 1


def test_a_claim_is_bounded_in_bytes() -> None:
    """Memory holds a few large events, not a batch of them; a single one larger than that goes alone."""
    outbox.write([Outbox(encoded="x" * 1_000, identity="d") for _ in range(3)], "default")

    _, two = outbox.claim_oldest("default", count=10, max_bytes=2_000)
    _, alone = outbox.claim_oldest("default", count=10, max_bytes=10)

    assert (len(two), len(alone)) == (2, 1)


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
