from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from local import collector, poller
from local.emulator import Account
from local.event_source_mapping import EventSourceMapping
from local.invocation import Fault, InvocationResult
from local.poller import Counters, Poller, delete

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "http://127.0.0.1:1/1/queue"
NO_BATCHING = EventSourceMapping(10, 0, 1, reports_item_failures=True)


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> "SQSClient":
    """A client that makes no connections, and no pauses between tries."""
    monkeypatch.setattr(poller, "_PAUSES_BEFORE_DELETE_S", (0, 0, 0))
    monkeypatch.setattr(collector, "_PAUSE_AFTER_ERROR_S", 0)
    return Account("http://127.0.0.1:1", "1").client("sqs")


@pytest.fixture
def stub(sqs: "SQSClient") -> Iterator[Stubber]:
    """The answers of the queue, in order; any other call is an error."""
    with Stubber(sqs) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def entries(*handles: str, first_id: int = 0) -> dict[str, Any]:
    """Return the parameters of a delete of these handles."""
    numbered = enumerate(handles, first_id)
    return {
        "QueueUrl": URL,
        "Entries": [{"Id": str(number), "ReceiptHandle": handle} for number, handle in numbered],
    }


def deleted(*ids: str, but: Sequence[dict[str, object]] = ()) -> dict[str, object]:
    """Return the answer to a delete."""
    return {"Successful": [{"Id": id_} for id_ in ids], "Failed": list(but)}


def failed(id_: str, *, sender_fault: bool) -> dict[str, object]:
    """Return one entry of a delete that failed."""
    return {"Id": id_, "SenderFault": sender_fault, "Code": "x"}


def test_delete_tries_again_only_what_failed_on_the_queue_s_side(sqs: "SQSClient", stub: Stubber) -> None:
    """A failed entry is retried, one with a refused handle is not, and deletions are counted once."""
    first = deleted("0", but=[failed("1", sender_fault=False), failed("2", sender_fault=True)])
    stub.add_response("delete_message_batch", first, entries("a", "b", "c"))
    stub.add_response("delete_message_batch", deleted("1"), entries("b", first_id=1))

    assert delete(sqs, URL, ["a", "b", "c"]) == 2


def test_delete_tries_again_after_an_error(sqs: "SQSClient", stub: Stubber) -> None:
    """A call that fails as a whole is made again."""
    stub.add_client_error("delete_message_batch", "ServiceUnavailable", http_status_code=503)
    stub.add_response("delete_message_batch", deleted("0"), entries("a"))

    assert delete(sqs, URL, ["a"]) == 1


def test_delete_gives_up_in_the_end(sqs: "SQSClient", stub: Stubber) -> None:
    """A queue that keeps failing does not hold the poller for ever: the messages will come again."""
    for _ in range(3):
        stub.add_client_error("delete_message_batch", "ServiceUnavailable", http_status_code=503)

    assert delete(sqs, URL, ["a"]) == 0


class StopsThePoller:
    """An invoker that keeps the event and stops its poller with the first call."""

    def __init__(self, answer: InvocationResult | Exception) -> None:
        self.answer = answer
        self.events: list[bytes] = []
        self.poller: Poller | None = None

    def invoke(self, event: bytes) -> InvocationResult:
        """Return the prepared answer."""
        self.events.append(event)
        assert self.poller is not None
        self.poller._stopping.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def stop(self) -> None:
        """Do nothing."""


def run(sqs: "SQSClient", invoker: StopsThePoller) -> Poller:
    """Let a poller run until its first invocation is settled."""
    invoker.poller = Poller(sqs, URL, NO_BATCHING, [invoker])
    invoker.poller.start()
    invoker.poller._thread.join()
    return invoker.poller


def queue_holds_one_message(stub: Stubber) -> None:
    """Let the queue give one message."""
    message = {"MessageId": "m", "ReceiptHandle": "a", "Body": "x", "MD5OfBody": "y"}
    arn = "arn:aws:sqs:us-east-1:1:queue"
    stub.add_response("receive_message", {"Messages": [message]})
    stub.add_response("get_queue_attributes", {"Attributes": {"QueueArn": arn}})


def test_poller_goes_on_after_the_queue_could_not_be_reached(sqs: "SQSClient", stub: Stubber) -> None:
    """A failed receive is retried; the message that arrives is handled and deleted."""
    stub.add_client_error("receive_message", "ServiceUnavailable", http_status_code=503)
    queue_holds_one_message(stub)
    stub.add_response("delete_message_batch", deleted("0"), entries("a"))

    done = run(sqs, StopsThePoller(InvocationResult("null")))

    assert done.counters == Counters(invocations=1, records=1, deleted=1)


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        (Fault.ERROR, Counters(invocations=1, errors=1, records=1, handed_back=1)),
        (Fault.TIMEOUT, Counters(invocations=1, timeouts=1, records=1, handed_back=1)),
        (Fault.CRASH, Counters(invocations=1, crashes=1, records=1, handed_back=1)),
        (Fault.UNREACHABLE, Counters(invocations=1, unreachable=1, records=1, handed_back=1)),
    ],
)
def test_failed_invocation_deletes_nothing_and_is_counted(
    sqs: "SQSClient", stub: Stubber, fault: Fault, counted: Counters
) -> None:
    """Each kind of failure has its counter, and its records are handed back."""
    queue_holds_one_message(stub)

    done = run(sqs, StopsThePoller(InvocationResult("", fault)))

    assert done.counters == counted


def test_bug_in_the_poller_stops_it_and_is_raised(sqs: "SQSClient", stub: Stubber) -> None:
    """An unexpected error in a thread is raised."""
    queue_holds_one_message(stub)

    done = run(sqs, StopsThePoller(LookupError("a bug")))

    with pytest.raises(LookupError, match="a bug"):
        done.stop()
