"""What each port promises, kept by the tests' fakes and by the real edges alike.

The simulations stand on the fakes: where a fake is kinder than the edge, they prove nothing.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.aws_stub import DENIED, EXECUTE, SEND, TABLE, WRITE, AwsStub, always
from tests.builders import NOW_MS
from tests.fakes import (
    FakeClock,
    FakeDeadLetterQueue,
    FakeLog,
    FakePool,
    FakeSourceQueue,
    Late,
    Posted,
    Responder,
    accept,
)
from tests.loopback import LoopbackServer, Request, Response, Trouble
from whyness_events.delivery import aws
from whyness_events.delivery.aws.clients import LazyClient
from whyness_events.delivery.aws.dead_letter_queue import SqsDeadLetterQueue
from whyness_events.delivery.aws.log_table import DynamoDbLog
from whyness_events.delivery.aws.source_queue import SqsSourceQueue
from whyness_events.delivery.clock import SystemClock
from whyness_events.delivery.mixpanel.service_account import FixedCredentials
from whyness_events.delivery.mixpanel.transport.client import MixpanelPool
from whyness_events.delivery.ports import (
    Answer,
    Clock,
    DeadLetter,
    DeadLetterQueue,
    Log,
    SenderPool,
    SetupFault,
    SourceQueue,
)
from whyness_events.log_entry import REDRIVEN_AS, DeliveredRow, LogEntry, LogKey
from whyness_events.outcomes import State

KINDS = ["fake", "real"]
# Long enough for a real server on a busy machine; a fake's clock makes nothing of it.
PATIENCE_S = 30.0
NEVER = float("inf")
EVENTS = [b'{"event":"a","properties":{"$insert_id":"1"}}', b'{"event":"b","properties":{"$insert_id":"2"}}']


def test_each_class_that_implements_a_port_to_aws_is_tried_here() -> None:
    """A second one of a port joins the real ones below: else nothing shows that it keeps its promises."""
    modules = [import_module(f"{aws.__name__}.{module.name}") for module in iter_modules(aws.__path__)]
    promised = [
        {n for n in vars(port) if not n.startswith("_")} for port in (DeadLetterQueue, Log, SourceQueue)
    ]

    found = {
        name
        for module in modules
        for name, made in vars(module).items()
        if isinstance(made, type) and made.__module__ == module.__name__
        if any(methods <= vars(made).keys() for methods in promised)
    }

    assert len(found) >= len(promised)
    assert found - globals().keys() == set()


def aws_client(stub: AwsStub, service: str) -> LazyClient:
    """Return a client that gives up at once."""
    session: Any = boto3.Session("local", "local", region_name="eu-west-1")
    retries: Any = {"mode": "standard", "total_max_attempts": 1}
    config = Config(proxies={}, retries=retries)
    return LazyClient(service, partial(session.client, endpoint_url=stub.server.url, config=config))


# --- SenderPool


class NoCredentials:
    """Credentials that cannot be had."""

    def get(self) -> tuple[str, str]:
        """Raise."""
        raise SetupFault("MIXPANEL_SECRET_ARN: the secret cannot be read")

    def refresh(self) -> bool:
        """Raise."""
        raise SetupFault("MIXPANEL_SECRET_ARN: the secret cannot be read")


@dataclass
class PoolUnderTest:
    """A pool, and the server it posts to.

    Args:
        pool: of either kind.
        respond: what the server answers; a test may change it.
        posted: what reached the server.
        without_credentials: the same kind of pool, with none to be had.
    """

    pool: SenderPool
    respond: Responder
    posted: list[Posted]
    without_credentials: SenderPool

    def wait_for(self, count: int) -> dict[int, Answer]:
        """Wait until so many answers have come."""
        found: dict[int, Answer] = {}
        while len(found) < count:
            answers = self.pool.wait(PATIENCE_S)
            assert answers, f"only {len(found)} of {count} answers came"
            found.update(answers)
        return found


def fake_pool() -> Iterator[PoolUnderTest]:
    """Yield the fake."""
    clock = FakeClock()
    pool = FakePool(clock)
    broken = FakePool(clock, credentials_fault="MIXPANEL_SECRET_ARN: the secret cannot be read")
    world = PoolUnderTest(pool, accept, pool.posted, broken)
    pool.respond = lambda posted: world.respond(posted)  # noqa: PLW0108  (a test may change it)
    yield world


def real_pool() -> Iterator[PoolUnderTest]:
    """Yield the edge and a server that answers as `respond` says."""
    worlds: list[PoolUnderTest] = []
    with LoopbackServer(lambda request: serve(worlds[0], request)) as server:
        pool = MixpanelPool(server.url, "123", FixedCredentials("account", "password"))
        worlds.append(PoolUnderTest(pool, accept, [], MixpanelPool(server.url, "123", NoCredentials())))
        yield worlds[0]
        pool.abandon_all()


def serve(world: PoolUnderTest, request: Request) -> Response | Trouble:
    """Answer a request over the wire as a Responder says."""
    body = gzip.decompress(request.body)
    posted = Posted(json.loads(body), body, 0.0)
    world.posted.append(posted)
    found = world.respond(posted)
    answer, after_s = (found.answer, found.after_s) if isinstance(found, Late) else (found, 0.0)
    if after_s == NEVER:
        return Trouble.DRIP_BODY
    if answer.error:
        return Trouble.RESET
    headers = {"Retry-After": answer.retry_after} if answer.retry_after else {}
    return Response(answer.status, answer.body, headers, after_s)


@pytest.fixture(params=KINDS)
def sender(request: pytest.FixtureRequest) -> Iterator[PoolUnderTest]:
    """A SenderPool of either kind."""
    yield from {"fake": fake_pool, "real": real_pool}[request.param]()


def test_an_answer_comes_back_whole_under_its_ticket(sender: PoolUnderTest) -> None:
    """Status, body and Retry-After are the server's; there is no error."""
    sender.respond = lambda _: Answer(429, b'{"code":429}', "17")

    sender.pool.submit(7, EVENTS, PATIENCE_S)

    assert sender.wait_for(1) == {7: Answer(429, b'{"code":429}', "17")}


