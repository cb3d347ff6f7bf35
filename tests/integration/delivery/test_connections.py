"""One connection a request: bounded in time, bytes and memory, and gone with its invocation."""

import gzip
import os
import shutil
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import certifi
import pytest

from local.certificate import Certificate, make_certificate
from tests.integration.delivery.function import Function, records_of
from tests.loopback import HOST
from tests.peer import Peer, PeerServer, Play
from whyness_events.delivery.mixpanel.service_account import FixedCredentials
from whyness_events.delivery.mixpanel.transport import connection
from whyness_events.delivery.mixpanel.transport.client import MixpanelPool
from whyness_events.delivery.ports import Answer

PATIENCE_S = 30.0
MIB = 1024 * 1024
MEMORY_BYTES = 100 * MIB
# An answer's own limit, and what two sockets' buffers hold beside it.
SENT_BYTES = 8_000_000 + 16 * MIB
IMPORTED = b'{"num_records_imported": 1}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(IMPORTED), IMPORTED)
EVENTS = [b'{"event":"e"}']


def make_pool(url: str) -> MixpanelPool:
    """Return a pool that posts there."""
    return MixpanelPool(url, "123", FixedCredentials("account", "password"))


def ask(url: str, *, events: list[bytes] = EVENTS, timeout_s: float = PATIENCE_S) -> Answer:
    """Post one request; return its answer."""
    pool = make_pool(url)
    pool.submit(1, events, timeout_s)
    [(_, answer)] = pool.wait(PATIENCE_S)
    return answer


def say(*data: bytes) -> Play:
    """Return a play that reads a request, sends this and ends."""

    def play(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"".join(data))

    return play


def repeat(before: bytes, again: bytes) -> Play:
    """Return a play that sends `before`, and then `again` until the client leaves, or too much has gone."""

    def play(peer: Peer) -> None:
        peer.read_request()
        peer.send(before)
        block = again * max(1, 16_384 // len(again))
        while peer.send(block):
            assert peer.sent_bytes < SENT_BYTES, "the client reads on and on"

    return play


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificate]:
    """A server's certificate for 127.0.0.1, which these tests trust."""
    if shutil.which("openssl") is None:
        pytest.skip("makes a certificate with the command openssl")
    made = make_certificate(tmp_path_factory.mktemp("tls"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certifi, "where", lambda: str(made.file))
        yield made


# --- how much

CHUNKED = b"Transfer-Encoding: chunked\r\n"
ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "body": (b"\r\n", b" "),
    "body with a length": (b"Content-Length: 1000000000000\r\n\r\n", b" "),
    "chunk": (CHUNKED + b"\r\nfffffffffff\r\n", b" "),
    "chunks": (CHUNKED + b"\r\n", b"40\r\n" + b" " * 64 + b"\r\n"),
    "chunk of no length": (CHUNKED + b"\r\n-1\r\n", b" "),
    "chunk extension": (CHUNKED + b"\r\n1;", b"x"),
    "trailers": (CHUNKED + b"\r\n0\r\n", b"X-Trailer: x\r\n"),
    "headers": (b"", b"X-Header: x\r\n"),
    "header": (b"X-Header: ", b"x"),
    "gzip blocks that hold nothing": (
        b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10],
        b"\0\0\0\xff\xff",
    ),
}


@pytest.mark.parametrize("status", [200, 302])
@pytest.mark.parametrize("name", ENDLESS)
def test_of_an_answer_without_end_8_mb_are_read(name: str, status: int) -> None:
    """Whatever its status, and whatever part of it has no end; then it is none."""
    before, again = ENDLESS[name]
    head = b"HTTP/1.1 %d Answer\r\nLocation: /elsewhere\r\n" % status

    with PeerServer(repeat(head + before, again)) as server, memory_bounded():
        answer = ask(server.url)

    assert (answer.status, answer.body) == (0, b"")
    assert answer.error


@cache
def bomb() -> bytes:
    """Return 300 MB of blanks, compressed."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(deflate.compress(b" " * MIB) for _ in range(300)), deflate.flush()])


@pytest.mark.parametrize("status", [200, 302])
@pytest.mark.parametrize("encoding", ["gzip", "X-Gzip", "deflate", "gzip, gzip", "deflate, gzip", "br"])
def test_a_compressed_answer_is_no_larger(encoding: str, status: int) -> None:
    """A bomb is read to 8 MB; what is encoded as nobody asked for is not read at all."""
    body = gzip.compress(bomb()) if "," in encoding else bomb()
    head = f"HTTP/1.1 {status} Answer\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"

    with PeerServer(say(head.encode(), body)) as server, memory_bounded():
        answer = ask(server.url)

    assert (answer.status, answer.body) == (0, b"")


@contextmanager
def memory_bounded() -> Iterator[None]:
    """Fail where Python takes more memory than an answer may cost."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [gzip.compress(IMPORTED), zlib.compress(IMPORTED), gzip.compress(IMPORTED) + b"and more"],
    ids=["gzip", "deflate", "more behind it"],
)
def test_a_compressed_answer_is_read(body: bytes) -> None:
    """A proxy may compress what Mixpanel says."""
    encoding = b"deflate" if body[0] == 0x78 else b"gzip"

    with PeerServer(say(b"HTTP/1.0 200 OK\r\nContent-Encoding: %b\r\n\r\n" % encoding, body)) as server:
        answer = ask(server.url)

    assert answer == Answer(200, IMPORTED)


# --- what is no answer yet, and what is none any more


@pytest.mark.parametrize("status", [100, 101, 102, 103, 199])
def test_any_number_of_interim_answers_is_read_past(status: int) -> None:
    """Together they are larger than an answer may be."""
    interim = b"HTTP/1.1 %d Wait\r\nLink: <%b>\r\n\r\n" % (status, b"x" * 2_000)

    with PeerServer(say(interim * 5_000, WHOLE)) as server:
        answer = ask(server.url)

    assert answer == Answer(200, IMPORTED)


