"""Connections that fail in every way: the handler returns in time, and no event is lost or counted twice."""

import gzip
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.builders import make_record
from tests.integration.delivery.function import Function, counted, recent_event, records_of, sent
from tests.loopback import HOST, LoopbackServer, Request, Response, Trouble
from tests.wire import accept, events_of
from whyness_events.delivery.reading.sqs_event import InvocationFault
from whyness_events.delivery.sending import in_flight, posting

FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"connection": "refuse", "for_s": 3_600.0},
    "reset before ingestion": {"connection": "reset"},
    "reset after ingestion": {"connection": "reset", "ingest": True},
    "never answers": {"connection": "hang"},
    "never answers after ingestion": {"connection": "hang", "ingest": True},
    "answers too late": {"delay_s": 60.0},
    "half an answer": {"cut": True},
    "drips head and body": {"drip_s": 0.01},
}
# Shorter than it takes to drip an answer, longer than it takes to give one.
QUICK = {"ANSWER_TIMEOUT_S": "0.5"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_connection_that_fails_is_handed_back_and_counts_once_later(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, name: str
) -> None:
    """An unknown outcome is no outcome: the record comes back, and its copies count once."""
    function.set(**QUICK)
    events, records = records_of(3)
    fault = mixpanel.faults.add(**FAULTS[name])

    first = function.invoke(*records, timeout_s=3)
    mixpanel.faults.remove(fault)
    function.set(ANSWER_TIMEOUT_S="10")
    second = function.invoke(*records)

    assert first.outcomes == {"retry": 3}
    assert len(first.failed_ids) == 3
    assert second.failed_ids == []
    assert counted(mixpanel) == sent(events)
    assert aws.dead_letters == []


def cut_gzip(_: Request) -> Response:
    """Answer with half a gzip stream."""
    return Response(200, gzip.compress(b'{"num_records_imported": 2}')[:-12], {"Content-Encoding": "gzip"})


ODD_ANSWERS: dict[str, Callable[[Request], Response | Trouble]] = {
    "not HTTP": lambda _: Trouble.GARBAGE,
    "not UTF-8": lambda _: Response(200, b"\xff\xfe\x00"),
    "broken gzip": cut_gzip,
    "no gzip": lambda _: Response(200, b'{"num_records_imported": 2}', {"Content-Encoding": "gzip"}),
    "gzip bomb": lambda _: Response(
        200, gzip.compress(b" " * 50_000_000 + b'{"num_records_imported": 2}'), {"Content-Encoding": "gzip"}
    ),
    "without end": lambda _: Response(200, b" " * 9_000_000 + b'{"num_records_imported": 2}'),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_answer_that_cannot_be_read_confirms_nothing(function: Function, aws: AwsStub, name: str) -> None:
    """Bytes that are no answer leave the events in the queue, and the container goes on."""
    _, records = records_of(2)
    odd = [ODD_ANSWERS[name]]

    def serve(request: Request) -> Response | Trouble:
        return odd.pop()(request) if odd else accept(request)

    with LoopbackServer(serve) as server:
        function.set(MIXPANEL_API_URL=server.url)
        first = function.invoke(*records)
        second = function.invoke(*records)

    assert first.outcomes == {"retry": 2}
    assert len(first.failed_ids) == 2
    assert second.failed_ids == []
    assert aws.dead_letters == []


def test_a_server_without_tls_where_tls_is_asked_for_gets_nothing(function: Function, aws: AwsStub) -> None:
    """No event and no credential goes out before the connection is encrypted."""
    _, records = records_of(2)
    requests: list[Request] = []

    def serve(request: Request) -> Response:
        requests.append(request)
        return accept(request)

    with LoopbackServer(serve) as server:
        function.set(MIXPANEL_API_URL=server.url.replace("http://", "https://"), **QUICK)
        invocation = function.invoke(*records)

    assert invocation.outcomes == {"retry": 2}
    assert requests == []
    assert aws.dead_letters == []


def threads_since(before: list[threading.Thread]) -> list[threading.Thread]:
    """Return the function's threads that have begun since; a test server's are not its own."""
    new = [thread for thread in threading.enumerate() if thread not in before]
    return [thread for thread in new if "process_request_thread" not in thread.name]


SLOW = [Trouble.HANG, Trouble.DRIP_HEAD, Trouble.DRIP_BODY]


@pytest.mark.parametrize("trouble", SLOW)
def test_a_server_that_drips_neither_holds_the_handler_nor_haunts_the_next_invocation(
    function: Function, trouble: Trouble
) -> None:
    """By its deadline the handler answers, its connections are cut and its threads end."""
    respond: list[Callable[[Request], Response | Trouble]] = [lambda _: trouble]
    requests: list[Request] = []
    records = [make_record(recent_event()), make_record(recent_event(), receive_count=3)]

    def serve(request: Request) -> Response | Trouble:
        requests.append(request)
        return respond[0](request)

    with LoopbackServer(serve) as server:
        function.set(MIXPANEL_API_URL=server.url)
        before = threading.enumerate()
        first = function.invoke(*records, timeout_s=3)  # the answer's own 10 s are not over
        left = [server.wait_until_client_left() for _ in requests]
        for thread in threads_since(before):
            thread.join(10)
        late = threads_since(before)
        respond[0] = accept
        second = function.invoke(*records)

    assert first.outcomes == {"retry": 2}
    assert len(first.failed_ids) == 2
    assert left == [True, True]  # fresh and troubled records do not travel together
    assert late == []
    assert second.outcomes == {"delivered": 2}
    assert second.logged["requests"] == 2
    assert second.failed_ids == []


@pytest.mark.parametrize("trouble", SLOW)
def test_a_slow_answer_is_left_behind_after_its_own_time(
    function: Function, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """One that drips is cut at its own limit, so that the time that is left serves the others."""
    monkeypatch.setattr(in_flight, "CONNECT_TIMEOUT_S", 0.1)
    slow, quick = make_record(recent_event(data="slow")), make_record(recent_event(), receive_count=3)

    def serve(request: Request) -> Response | Trouble:
        is_slow = any(event["properties"].get("data") == "slow" for event in events_of(request))
        return trouble if is_slow else accept(request)

    with LoopbackServer(serve) as server:
        function.set(MIXPANEL_API_URL=server.url, SENDER_THREADS="1", **QUICK)
        invocation = function.invoke(slow, quick)
        left = server.wait_until_client_left()

    assert invocation.failed_ids == [slow.message_id]
    assert invocation.outcomes == {"retry": 1, "delivered": 1}
    assert left


def test_a_server_that_accepts_but_never_reads_is_left_behind(function: Function) -> None:
    """A full backlog or a stopped process: connected, and then nothing."""
    function.set(**QUICK)
    _, records = records_of(1)

    with closing(socket.create_server((HOST, 0))) as listener:
        function.set(MIXPANEL_API_URL=f"http://{HOST}:{listener.getsockname()[1]}")
        invocation = function.invoke(*records, timeout_s=3)

    assert invocation.outcomes == {"retry": 1}
    assert invocation.failed_ids == [records[0].message_id]


def test_a_bug_in_mid_sending_leaves_no_connection_behind(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the invocation, what is still under way is cut."""

    def serve(request: Request) -> Response | Trouble:
        is_slow = any(event["properties"].get("data") == "slow" for event in events_of(request))
        if not is_slow:
            slow_has_come.append(server.wait_until_troubled())
        return Trouble.DRIP_BODY if is_slow else accept(request)

    def fail(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    slow_has_come: list[bool] = []
    monkeypatch.setattr(posting, "judge", fail)
    records = [make_record(recent_event(data="slow")), make_record(recent_event(), receive_count=3)]

    with LoopbackServer(serve) as server:
        function.set(MIXPANEL_API_URL=server.url)
        with pytest.raises(InvocationFault):
            function.invoke(*records)
        left = server.wait_until_client_left()

    assert slow_has_come == [True]
    assert left


def test_a_name_that_resolves_too_late_is_not_used(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request left behind before it had a connection is not sent after the handler has answered."""
    resolved = threading.Event()
    resolve = socket.getaddrinfo
    requests: list[Request] = []
    _, records = records_of(1)

    def resolve_late(host: Any, *arguments: Any, **named: Any) -> Any:
        assert host != "localhost" or resolved.wait(30)
        return resolve(host, *arguments, **named)

    def serve(request: Request) -> Response:
        requests.append(request)
        return accept(request)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_late)
    with LoopbackServer(serve) as server:
        function.set(MIXPANEL_API_URL=server.url.replace(HOST, "localhost"))
        before = threading.enumerate()
        invocation = function.invoke(*records, timeout_s=2)
        waiting = threads_since(before)
        resolved.set()
        for thread in waiting:
            thread.join(10)
        late = threads_since(before)

    assert invocation.failed_ids == [records[0].message_id]
    assert len(waiting) == 1
    assert late == []
    assert requests == []