def test_events_arrive_as_one_array_in_order(sender: PoolUnderTest) -> None:
    """Byte for byte as they were encoded."""
    sender.pool.submit(1, EVENTS, PATIENCE_S)
    sender.wait_for(1)

    [posted] = sender.posted
    assert posted.body == b"[" + b",".join(EVENTS) + b"]"
    assert posted.insert_ids == ["1", "2"]


def test_several_requests_are_under_way_at_once(sender: PoolUnderTest) -> None:
    """Each answer finds its ticket, whatever the order."""
    sender.respond = lambda posted: Answer(200, posted.insert_ids[0].encode())

    for ticket in range(5):
        sender.pool.submit(ticket, [EVENTS[ticket % 2]], PATIENCE_S)

    found = sender.wait_for(5)
    assert {ticket: answer.body for ticket, answer in found.items()} == {
        ticket: b"12"[ticket % 2 : ticket % 2 + 1] for ticket in range(5)
    }


def test_waiting_ends_without_an_answer(sender: PoolUnderTest) -> None:
    """Also with nothing under way: the caller's time is the caller's."""
    nothing_under_way = sender.pool.wait(0.01)
    sender.respond = lambda posted: Late(accept(posted), NEVER)
    sender.pool.submit(1, EVENTS, PATIENCE_S)

    assert nothing_under_way == []
    assert sender.pool.wait(0.01) == []
    sender.pool.abandon(1)


def test_a_failed_connection_is_an_answer_without_status(sender: PoolUnderTest) -> None:
    """It says why in words, and never raises."""
    sender.respond = lambda _: Answer(0, error="connection failed")

    sender.pool.submit(1, EVENTS, PATIENCE_S)

    answer = sender.wait_for(1)[1]
    assert answer.status == 0
    assert answer.error != ""


