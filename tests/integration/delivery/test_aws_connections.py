"""Connections to AWS: none outlives its invocation, none costs a pause, and what is given up has ended."""

import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import boto3
import pytest
from botocore import endpoint
from botocore.config import Config

from local.mixpanel_simulator import MixpanelSimulator
from tests import loopback
from tests.aws_stub import DOWN, GET_SECRET, SECRET_ARN, SEND, AwsStub, always, times
from tests.integration.delivery.function import Function
from tests.integration.delivery.test_network import threads_since
from tests.integration.delivery.test_refusals import CALLS, told
from tests.loopback import Response, Trouble
from whyness_events.delivery.aws.clients import CallFailed, LazyClient


class Pauses:
    """Time as botocore's retries use it: they take none, and are counted."""

    def __init__(self) -> None:
        self.taken_s: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Count."""
        self.taken_s.append(seconds)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """The pauses between two attempts of the SDK."""
    found = Pauses()
    monkeypatch.setattr(endpoint, "time", found)
    return found


def good_once(trouble: Trouble) -> Callable[[object], Trouble | None]:
    """Return a script by which a connection answers one request, and to any later one does this."""
    used = threading.local()  # the server has a thread for each connection

    def script(_: object) -> Trouble | None:
        is_used, used.yes = getattr(used, "yes", False), True
        return trouble if is_used else None

    return script


@pytest.mark.parametrize("trouble", [Trouble.RESET, Trouble.HANG])
@pytest.mark.parametrize("operation", CALLS)
def test_a_connection_that_died_in_a_freeze_is_not_met(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, operation: str, trouble: Trouble
) -> None:
    """Reset or swallowed between two invocations: each has connections of its own, and one call is enough."""
    _, name, lead_to = CALLS[operation]
    aws.scripts[name] = good_once(trouble)

    invocations = [function.invoke(*lead_to(mixpanel)) for _ in range(3)]

    assert [invocation.refusals for invocation in invocations] == [[], [], []]
    assert aws.call_count(name) == (1 if operation == "get_secret_value" else 3)


@pytest.mark.parametrize("operation", CALLS)
def test_a_connection_that_fails_is_tried_again_at_once(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, pauses: Pauses, operation: str
) -> None:
    """Each second is billed: one more attempt, without a pause."""
    _, name, lead_to = CALLS[operation]
    aws.scripts[name] = times(1, Trouble.RESET)

    invocation = function.invoke(*lead_to(mixpanel))

    assert invocation.refusals == []
    assert aws.call_count(name) == 2
    assert pauses.taken_s == [0.0]


def test_a_service_that_is_not_there_is_tried_twice_at_once(
    function: Function, mixpanel: MixpanelSimulator, pauses: Pauses
) -> None:
    """Nobody listens, and nobody is waited for."""
    with socket.create_server((loopback.HOST, 0)) as free:
        url = f"http://{loopback.HOST}:{free.getsockname()[1]}"
    function.set(AWS_ENDPOINT_URL=url)

    invocation = function.invoke(*CALLS["send_message_batch"][2](mixpanel))

    assert told(invocation, SEND) == [("sqs", "EndpointConnectionError", 1)]
    assert set(pauses.taken_s) == {0.0}


@pytest.mark.parametrize("found", [DOWN, Trouble.RESET], ids=str)
def test_a_second_failure_is_the_last(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, found: Any
) -> None:
    """Two attempts for each call, whatever they meet."""
    aws.scripts[SEND] = always(found)

    invocation = function.invoke(*CALLS["send_message_batch"][2](mixpanel))

    assert len(told(invocation, SEND)) == 1
    assert aws.call_count(SEND) == 2


def test_what_aws_itself_refuses_is_tried_again_after_a_pause(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, pauses: Pauses
) -> None:
    """At once would make a throttled service worse."""
    aws.scripts[SEND] = times(1, DOWN)

    function.invoke(*CALLS["send_message_batch"][2](mixpanel))

    [pause_s] = pauses.taken_s
    assert pause_s > 0


HEADS = {
    "kept": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
    "closed": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n",
    "without a length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 1000000\r\n\r\n",
}


@pytest.fixture(params=["no answer", "half a head", *HEADS])
def slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Trouble:
    """A way of answering without an end."""
    if request.param in HEADS:
        monkeypatch.setitem(loopback._BEFORE_THE_DRIP, Trouble.DRIP_BODY, HEADS[request.param])
    return {"no answer": Trouble.HANG, "half a head": Trouble.DRIP_HEAD}.get(request.param, Trouble.DRIP_BODY)


def test_a_call_that_is_given_up_has_ended(aws: AwsStub, slow: Trouble) -> None:
    """Its connection is cut and its thread ends; it is not tried again, and the next call is another one."""
    lazy = LazyClient("sqs", partial(make_client, aws))
    aws.scripts[SEND] = always(slow)
    before = threading.enumerate()
    arguments: Any = {"QueueUrl": aws.dead_letter_queue_url, "Entries": [{"Id": "a", "MessageBody": "x"}]}

    with pytest.raises(CallFailed, match="TimeoutError"):
        lazy.call("send_message_batch", 0.3, **arguments)
    has_left = aws.server.wait_until_client_left()
    for thread in threads_since(before):
        thread.join(10)
    aws.scripts.clear()
    answer = lazy.call("send_message_batch", 10.0, **arguments)
    lazy.close()

    assert has_left
    assert threads_since(before) == []
    assert aws.call_count(SEND) == 2
    assert [taken["Id"] for taken in answer["Successful"]] == ["a"]


def test_a_call_that_is_given_up_before_it_is_connected_sends_nothing(
    aws: AwsStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is looked up for too long."""
    looked_up = threading.Event()
    find = socket.getaddrinfo

    def slowly(*args: Any, **kwargs: Any) -> Any:
        looked_up.wait(10)
        return find(*args, **kwargs)

    lazy = LazyClient("sqs", partial(make_client, aws))
    before = threading.enumerate()
    monkeypatch.setattr(socket, "getaddrinfo", slowly)

    with pytest.raises(CallFailed, match="TimeoutError"):
        lazy.call(
            "delete_message_batch", 0.1, QueueUrl=aws.queue_url, Entries=[{"Id": "a", "ReceiptHandle": "x"}]
        )
    looked_up.set()
    for thread in threads_since(before):
        thread.join(10)

    assert threads_since(before) == []
    assert aws.calls == []


def make_client(stub: AwsStub, service: str) -> Any:
    """Return a client that would wait, and try again, for longer than anybody does."""
    session: Any = boto3.Session("local", "local", region_name="eu-west-1")
    config = Config(proxies={}, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})
    return session.client(service, endpoint_url=stub.server.url, config=config)


def test_an_answer_that_is_none_ends_its_connection(aws: AwsStub) -> None:
    """After an interim answer the true one may still come: the next call must not read it."""
    used: list[bool] = []
    is_used = good_once(Trouble.RESET)

    def interim(payload: object) -> Response:
        used.append(is_used(payload) is not None)
        return Response(103)

    lazy = LazyClient("secretsmanager", partial(make_client, aws))
    aws.scripts[GET_SECRET] = interim

    for _ in range(2):
        with pytest.raises(CallFailed, match="HTTP 103"):
            lazy.call("get_secret_value", 10.0, SecretId=SECRET_ARN)
    lazy.close()

    assert used == [False, False]
