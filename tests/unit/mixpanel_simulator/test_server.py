import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from local.mixpanel_simulator import MixpanelSimulator
from tests.unit.mixpanel_simulator.builders import FakeClock, make_event, make_events
from tests.unit.mixpanel_simulator.wire import (
    IMPORT,
    PATIENCE_S,
    RawConnection,
    request_bytes,
    send,
)


def wait_until(is_true: Callable[[], bool]) -> None:
    """Return when it is true; fail after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.01)


def is_refused(url: str) -> bool:
    """Tell whether a connection is refused."""
    try:
        RawConnection(url).socket.close()
    except ConnectionRefusedError:
        return True
    return False


def test_events_arrive_over_http(mixpanel: MixpanelSimulator) -> None:
    """Twice the same event is one event in two copies."""
    for _ in range(2):
        assert send(mixpanel.url, [make_event()]).json()["num_records_imported"] == 1

    assert len(mixpanel.events()) == 1
    assert len(mixpanel.raw_events()) == 2
    assert mixpanel.stats()["events"]["raw"] == 2


def test_only_loopback_is_served(mixpanel: MixpanelSimulator) -> None:
    """The address is in the URL."""
    assert mixpanel.url.startswith("http://127.0.0.1:")


def test_connection_is_kept_for_many_requests(mixpanel: MixpanelSimulator) -> None:
    """Also for those sent before the first was answered."""
    with RawConnection(mixpanel.url) as connection:
        connection.send(request_bytes(make_events(1)) + request_bytes(make_events(2)))
        connection.send(request_bytes(make_events(3), extra="Connection: close\r\n"))

        answers = connection.receive_all()

    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert [b'"num_records_imported":%d' % count in answers for count in (1, 2, 3)] == [True] * 3
    assert answers.count(b"Connection: close") == 1


def test_old_client_gets_its_connection_closed(mixpanel: MixpanelSimulator) -> None:
    """HTTP/1.0 does not keep it."""
    with RawConnection(mixpanel.url) as connection:
        connection.send(request_bytes(make_events(1)).replace(b"HTTP/1.1", b"HTTP/1.0", 1))

        assert connection.receive_all().startswith(b"HTTP/1.1 200")


def test_client_that_waits_for_continue_gets_it(mixpanel: MixpanelSimulator) -> None:
    """As curl does with large bodies."""
    request = request_bytes(make_events(1), extra="Expect: 100-continue\r\nConnection: close\r\n")
    head, _, body = request.partition(b"\r\n\r\n")
    with RawConnection(mixpanel.url) as connection:
        connection.send(head + b"\r\n\r\n")

        assert connection.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(body)
        assert connection.receive_all().startswith(b"HTTP/1.1 200")


def test_request_may_come_in_small_pieces(mixpanel: MixpanelSimulator) -> None:
    """Byte by byte."""
    with RawConnection(mixpanel.url) as connection:
        for byte in request_bytes(make_events(1), extra="Connection: close\r\n"):
            connection.send(bytes([byte]))

        assert connection.receive_all().startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /import HTTP/2\r\n\r\n", 400),
        (b"POST /import HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST /import HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /import HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST /import HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST /import HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET /" + b"x" * 1_100_000, 400),
    ],
)
def test_what_is_not_understood_is_refused_and_the_connection_closed(
    mixpanel: MixpanelSimulator, data: bytes, status: int
) -> None:
    """And the next client is served."""
    with RawConnection(mixpanel.url) as connection:
        connection.send(data)

        answer = connection.receive()

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer
    assert send(mixpanel.url, make_events(1)).status_code == 200


@pytest.mark.parametrize("cut_bytes", [1, 30, 200])
def test_client_that_goes_away_leaves_no_trace(mixpanel: MixpanelSimulator, cut_bytes: int) -> None:
    """In the middle of the head or of the body: nothing is imported, nothing fails."""
    with RawConnection(mixpanel.url) as connection:
        connection.send(request_bytes(make_events(1))[:-cut_bytes])

    assert send(mixpanel.url, []).status_code == 400
    assert mixpanel.events() == []


def test_many_clients_at_once_lose_nothing(mixpanel: MixpanelSimulator) -> None:
    """Twenty threads, each with its own events."""

    def import_some(number: int) -> None:
        with requests.Session() as session:
            session.auth = ("acct", "pw")
            for turn in range(10):
                events = [make_event(insert_id=f"{number}-{turn}-{each}") for each in range(5)]
                answer = session.post(mixpanel.url + IMPORT, json=events, timeout=PATIENCE_S)
                assert answer.json()["num_records_imported"] == 5

    threads = [threading.Thread(target=import_some, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(mixpanel.events()) == len(mixpanel.raw_events()) == 1_000


@pytest.mark.parametrize("ingest", [False, True])
def test_reset_gives_the_client_a_tcp_reset(mixpanel: MixpanelSimulator, *, ingest: bool) -> None:
    """Before the events are in, or after."""
    fault_id = mixpanel.faults.add(connection="reset", ingest=ingest)

    with RawConnection(mixpanel.url) as connection:
        connection.send(request_bytes(make_events(2)))
        with pytest.raises(ConnectionResetError):
            connection.receive()

    assert len(mixpanel.events()) == (2 if ingest else 0)
    assert mixpanel.faults.fired_count(fault_id) == 1


@pytest.mark.parametrize("ingest", [False, True])
def test_hang_answers_nothing_and_keeps_the_connection(mixpanel: MixpanelSimulator, *, ingest: bool) -> None:
    """Others are served meanwhile."""
    mixpanel.faults.add(connection="hang", ingest=ingest, next_requests=1)

    with RawConnection(mixpanel.url) as connection:
        connection.send(request_bytes(make_events(2)))

        assert connection.is_silent_for_a_while()
        assert len(mixpanel.events()) == (2 if ingest else 0)
        assert send(mixpanel.url, make_events(1)).status_code == 200


def test_delay_comes_before_the_answer_and_after_the_import(mixpanel: MixpanelSimulator) -> None:
    """The client that gave up has sent its events all the same."""
    mixpanel.faults.add(delay_s=0.6)

    with RawConnection(mixpanel.url) as connection:
        connection.send(request_bytes(make_events(2)))

        assert connection.is_silent_for_a_while()
        assert len(mixpanel.events()) == 2
        assert connection.receive().startswith(b"HTTP/1.1 200")


def test_drip_sends_a_byte_at_a_time_from_the_head_on(mixpanel: MixpanelSimulator) -> None:
    """After the first byte there is a pause."""
    mixpanel.faults.add(drip_s=30, next_requests=1)
    mixpanel.faults.add(drip_s=0.0001)

    with RawConnection(mixpanel.url) as slow:
        slow.send(request_bytes(make_events(1)))

        assert slow.receive() == b"H"
        assert slow.is_silent_for_a_while()
    assert send(mixpanel.url, make_events(1)).json()["num_records_imported"] == 1


def test_cut_answer_ends_before_its_announced_length(mixpanel: MixpanelSimulator) -> None:
    """In the middle of the body."""
    mixpanel.faults.add(cut=True)

    with RawConnection(mixpanel.url) as connection:
        connection.send(request_bytes(make_events(2)))
        head, _, body = connection.receive_all().partition(b"\r\n\r\n")

    assert b"Content-Length: 51" in head
    assert b'{"code":200,"num_records_imported":2,"status":"OK"}'.startswith(body)
    assert 0 < len(body) < 51


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"status": 403, "body": "<html>no</html>"}, 403, "<html>no</html>"),
        ({"status": 200, "body": "<html>fine</html>"}, 200, "<html>fine</html>"),
        ({"status": 200, "body": "OK"}, 200, "OK"),
        ({"status": 504, "body": "too many requests"}, 504, "too many requests"),
        ({"status": 204}, 204, ""),
        ({"status": 307, "headers": {"Location": "http://127.0.0.1:9/"}}, 307, "Temporary Redirect"),
    ],
)
def test_scripted_answer_is_what_the_client_sees(
    mixpanel: MixpanelSimulator, fault: dict[str, Any], status: int, body: str
) -> None:
    """And the connection serves the next request."""
    mixpanel.faults.add(**fault, next_requests=1)
    with requests.Session() as session:
        session.auth = ("acct", "pw")

        def post() -> requests.Response:
            return session.post(mixpanel.url + IMPORT, json=[], timeout=PATIENCE_S, allow_redirects=False)

        struck, after = post(), post()

    assert (struck.status_code, struck.text) == (status, body)
    assert after.status_code == 400


def test_refused_port_opens_again_when_the_fault_is_cleared(mixpanel: MixpanelSimulator) -> None:
    """Both at once, and on the same port; open connections are cut."""
    with RawConnection(mixpanel.url) as old:
        old.send(request_bytes(make_events(1)))
        old.receive()

        fault_id = mixpanel.faults.add(connection="refuse", for_s=60)

        assert is_refused(mixpanel.url)
        with pytest.raises(ConnectionResetError):
            old.receive()
    assert mixpanel.faults.fired_count(fault_id) == 1
    mixpanel.faults.clear()
    assert send(mixpanel.url, make_events(1)).status_code == 200


def test_refused_port_opens_again_when_its_time_is_over(
    mixpanel: MixpanelSimulator, clock: FakeClock
) -> None:
    """By the simulator's clock; a window in the future closes it by itself too."""
    mixpanel.faults.add(connection="refuse", for_s=60)
    mixpanel.faults.add(connection="refuse", after_s=100, for_s=60)

    assert is_refused(mixpanel.url)
    clock.now_s += 60
    wait_until(lambda: not is_refused(mixpanel.url))
    clock.now_s += 40
    wait_until(lambda: is_refused(mixpanel.url))