def test_an_answer_later_than_its_time_is_none(sender: PoolUnderTest) -> None:
    """After `timeout_s` the request is over, with an error."""
    sender.respond = lambda posted: Late(accept(posted), PATIENCE_S)

    sender.pool.submit(1, EVENTS, 0.2)

    answer = sender.wait_for(1)[1]
    assert (answer.status, answer.body) == (0, b"")
    assert answer.error != ""


def test_an_abandoned_request_is_never_answered(sender: PoolUnderTest) -> None:
    """And a new request under its ticket gets only its own answer."""
    sender.respond = lambda posted: Late(accept(posted), NEVER)
    sender.pool.submit(1, EVENTS, PATIENCE_S)
    sender.pool.wait(0.01)

    sender.pool.abandon(1)
    sender.respond = lambda _: Answer(200, b"second")
    sender.pool.submit(1, EVENTS, PATIENCE_S)

    assert sender.wait_for(1) == {1: Answer(200, b"second")}
    assert sender.pool.wait(0.1) == []


def test_all_that_is_under_way_can_be_abandoned(sender: PoolUnderTest) -> None:
    """At the end of an invocation nothing is left that could answer in the next."""
    sender.respond = lambda posted: Late(accept(posted), NEVER)
    for ticket in range(3):
        sender.pool.submit(ticket, EVENTS, PATIENCE_S)

    for ticket in range(3):
        sender.pool.abandon(ticket)

    assert sender.pool.wait(0.1) == []


def test_missing_credentials_are_a_setup_fault(sender: PoolUnderTest) -> None:
    """Raised where the request is handed in, in words for an operator."""
    with pytest.raises(SetupFault, match="MIXPANEL_SECRET_ARN"):
        sender.without_credentials.submit(1, EVENTS, PATIENCE_S)

    assert sender.posted == []
    assert sender.without_credentials.wait(0.01) == []


# --- DeadLetterQueue


@dataclass
class QueueUnderTest:
    """A dead-letter queue of either kind.

    Args:
        port: the port.
        clock: for deadlines.
        stored: returns the bodies that the queue holds, in order.
        refuse: makes the queue refuse dead letters of this body.
        fail: makes every call fail.
    """

    port: DeadLetterQueue
    clock: Clock
    stored: Callable[[], list[str]]
    refuse: Callable[[str], None]
    fail: Callable[[], None]

    def send(self, dead_letters: Sequence[DeadLetter], *, in_s: float = PATIENCE_S) -> list[str | None]:
        """Send with a deadline that is so far away."""
        return self.port.send(dead_letters, deadline_s=self.clock.monotonic_s() + in_s)


def fake_queue() -> Iterator[QueueUnderTest]:
    """Yield the fake."""
    clock = FakeClock()
    queue = FakeDeadLetterQueue(clock)

    def refuse(body: str | None) -> None:
        queue.refuse = lambda dead_letter: body is None or dead_letter.body == body

    stored = lambda: [dead_letter.body for dead_letter in queue.sent]  # noqa: E731  (one line says it)
    yield QueueUnderTest(queue, clock, stored, refuse, partial(refuse, None))


def real_queue() -> Iterator[QueueUnderTest]:
    """Yield the edge over the stub."""
    with AwsStub() as stub:
        clock = SystemClock()
        queue = SqsDeadLetterQueue(stub.dead_letter_queue_url, aws_client(stub, "sqs"), clock)

        def refuse(body: str) -> None:
            stub.refuse_entry = lambda entry: entry["MessageBody"] == body

        yield QueueUnderTest(
            port=queue,
            clock=clock,
            stored=lambda: [dead_letter.body for dead_letter in stub.dead_letters],
            refuse=refuse,
            fail=lambda: stub.scripts.update({SEND: always(DENIED)}),
        )


@pytest.fixture(params=KINDS)
def queue(request: pytest.FixtureRequest) -> Iterator[QueueUnderTest]:
    """A dead-letter queue of either kind."""
    yield from {"fake": fake_queue, "real": real_queue}[request.param]()


def make_dead_letter(body: str, **attributes: str) -> DeadLetter:
    """Return a dead letter."""
    return DeadLetter(body, attributes or {"reason": "rejected"}, LogKey("pk", "sk"))


