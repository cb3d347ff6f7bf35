"""The proxy's HTTP server. Each call opens its own connection to the emulator."""

import http.client
import json
import socket
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from local.chaos.proxy import partial
from local.chaos.proxy.errors import Answer, AwsError, throttled, unavailable
from local.chaos.proxy.faults import AwsFault, AwsFaults, Effect
from local.chaos.proxy.moving import OPERATIONS, MoveTasks
from local.chaos.proxy.upstream import Upstream, exchange
from local.loopback import LOOPBACK, Service

CONTROL = "/_proxy/faults"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class FaultProxy(Service):
    """Serves on a free port of 127.0.0.1 while the `with` block runs.

    Args:
        upstream: URL of the emulator.
    """

    def __init__(self, upstream: str) -> None:
        self.faults = AwsFaults()
        self.moves = MoveTasks()
        self.upstream = urlsplit(upstream).netloc
        server = _Server((LOOPBACK, 0), _Handler)
        server.proxy = self
        super().__init__(server)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # clients keep their connections
    request_queue_size = 128
    proxy: FaultProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._proxy = self.server.proxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it so)
        """Log nothing."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # a client that was killed
            self.close_connection = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == CONTROL:
            self._control(body)
            return
        service, _, operation = self.headers.get("X-Amz-Target", "").partition(".")
        try:
            answer = self._answer(operation, service, body)
        except AwsError as error:
            answer = error.answer(service)
        except (OSError, http.client.HTTPException):  # the emulator does not answer: neither does the proxy
            answer = None
        self._send(answer) if answer else self._reset()

    def do_GET(self) -> None:
        self._send_json(200, self._proxy.faults.listed())

    def do_DELETE(self) -> None:
        self._proxy.faults.clear()
        self._send_json(200, [])

    def _control(self, body: bytes) -> None:
        try:
            value = json.loads(body)
            for fault in value if isinstance(value, list) else [value]:
                self._proxy.faults.add(AwsFault.from_json(fault))
        except (TypeError, ValueError) as error:
            self._send_json(400, {"error": str(error)})
            return
        self._send_json(201, self._proxy.faults.listed())

    def _answer(self, operation: str, service: str, body: bytes) -> Answer | None:
        """Return the answer to a call, None to reset the connection."""
        payload = json.loads(body) if operation else {}
        struck = self._proxy.faults.strike(operation, partial.entry_count(operation, payload))
        match struck.effect:
            case Effect.DROP_BEFORE:
                return None
            case Effect.DROP_AFTER:
                self._forward(body)
                return None
            case Effect.THROTTLE:
                raise throttled(service)
            case Effect.UNAVAILABLE:
                raise unavailable()
            case Effect.PARTIAL:
                return self._forward_partly(operation, payload, struck.entries)
        if operation in OPERATIONS:
            upstream = Upstream(self._proxy.upstream, dict(self.headers.items()))
            answer = self._proxy.moves.answer(operation, payload, upstream)
            return Answer(200, json.dumps(answer).encode())
        return self._forward(body)

    def _forward_partly(self, operation: str, payload: dict[str, Any], failing: frozenset[int]) -> Answer:
        rest = partial.without(operation, payload, failing)
        answer = self._forward(json.dumps(rest).encode()) if rest else Answer(200, b"{}")
        if answer.status != http.HTTPStatus.OK:
            return answer
        document = partial.answered(operation, payload, failing, json.loads(answer.body))
        return Answer(200, json.dumps(document).encode())

    def _forward(self, body: bytes) -> Answer:
        return exchange(self._proxy.upstream, self.path, dict(self.headers.items()), body)

    def _send_json(self, status: int, value: object) -> None:
        self._send(Answer(status, json.dumps(value).encode()))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.close_connection = True
