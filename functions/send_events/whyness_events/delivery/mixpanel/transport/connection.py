"""Edge: HTTP for one request, over a connection of its own, which can be cut at any time.

So what a server sends late, twice or unasked is never read, and no connection outlives an invocation.
"""

import io
import socket
import ssl
from functools import lru_cache, partial
from http.client import HTTPResponse
from typing import Any

import certifi
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url

from whyness_events.delivery.mixpanel.transport.sockets import Wire

_FIRST_FINAL_STATUS = 200


class _Incoming(io.RawIOBase):
    """Reads what the server sends, within the request's limits of time and size."""

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
    """The final answer; interim answers before it are skipped (RFC 9110, section 15.2)."""

    def __init__(self, wire: Wire, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._wire = wire
        self.fp: Any = io.BufferedReader(_Incoming(self.fp.detach(), sock, wire))

    def begin(self) -> None:
        super().begin()
        # urllib3 would log malformed headers, which may quote the request.
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
        self._wire.is_sent = True  # after a reset, urllib3 reads an answer even if not all was sent


class _Https(_Http, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class Transport(HTTPAdapter):
    """Sends one request over one connection.

    Args:
        url: of the request.
        wire: the connection's socket and limits.
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
        """Return the pool of the one connection, without a proxy even if the environment names one."""
        return self._pool

    def cert_verify(self, *_: Any) -> None:
        """Do nothing: the context verifies, and requests would parse the CA bundle for every connection."""

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()
        self._wire.close()
        super().close()


@lru_cache(maxsize=1)
def tls_context(bundle: str) -> ssl.SSLContext:
    """Return the TLS context that all connections share; the CA file `bundle` is parsed once."""
    return ssl.create_default_context(cafile=bundle)