def test_nobody_else_gets_the_port_while_it_is_closed(mixpanel: MixpanelSimulator) -> None:
    """It is needed again."""
    mixpanel.faults.add(connection="refuse", for_s=60)

    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind(("127.0.0.1", int(mixpanel.url.rpartition(":")[2])))


def test_stopping_ends_every_connection_and_frees_the_port() -> None:
    """Idle, hanging, delayed or dripping."""
    with MixpanelSimulator(account="acct", password="pw") as running:
        connections = [RawConnection(running.url) for _ in range(4)]
        effects: list[dict[str, Any]] = [{"connection": "hang"}, {"delay_s": 600}, {"drip_s": 600}]
        for connection, effect in zip(connections, effects, strict=False):
            running.faults.add(**effect, next_requests=1)
            connection.send(request_bytes(make_events(1)))
            wait_until(lambda: all(each["fired"] for each in running.faults.listed()))
        thread = running._thread

    for connection in connections:
        with pytest.raises(ConnectionResetError):
            connection.receive_all()
        connection.socket.close()
    assert not thread.is_alive()
    assert is_refused(running.url)


def test_several_simulators_run_side_by_side() -> None:
    """Each with its own port and events."""
    with MixpanelSimulator() as one, MixpanelSimulator() as two:
        assert one.url != two.url
        requests.post(one.url + IMPORT, json=make_events(1), auth=("account", "password"), timeout=PATIENCE_S)

        assert (len(one.raw_events()), len(two.raw_events())) == (1, 0)