@pytest.mark.parametrize("count", [0, 1, 10, 11, 25])
def test_each_confirmed_dead_letter_has_a_message_id_of_its_own(queue: QueueUnderTest, count: int) -> None:
    """In the order of the dead letters, however many calls it takes."""
    dead_letters = [make_dead_letter(f"body {number}") for number in range(count)]

    found = queue.send(dead_letters)

    assert len(found) == count
    assert len(set(found)) == count
    assert None not in found
    assert queue.stored() == [dead_letter.body for dead_letter in dead_letters]


def test_a_refused_dead_letter_has_none_and_its_neighbours_have_theirs(queue: QueueUnderTest) -> None:
    """What SQS reports as failed is not confirmed."""
    queue.refuse("body 3")

    found = queue.send([make_dead_letter(f"body {number}") for number in range(12)])

    assert [number for number, message_id in enumerate(found) if message_id is None] == [3]
    assert "body 3" not in queue.stored()


def test_a_queue_that_fails_confirms_nothing(queue: QueueUnderTest) -> None:
    """It does not raise: what is not confirmed comes back."""
    queue.fail()

    found = queue.send([make_dead_letter(f"body {number}") for number in range(12)])

    assert found == [None] * 12
    assert queue.stored() == []


def test_dead_letters_that_are_larger_together_than_a_call_go_in_several(queue: QueueUnderTest) -> None:
    """The sum of a call has a limit, too."""
    dead_letters = [make_dead_letter(str(number) + "x" * 300_000) for number in range(8)]

    found = queue.send(dead_letters)

    assert None not in found
    assert queue.stored() == [dead_letter.body for dead_letter in dead_letters]


@pytest.mark.parametrize(("over_bytes", "is_stored"), [(0, True), (1, False)])
def test_body_and_attributes_together_have_a_limit_to_the_byte(
    queue: QueueUnderTest, *, over_bytes: int, is_stored: bool
) -> None:
    """A dead letter above it is not confirmed; its neighbours are."""
    empty = make_dead_letter("", reason="rejected", detail="語")
    large = make_dead_letter(
        "x" * (1_048_576 - empty.size_bytes + over_bytes), reason="rejected", detail="語"
    )

    found = queue.send([make_dead_letter("before"), large, make_dead_letter("after")])

    assert [message_id is not None for message_id in found] == [True, is_stored, True]


def test_an_empty_body_is_not_confirmed(queue: QueueUnderTest) -> None:
    """SQS takes none."""
    found = queue.send([make_dead_letter(""), make_dead_letter("body")])

    assert [message_id is not None for message_id in found] == [False, True]


def test_after_the_deadline_no_dead_letter_goes(queue: QueueUnderTest) -> None:
    """Time is up: what did not go is not confirmed."""
    found = queue.send([make_dead_letter("body")], in_s=-1.0)

    assert found == [None]
    assert queue.stored() == []


# --- Log


@dataclass
class TableUnderTest:
    """A Log table of either kind.

    Args:
        port: the port.
        clock: for deadlines.
        rows: what the table holds, by key.
        lose: makes the table never take the row with this partition key.
        fail: makes every call fail.
    """

    port: Log
    clock: Clock
    rows: dict[tuple[str, str], dict[str, Any]]
    lose: Callable[[str], None]
    fail: Callable[[], None]

    def write(self, entries: Sequence[LogEntry], *, in_s: float = PATIENCE_S) -> list[bool]:
        """Write with a deadline that is so far away."""
        return self.port.write(entries, deadline_s=self.clock.monotonic_s() + in_s)

    def mark(self, keys: Sequence[LogKey], *, event: LogKey | None = None, in_s: float = PATIENCE_S) -> int:
        """Mark the rows as delivered, each by its own event or by another one, with so far a deadline."""
        rows = [DeliveredRow(key, event or key) for key in keys]
        return self.port.mark_delivered(rows, now_ms=NOW_MS, deadline_s=self.clock.monotonic_s() + in_s)


