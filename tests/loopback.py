"""A small HTTP server on loopback whose answers, and ways of not answering, are scripted by a test."""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, cast

from local.loopback import LOOPBACK, Service

HOST = LOOPBACK
GARBAGE = b"this is not HTTP"
# A dripped byte comes well before any time-out of a test, and a whole answer never.
_DRIP_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer, sent after `after_s`."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0


class Trouble(Enum):
    """Replaces a whole answer; HANG and the drips last until the client leaves."""

    RESET = auto()
    GARBAGE = auto()
    HANG = auto()
    DRIP_HEAD = auto()
    DRIP_BODY = auto()


_BEFORE_THE_DRIP = {
    Trouble.DRIP_HEAD: b"HTTP/1.1 200 OK\r\nX-Slow: ",
    Trouble.DRIP_BODY: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
}

Respond = Callable[[Request], Response | Trouble]


class LoopbackServer(Service):
    """Serves on a free port of 127.0.0.1 while the `with` block runs.

    Args:
        respond: called for each request, from several threads.
    """

    def __init__(self, respond: Respond) -> None:
        self._server = _Server((HOST, 0), _Handler)
        self._server.respond = respond
        super().__init__(self._server)

    def wait_until_client_left(self, timeout_s: float = 10.0) -> bool:
        """Wait until a client that was left without an answer has closed its connection; once for each."""
        return self._server.clients_left.acquire(timeout=timeout_s)

    def wait_until_troubled(self, timeout_s: float = 10.0) -> bool:
        """Wait until a request has met HANG or a drip; once for each."""
        return self._server.troubled.acquire(timeout=timeout_s)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        assert error is not None or not self._server.errors, f"the script failed: {self._server.errors[0]!r}"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 128
    respond: Respond

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clients_left = threading.Semaphore(0)
        self.troubled = threading.Semaphore(0)
        self.errors: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that leave; errors of the script are recorded in `do_POST`."""

    def server_close(self) -> None:
        """End the open connections first, so that no thread waits for a client for ever."""
        with self._lock:
            for connection in self._open:
                _shut(connection)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write: in two, each answer would wait 40 ms for an acknowledgement

    def do_POST(self) -> None:
        server = cast("_Server", self.server)
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:  # the client was cut in the middle of its request: nobody waits for an answer
            self.close_connection = True
            server.clients_left.release()
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            found = server.respond(Request(self.command, self.path, headers, body))
        except BaseException as error:
            server.errors.append(error)
            raise
        if isinstance(found, Response):
            self._answer(found, server)
        else:
            self._trouble(found, server)

    do_GET = do_POST  # noqa: N815  (the base class's name)

    def _answer(self, response: Response, server: _Server) -> None:
        if response.after_s and self._client_left_within(response.after_s):
            self.close_connection = True
            server.clients_left.release()
            return
        self.connection.settimeout(None)
        self.send_response(response.status)
        for name, value in {**response.headers, "Content-Length": str(len(response.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    def _trouble(self, trouble: Trouble, server: _Server) -> None:
        self.close_connection = True
        if trouble is Trouble.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if trouble is Trouble.GARBAGE:
            self.connection.sendall(b"\x15\x03\x01" + GARBAGE + b"\r\n\r\n")
            return
        server.troubled.release()
        self.connection.sendall(_BEFORE_THE_DRIP.get(trouble, b""))
        while not self._client_left_within(_DRIP_PAUSE_S):
            if trouble in _BEFORE_THE_DRIP and not self._drip():
                break
        server.clients_left.release()

    def _drip(self) -> bool:
        try:
            self.connection.sendall(b" ")
        except OSError:
            return False
        return True

    def _client_left_within(self, seconds: float) -> bool:
        self.connection.settimeout(seconds)
        try:
            return not self.connection.recv(1)
        except TimeoutError:
            return False
        except OSError:
            return True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """Say nothing."""


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself
