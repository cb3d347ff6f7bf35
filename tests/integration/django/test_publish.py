"""`Event.send()` against SQS as it is, and as it is on bad days."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import transaction

from local.emulator import Account
from tests.aws_stub.sqs_rules import digests
from tests.integration.django.conftest import Publishing
from whyness_events import decode_message, parse_event
from whyness_mixpanel import counters
from whyness_mixpanel.models import Event, Outbox

NOW_MS = 1_763_900_000_000
MARKER = "MARKER-4711"

pytestmark = pytest.mark.usefixtures("db")


def make_event(insert_id: int = 42, **fields: Any) -> Event:
    """Return a valid event with something in it that must never be logged."""
    return Event(event="Video watched", user=7, insert_id=insert_id, data=MARKER, time=NOW_MS, **fields)


def outcome() -> tuple[int, int]:
    """Return the events published and failed."""
    counts = counters.snapshot()
    assert counts["lost"] == 0
    assert Outbox.objects.count() == counts["failed"]
    return counts["published"], counts["failed"]


@pytest.fixture
def queue_url(account: Account) -> str:
    """A queue in the emulator."""
    return account.client("sqs").create_queue(QueueName="events")["QueueUrl"]


def receive(account: Account, queue_url: str) -> list[Any]:
    """Return all messages of the queue."""
    received = account.client("sqs").receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
    )
    return list(received.get("Messages", []))


def test_an_event_arrives_as_the_lambda_reads_it(
    account: Account, queue_url: str, publishing_to: Publishing
) -> None:
    """The message in the queue is the contract's, in the live group, and has the event's own fields."""
    with publishing_to(account.endpoint, account.access_key, QUEUE_URL=queue_url, IDENTITY="simplified"):
        assert make_event(useragent="語").send() is True

    [message] = receive(account, queue_url)
    decoded = decode_message(message["Body"])
    event = parse_event(decoded.raw_events[0], now_ms=NOW_MS)
    assert message["Attributes"]["MessageGroupId"] == "live"
    assert decoded.identity == "simplified"
    assert (event.insert_id, event.user, event.time, event.useragent) == ("42", "7", NOW_MS, "語")
    assert outcome() == (1, 0)


def test_a_transaction_arrives_as_one_message_without_what_was_rolled_back(
    account: Account, queue_url: str, publishing_to: Publishing
) -> None:
    """Committed events travel together; those of a rolled-back savepoint do not travel."""

    def fails_half_way() -> None:
        with transaction.atomic():
            make_event(2).send()
            raise RuntimeError

    with publishing_to(account.endpoint, account.access_key, QUEUE_URL=queue_url):
        with transaction.atomic():
            make_event(1).send()
            with pytest.raises(RuntimeError):
                fails_half_way()
            make_event(3).send()
            assert receive(account, queue_url) == []

        [message] = receive(account, queue_url)

    assert [event["insert_id"] for event in json.loads(message["Body"])["events"]] == ["1", "3"]
    assert outcome() == (2, 0)


def test_many_large_events_arrive_in_several_calls(
    account: Account, queue_url: str, publishing_to: Publishing
) -> None:
    """More than one call takes is still all of it."""
    count = 12
    with publishing_to(account.endpoint, account.access_key, QUEUE_URL=queue_url), transaction.atomic():
        for number in range(1, count + 1):
            make_event(number, useragent="x" * 150_000).send()

    assert outcome() == (count, 0)
    attributes = account.client("sqs").get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == str(count)


def test_characters_that_sqs_refuses_arrive_escaped(
    account: Account, queue_url: str, publishing_to: Publishing
) -> None:
    """A header may hold anything: the event is not lost for it."""
    with publishing_to(account.endpoint, account.access_key, QUEUE_URL=queue_url):
        assert make_event(useragent="\x00\x1b￾\uffff").send() is True

    [message] = receive(account, queue_url)
    assert json.loads(message["Body"])["events"][0]["useragent"] == "\x00\x1b￾\uffff"


def test_a_queue_that_does_not_exist_is_named_in_the_log(
    account: Account, publishing_to: Publishing, caplog: pytest.LogCaptureFixture
) -> None:
    """The event waits in the outbox, and the log has the code that SQS gave."""
    with publishing_to(account.endpoint, account.access_key):
        assert make_event().send() is True

    assert outcome() == (0, 1)
    assert "QueueDoesNotExist" in caplog.text or "NonExistentQueue" in caplog.text


def test_a_refused_connection_breaks_nothing(
    publishing_to: Publishing, caplog: pytest.LogCaptureFixture
) -> None:
    """SQS is down: both events wait, and one warning tells nothing of them."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with publishing_to(endpoint), caplog.at_level(logging.WARNING):
            assert [make_event().send(), make_event().send()] == [True, True]

    assert counters.snapshot()["failed"] == 1  # the second is not tried so soon
    assert Outbox.objects.count() == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "EndpointConnectionError" in caplog.text
    assert MARKER not in caplog.text