def fake_table() -> Iterator[TableUnderTest]:
    """Yield the fake."""
    clock = FakeClock()
    log = FakeLog(clock)

    def lose(pk: str | None) -> None:
        log.lose = lambda entry: pk is None or entry.key.pk == pk

    yield TableUnderTest(log, clock, log.rows, lose, partial(lose, None))


def real_table() -> Iterator[TableUnderTest]:
    """Yield the edge over the stub."""
    with AwsStub() as stub:
        clock = SystemClock()
        log = DynamoDbLog(TABLE, aws_client(stub, "dynamodb"), clock)

        def lose(pk: str) -> None:
            stub.leave_out = lambda item: item["pk"]["S"] == pk

        fail = lambda: stub.scripts.update({WRITE: always(DENIED), EXECUTE: always(DENIED)})  # noqa: E731  (one line says it)
        yield TableUnderTest(log, clock, stub.rows, lose, fail)


@pytest.fixture(params=KINDS)
def table(request: pytest.FixtureRequest) -> Iterator[TableUnderTest]:
    """A Log table of either kind."""
    yield from {"fake": fake_table, "real": real_table}[request.param]()


def make_entry(pk: str, sk: str = "sk", **fields: Any) -> LogEntry:
    """Return a row."""
    described = {"reason": "rejected", "detail": "time: found null", "last_failed_at_ms": NOW_MS, **fields}
    return LogEntry(LogKey(pk, sk), **described)


@pytest.mark.parametrize("count", [0, 1, 25, 26, 60])
def test_every_row_is_stored_as_it_describes_itself(table: TableUnderTest, count: int) -> None:
    """However many calls it takes."""
    entries = [make_entry(f"id-{number}", http_status=400, event="語") for number in range(count)]

    found = table.write(entries)

    assert found == [True] * count
    assert table.rows == {(e.key.pk, e.key.sk): e.to_item() for e in entries}


def test_equal_keys_are_one_row_the_last(table: TableUnderTest) -> None:
    """And each of them counts as stored."""
    entries = [make_entry("id-1", detail="first"), make_entry("id-2"), make_entry("id-1", detail="last")]

    found = table.write(entries)

    assert found == [True] * 3
    assert table.rows["id-1", "sk"]["detail"] == "last"
    assert len(table.rows) == 2


def test_a_row_again_replaces_itself(table: TableUnderTest) -> None:
    """A redelivered failure does not pile up."""
    table.write([make_entry("id-1", attempts=1)])

    table.write([make_entry("id-1", attempts=2)])

    assert [row["attempts"] for row in table.rows.values()] == [2]


def test_a_row_the_table_never_takes_is_lost_alone(table: TableUnderTest) -> None:
    """Its neighbours are stored."""
    table.lose("id-3")

    found = table.write([make_entry(f"id-{number}") for number in range(30)])

    assert [number for number, stored in enumerate(found) if not stored] == [3]
    assert len(table.rows) == 29


def test_a_table_that_fails_stores_nothing_and_raises_nothing(table: TableUnderTest) -> None:
    """A failing Log is a count."""
    table.fail()

    found = table.write([make_entry("id-1"), make_entry("id-2")])

    assert found == [False, False]
    assert table.rows == {}


def test_after_the_deadline_no_row_is_written(table: TableUnderTest) -> None:
    """Time is up."""
    found = table.write([make_entry("id-1")], in_s=-1.0)

    assert found == [False]
    assert table.rows == {}


@pytest.mark.parametrize("count", [0, 1, 25, 26, 60])
def test_rows_become_delivered_however_many(table: TableUnderTest, count: int) -> None:
    """With the moment; the rest of the row stays."""
    entries = [make_entry(f"id-{number}") for number in range(count)]
    table.write(entries)

    lost = table.mark([entry.key for entry in entries])

    told = {"state": "delivered", "delivered_at": NOW_MS}
    assert lost == 0
    assert table.rows == {(e.key.pk, e.key.sk): e.to_item() | told for e in entries}


def test_a_row_that_is_missing_or_delivered_already_is_no_loss(table: TableUnderTest) -> None:
    """Nothing is made, and the first moment stays."""
    done = make_entry("id-1", state="delivered")
    table.write([done])

    lost = table.mark([done.key, LogKey("id-2", "sk")])

    assert lost == 0
    assert table.rows == {("id-1", "sk"): done.to_item()}