def test_taken_port_is_an_error_on_entering(mixpanel: MixpanelSimulator) -> None:
    """And leaves no thread."""
    second = MixpanelSimulator(port=int(mixpanel.url.rpartition(":")[2]))

    with pytest.raises(OSError, match="in use"):
        second.__enter__()

    second._thread.join(PATIENCE_S)
    assert not second._thread.is_alive()


def test_failure_of_the_simulator_itself_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets a 500 that says so, the log has it, and the block fails."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    def answer_of_a_broken_one() -> requests.Response:
        with MixpanelSimulator() as broken:
            monkeypatch.setattr(broken.core, "handle_import", fail)
            answers.append(send(broken.url, make_events(1)))
        return answers[0]

    answers: list[requests.Response] = []
    with pytest.raises(RuntimeError, match="simulator failed"):
        answer_of_a_broken_one()

    assert "ZeroDivisionError" in caplog.text
    assert answers[0].status_code == 500
    assert answers[0].json() == {"error": "the simulator failed"}


def test_many_events_fit_and_stream_back_in_blocks(mixpanel: MixpanelSimulator) -> None:
    """No event is lost on the way in or out, and the store stays small."""
    first = json.dumps(make_events(2_000)).encode()
    with requests.Session() as session:
        session.auth = ("acct", "pw")
        for number in range(20):
            body = first.replace(b'"id-', b'"id-%d-' % number)
            headers = {"Content-Type": "application/json"}
            assert session.post(mixpanel.url + IMPORT, data=body, headers=headers, timeout=PATIENCE_S).ok

        with session.get(mixpanel.url + "/_simulator/events", stream=True, timeout=PATIENCE_S) as answer:
            ids = {json.loads(line)["properties"]["$insert_id"] for line in answer.iter_lines()}

    store = mixpanel.core._states["123"].store
    assert len(ids) == 40_000
    assert sum(map(len, store._sealed)) < 40_000 * 60
