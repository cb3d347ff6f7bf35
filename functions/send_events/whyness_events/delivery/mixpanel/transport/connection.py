"""Edge: the connection of one request. It is made for that request, ends with it, and can be cut meanwhile.

What a server sends late, twice or unasked finds no reader this way, and nothing outlives an invocation.
"""

import contextlib
import io
import os
import socket
import ssl
import threading
import time
from functools import lru_cache, partial
from http.client import HTTPResponse
from typing import Any

import certifi
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url
from urllib3.util.wait import wait_for_write

# 2,000 named failures are some 600 kB.
ANSWER_BYTES = 8_000_000
_FIRST_FINAL_STATUS = 200


class Wire:
    """What lies below HTTP for one request: its socket, its time, and how much may come back.

    Args:
        connect_s: for the name, the connection and TLS together.
        answer_s: for the request and its answer, from then on.
    """

    def __init__(self, connect_s: float, answer_s: float) -> None:
        self._connect_s, self._answer_s = connect_s, answer_s
        self._until_s = float("inf")
        self._left_bytes = ANSWER_BYTES
        self._lock = threading.Lock()
        self._held: socket.socket | None = None
        self._is_cut = False
        self.is_resolving = False
        self.is_sent = False

    @property
    def is_late(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() >= self._until_s

    @property
    def is_full(self) -> bool:
        """Whether more came than an answer may have."""
        return self._left_bytes < 0

    def connect(self, host: str, port: int | None) -> socket.socket:
        """Return a socket that is connected.

        Raises:
            OSError: it cannot be, its time is over, or it was cut.
        """
        self._until_s = time.monotonic() + self._connect_s
        addresses = self._resolve(host, port)
        failure = OSError("no address")
        for tried, (family, kind, protocol, _, address) in enumerate(addresses):
            timeout_s = self.left_s() / (len(addresses) - tried)
            try:
                return self._connect_to(socket.socket(family, kind, protocol), address, timeout_s)
            except OSError as error:
                failure = error
        raise failure

    def begin_request(self) -> float:
        """Let the request's own time begin; return it in seconds."""
        self._until_s = time.monotonic() + self._answer_s
        return self._answer_s

    def begin_answer(self) -> None:
        """Let it have its full length, whatever was read before it."""
        self._left_bytes = ANSWER_BYTES

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: none.
        """
        if (left_s := self._until_s - time.monotonic()) <= 0:
            raise TimeoutError
        return left_s

    def take(self, size_bytes: int) -> None:
        """Count what was read.

        Raises:
            OSError: it is too much.
        """
        self._left_bytes -= size_bytes
        if self.is_full:
            raise OSError("too long")

    def cut(self) -> None:
        """End the connection, or see to it that none is made."""
        with self._lock:
            self._is_cut = True
            if self._held is not None:
                with contextlib.suppress(OSError):  # it may have ended by itself just now
                    self._held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket."""
        with self._lock:
            if self._held is not None:
                self._held.close()
                self._held = None

    def _resolve(self, host: str, port: int | None) -> list[Any]:
        with self._lock:
            self._raise_if_cut()
            self.is_resolving = True
        try:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        finally:
            self.is_resolving = False

    def _connect_to(self, sock: socket.socket, address: Any, timeout_s: float) -> socket.socket:
        try:
            sock.setblocking(False)  # noqa: FBT003  (the standard library's)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._begin_to_connect(sock, address)
            _wait_until_connected(sock, timeout_s)
            sock.settimeout(self.left_s())
        except BaseException:
            sock.close()
            raise
        return sock

    def _begin_to_connect(self, sock: socket.socket, address: Any) -> None:
        with self._lock:  # a socket that is not connecting yet could not be cut
            self._raise_if_cut()
            if self._held is not None:
                self._held.close()
            # A duplicate, for libraries wrap theirs in TLS, and forget it when the connection is to close.
            self._held = sock.dup()
            with contextlib.suppress(BlockingIOError):
                sock.connect(address)

    def _raise_if_cut(self) -> None:
        if self._is_cut:
            raise OSError("abandoned")


def _wait_until_connected(sock: socket.socket, timeout_s: float) -> None:
    if not wait_for_write(sock, timeout_s):
        raise TimeoutError
    if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, os.strerror(code))


class _Incoming(io.RawIOBase):
    """All that the server sends, as it is read: within the request's time, and bounded."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, wire: Wire) -> None:
        self._raw, self._sock, self._wire = raw, sock, wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._wire.left_s())
        size: int | None = self._raw.readinto(buffer)
        self._wire.take(size or 0)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """The final answer; every interim one before it is read past (RFC 9110, 15.2)."""

    def __init__(self, wire: Wire, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._wire = wire
        self.fp: Any = io.BufferedReader(_Incoming(self.fp.detach(), sock, wire))

    def begin(self) -> None:
        super().begin()
        # urllib3 would log what it cannot read of the headers, which may quote what was sent.
        self.headers.defects.clear()
        self.headers.set_payload("")

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            status_line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in typeshed
            if status_line[1] >= _FIRST_FINAL_STATUS:
                return status_line
            while self.fp.readline().rstrip(b"\r\n"):
                pass
            self._wire.begin_answer()


class _Http(HTTPConnection):
    def __init__(self, *args: Any, wire: Wire, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wire = wire
        self.response_class = partial(_Response, wire)  # type: ignore[assignment]  # it is only called

    def _new_conn(self) -> socket.socket:
        return self._wire.connect(self.host, self.port)

    def connect(self) -> None:
        super().connect()
        self.timeout = self._wire.begin_request()
        self.sock.settimeout(self.timeout)

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        self._wire.is_sent = True  # urllib3 reads an answer also where a reset kept it from sending all


class _Https(_Http, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class Transport(HTTPAdapter):
    """The way to send one request, over one connection.

    Args:
        url: where it goes.
        wire: carries it.
    """

    def __init__(self, url: str, wire: Wire) -> None:
        super().__init__()
        self._wire = wire
        place = parse_url(url)
        self._pool: HTTPConnectionPool
        if place.scheme == "https":
            context = tls_context(certifi.where())
            self._pool = _HttpsPool(place.host or "", place.port, ssl_context=context, wire=wire)
        else:
            self._pool = _HttpPool(place.host or "", place.port, wire=wire)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """Return the one connection's pool: no proxy, whatever the environment says."""
        return self._pool

    def cert_verify(self, *_: Any) -> None:
        """Leave that to the context: requests would have the connection parse the CA bundle each time."""

    def close(self) -> None:
        """End the connection."""
        self._pool.close()
        self._wire.close()
        super().close()


@lru_cache(maxsize=1)
def tls_context(bundle: str) -> ssl.SSLContext:
    """Return the context that all connections of this process share; `bundle` is parsed once."""
    return ssl.create_default_context(cafile=bundle)