def test_interim_answers_without_end_are_over_when_the_request_is() -> None:
    """They take its time, and no memory."""

    def play(peer: Peer) -> None:
        peer.read_request()
        while peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n"):
            pass

    with PeerServer(play) as server, memory_bounded():
        answer = ask(server.url, timeout_s=0.3)

    assert answer == Answer(0, error="no answer in time")


def test_what_was_not_sent_is_not_confirmed() -> None:
    """A server that says 200 and goes away before it has read all cannot have stored it."""

    def play(peer: Peer) -> None:
        peer.send(WHOLE)

    with PeerServer(play) as server:
        answer = ask(server.url, events=[b'"%b"' % os.urandom(20_000_000).hex().encode()])

    assert answer.status == 0


def test_a_refusal_of_what_was_not_sent_is_heard() -> None:
    """A proxy says 413 at once, and reads no further: it confirms nothing, and says what to do."""

    def play(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n")

    with PeerServer(play) as server:
        answer = ask(server.url, events=[b'"%b"' % os.urandom(20_000_000).hex().encode()])

    assert answer.status in {413, 0}  # a reset may overtake it


# --- what is left

ENDLESSLY: dict[str, bytes] = {
    "nothing": b"",
    "half a status": b"HTTP/1.1 2",
    "half a header": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "interim": b"HTTP/1.1 103 Early Hints\r\nX-Slow: ",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
    "body, to be closed": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n",
    "body of HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\n\r\n",
}


def dripping(before: bytes, begun: threading.Semaphore) -> Play:
    """Return a play that sends `before` and then byte after byte, until the client leaves."""

    def play(peer: Peer) -> None:
        peer.read_request()
        peer.send(before)
        begun.release()
        if before:
            while peer.send(b"x"):
                threading.Event().wait(0.01)
        peer.wait_until_client_left()

    return play


def own_threads() -> set[threading.Thread]:
    """Return the threads of this process but for the server's."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("peer")}


def open_files() -> int:
    """Return how many files and sockets this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", ENDLESSLY)
def test_nothing_is_left_of_what_is_abandoned(name: str, scheme: str, certificate: Certificate) -> None:
    """No thread and no socket, whatever the server has said of the connection."""
    begun = threading.Semaphore(0)
    tls = certificate.server_context() if scheme == "https" else None

    with PeerServer(dripping(ENDLESSLY[name], begun), tls) as server:
        threads, files = own_threads(), open_files()
        pool = make_pool(server.url)
        for ticket in range(3):
            pool.submit(ticket, EVENTS, PATIENCE_S)
        for _ in range(3):
            assert begun.acquire(timeout=PATIENCE_S)
        pool.abandon(1)
        pool.abandon_all()
        left = own_threads() - threads
        server.join()  # the clients have left

        assert left == set()
        assert open_files() == files


def test_nothing_is_left_of_a_connection_that_is_not_made() -> None:
    """The other side does not answer the call, or not in TLS: either can be cut."""
    with (
        closing(socket.create_server((HOST, 0), backlog=0)) as full,
        closing(socket.create_server((HOST, 0))) as mute,
    ):
        fillers = [socket.create_connection(full.getsockname()) for _ in range(1)]
        threads, files = own_threads(), open_files()
        pools = [make_pool(f"https://{HOST}:{listener.getsockname()[1]}") for listener in (full, mute)]
        for pool in pools:
            pool.submit(1, EVENTS, PATIENCE_S)
            pool.wait(0.1)
            pool.abandon_all()

        assert own_threads() == threads
        assert open_files() == files
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("happens", ["dropped", "black hole"])
def test_what_becomes_of_a_connection_between_invocations_costs_no_retry(
    function: Function, happens: str
) -> None:
    """A reset or a silence while the container is frozen meets nobody."""
    _, records = records_of(2)

    def play(peer: Peer) -> None:
        peer.read_request()
        peer.send(WHOLE)
        if happens == "black hole":
            stopped.wait(PATIENCE_S)

    stopped = threading.Event()
    with PeerServer(play) as server:
        function.set(MIXPANEL_API_URL=server.url)
        function.invoke(records[0])
        invocation = function.invoke(records[1])
        stopped.set()

    assert invocation.outcomes == {"delivered": 1}
    assert invocation.logged["requests"] == 1
    assert server.connections == 2


# --- to whom


def test_one_context_serves_all_connections(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle of authorities is parsed once a process, and not for each connection."""
    loaded: list[object] = []
    load = ssl.SSLContext.load_verify_locations

    def note(self: ssl.SSLContext, *arguments: Any, **named: Any) -> None:
        loaded.append((arguments, named))
        load(self, *arguments, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", note)
    connection.tls_context.cache_clear()

    with PeerServer(say(WHOLE), certificate.server_context()) as server:
        answers = [ask(server.url) for _ in range(3)]

    assert answers == [Answer(200, IMPORTED)] * 3
    assert len(loaded) == 1


@pytest.mark.parametrize("host", [HOST, "localhost"])
def test_a_server_must_be_who_it_says_it_is(certificate: Certificate, tmp_path: Path, host: str) -> None:
    """One whom no authority vouches for, or for another name, gets no request."""
    read: list[object] = []

    def play(peer: Peer) -> None:
        read.append(peer.read_request())

    # The one that is trusted is that of 127.0.0.1.
    presented = make_certificate(tmp_path) if host == HOST else certificate
    with PeerServer(play, presented.server_context()) as server:
        answer = ask(server.url.replace(HOST, host))

    assert answer == Answer(0, error="connection failed (SSLError)")
    assert read == []