def test_an_answer_that_never_comes_is_waited_for_only_as_long_as_set(
    publishing_to: Publishing, caplog: pytest.LogCaptureFixture
) -> None:
    """A black hole: after two short attempts the thread is free again, and the log names the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        endpoint = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        with publishing_to(endpoint, READ_TIMEOUT_S=0.1):
            assert make_event().send() is True

    assert outcome() == (0, 1)
    assert "ReadTimeoutError" in caplog.text


def test_a_connection_that_is_never_accepted_is_waited_for_only_as_long_as_set(
    publishing_to: Publishing, caplog: pytest.LogCaptureFixture
) -> None:
    """A full backlog drops the attempt as a firewall does: the connect timeout ends it."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for client in waiting:
                client.settimeout(0)
                client.connect_ex(full.getsockname())
            endpoint = f"http://127.0.0.1:{full.getsockname()[1]}"
            with publishing_to(endpoint, CONNECT_TIMEOUT_S=0.1):
                assert make_event().send() is True
        finally:
            for client in waiting:
                client.close()

    assert outcome() == (0, 1)
    assert "ConnectTimeoutError" in caplog.text


def test_no_credentials_break_no_page(
    publishing_to: Publishing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what is missing; nothing is raised."""
    with publishing_to("http://127.0.0.1:9"):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        assert make_event().send() is True

    assert outcome() == (0, 1)
    assert "NoCredentialsError" in caplog.text


def test_no_region_breaks_no_page(publishing_to: Publishing, caplog: pytest.LogCaptureFixture) -> None:
    """Nor does a set-up from which no client can be built."""
    with publishing_to("http://127.0.0.1:9", REGION=None):
        assert make_event().send() is True

    assert outcome() == (0, 1)
    assert "NoRegionError" in caplog.text


# A status and a body, or what makes them of the entries of the call.
Scripted = tuple[int, bytes] | Callable[[list[dict[str, str]]], tuple[int, bytes]]


class ScriptedSqs(ThreadingHTTPServer):
    """Answers each call with the next of `script`; the last one again and again."""

    def __init__(self, *script: Scripted) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = list(script)
        self.calls: list[dict[str, Any]] = []

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedSqs

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append(call)
        script = self.server.script
        scripted = script.pop(0) if len(script) > 1 else script[0]
        status, body = scripted(call["Entries"]) if callable(scripted) else scripted
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[ScriptedSqs]:
    """A server in place of SQS; set its `script`."""
    with ScriptedSqs((500, b"")) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def answer(*, taken: list[int], refused: list[int]) -> Scripted:
    """Return the answer of SQS that takes some entries and refuses others."""

    def answered(entries: list[dict[str, str]]) -> tuple[int, bytes]:
        fault = {"SenderFault": False, "Code": "InternalError", "Message": MARKER}
        document = {
            "Successful": [{"Id": entries[n]["Id"], "MessageId": "m", **digests(entries[n])} for n in taken],
            "Failed": [{"Id": entries[n]["Id"], **fault} for n in refused],
        }
        return 200, json.dumps(document).encode()

    return answered


def test_entries_that_sqs_refuses_are_counted_and_the_others_are_published(
    scripted: ScriptedSqs, publishing_to: Publishing, caplog: pytest.LogCaptureFixture
) -> None:
    """HTTP 200 with one of three entries in Failed."""
    scripted.script = [answer(taken=[0, 2], refused=[1])]

    with publishing_to(scripted.endpoint), transaction.atomic():
        for number in (1, 2, 3):
            make_event(number, useragent="x" * 64_000).send()

    assert [len(call["Entries"]) for call in scripted.calls] == [3]
    assert outcome() == (2, 1)
    assert "InternalError" in caplog.text
    assert MARKER not in caplog.text


def test_a_single_refused_event_is_not_published(scripted: ScriptedSqs, publishing_to: Publishing) -> None:
    """It waits in the outbox."""
    scripted.script = [answer(taken=[], refused=[0])]

    with publishing_to(scripted.endpoint):
        assert make_event().send() is True

    assert outcome() == (0, 1)


@pytest.mark.parametrize(
    ("script", "call_count", "expected"),
    [
        ([(500, b"oops"), answer(taken=[0], refused=[])], 2, (1, 0)),
        ([(503, b"")], 2, (0, 1)),
        ([(200, b"<html>captive portal</html>")], 1, (0, 1)),
        ([(200, b"{}")], 1, (0, 1)),
        ([(403, b'{"__type":"com.amazon.coral#AccessDenied","message":"MARKER-4711"}')], 1, (0, 1)),
        ([(400, b'{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow"}')], 2, (0, 1)),
    ],
)
def test_a_call_is_tried_at_most_twice_and_believed_only_when_it_names_the_entry(
    script: list[Scripted],
    call_count: int,
    expected: tuple[int, int],
    scripted: ScriptedSqs,
    publishing_to: Publishing,
) -> None:
    """Transient faults are tried once more, the rest not, and each failure is counted once."""
    scripted.script = script

    with publishing_to(scripted.endpoint):
        assert make_event().send() is True

    assert len(scripted.calls) == call_count
    assert outcome() == expected


def test_what_sqs_says_in_a_refusal_is_not_logged(
    scripted: ScriptedSqs, publishing_to: Publishing, caplog: pytest.LogCaptureFixture
) -> None:
    """Its text may quote the message, the account or the key; its code is enough."""
    scripted.script = [(403, b'{"__type":"com.amazon.coral#AccessDenied","message":"MARKER-4711"}')]

    with publishing_to(scripted.endpoint), caplog.at_level(logging.INFO):
        make_event().send()

    assert "AccessDenied" in caplog.text
    assert "MARKER" not in caplog.text