@pytest.mark.parametrize("redriven_as", ["", "other/0000000000000000", "new/1111111111111111"])
def test_a_row_becomes_delivered_by_another_event_only_if_it_names_it(
    table: TableUnderTest, redriven_as: str
) -> None:
    """An edit changes an event's key, and anybody may name a row."""
    entry, event = make_entry("id-1"), LogKey("new", "1" * 16)
    table.write([entry])
    if redriven_as:
        table.rows["id-1", "sk"][REDRIVEN_AS] = redriven_as

    lost = table.mark([entry.key], event=event)

    assert lost == 0
    is_named = redriven_as == str(event)
    assert table.rows["id-1", "sk"]["state"] == (State.DELIVERED if is_named else State.DEAD)


def test_a_row_that_cannot_be_marked_is_lost_alone(table: TableUnderTest) -> None:
    """Its neighbours are delivered."""
    entries = [make_entry(f"id-{number}") for number in range(30)]
    table.write(entries)
    table.lose("id-3")

    lost = table.mark([entry.key for entry in entries])

    assert lost == 1
    assert [pk for (pk, _), row in table.rows.items() if row["state"] == "dead"] == ["id-3"]


def test_a_table_that_fails_marks_nothing_and_raises_nothing(table: TableUnderTest) -> None:
    """A failing Log is a count."""
    table.write([make_entry("id-1")])
    table.fail()

    assert table.mark([LogKey("id-1", "sk")]) == 1
    assert table.rows["id-1", "sk"]["state"] == "dead"


def test_after_the_deadline_no_row_is_marked(table: TableUnderTest) -> None:
    """Time is up."""
    table.write([make_entry("id-1")])

    assert table.mark([LogKey("id-1", "sk")], in_s=-1.0) == 1
    assert table.rows["id-1", "sk"]["state"] == "dead"


# --- SourceQueue


@dataclass
class SourceUnderTest:
    """A source queue of either kind.

    Args:
        port: the port.
        clock: for deadlines.
        delays: seconds by receipt handle.
        deleted: receipt handles.
    """

    port: SourceQueue
    clock: Clock
    delays: dict[str, int]
    deleted: list[str]


def fake_source() -> Iterator[SourceUnderTest]:
    """Yield the fake."""
    clock = FakeClock()
    queue = FakeSourceQueue(clock=clock)
    yield SourceUnderTest(queue, clock, queue.delays, queue.deleted)


def real_source() -> Iterator[SourceUnderTest]:
    """Yield the edge over the stub."""
    with AwsStub() as stub:
        clock = SystemClock()
        queue = SqsSourceQueue(stub.queue_url, aws_client(stub, "sqs"), clock)
        yield SourceUnderTest(queue, clock, stub.delays, stub.deleted)


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest) -> Iterator[SourceUnderTest]:
    """A source queue of either kind."""
    yield from {"fake": fake_source, "real": real_source}[request.param]()


@pytest.mark.parametrize("count", [0, 1, 10, 11, 25])
def test_records_are_hidden_and_deleted_however_many(source: SourceUnderTest, count: int) -> None:
    """In as many calls as it takes."""
    delays = {f"receipt-{number}": number for number in range(count)}
    deadline_s = source.clock.monotonic_s() + PATIENCE_S

    hidden = source.port.delay(list(delays.items()), deadline_s=deadline_s)
    deleted = source.port.delete(list(delays), deadline_s=deadline_s)

    assert (hidden, deleted) == (count, count)
    assert source.delays == delays
    assert source.deleted == list(delays)


def test_after_the_deadline_nothing_is_hidden_or_deleted(source: SourceUnderTest) -> None:
    """Time is up: nothing is confirmed."""
    deadline_s = source.clock.monotonic_s() - 1.0

    assert source.port.delay([("receipt", 1)], deadline_s=deadline_s) == 0
    assert source.port.delete(["receipt"], deadline_s=deadline_s) == 0
    assert (source.delays, source.deleted) == ({}, [])
