"""Edge: one request for a day of Mixpanel's raw export, with a limit to each kind of wait."""

import base64
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from whyness_ops.audit.export_body import Incomplete
from whyness_ops.errors import UsageFault

# As Mixpanel's export.openapi.yaml says.
EXPORT_URLS = {
    "us": "https://data.mixpanel.com",
    "eu": "https://data-eu.mixpanel.com",
    "in": "https://data-in.mixpanel.com",
}
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}").fullmatch
_PIECE_BYTES = 1 << 18
# A server may keep a connection open that it was asked to close.
_AFTER_END_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take.

    Args:
        first_byte_s: until the answer begins: Mixpanel may take over a minute.
        silence_s: between two pieces of the body.
        window_s: in each so many seconds ...
        least_bytes: ... at least so many bytes must come.
    """

    first_byte_s: float = 180.0
    silence_s: float = 60.0
    window_s: float = 60.0
    least_bytes: int = 10_000


class Answer(NamedTuple):
    """What Mixpanel says: status, `Retry-After` in seconds (0 if none), and the body as received."""

    status: int
    retry_after_s: float
    is_gzip: bool
    body: Iterator[bytes]


class NoAnswer(Exception):
    """The request failed; `str()` is for people and names no credentials."""


def checked_url(url: str) -> str:
    """Return the address of an export: Mixpanel's, or on this machine.

    Raises:
        UsageFault: it is another.
    """
    url = url.rstrip("/")
    if url in EXPORT_URLS.values() or _LOOPBACK(url):
        return url
    allowed = ", ".join(EXPORT_URLS.values())
    raise UsageFault(f"The export's address must be one of {allowed}, or http://127.0.0.1:PORT.")


class ExportClient:
    """Asks for days.

    Args:
        url: of the region, without a path.
        project: its id.
        account: of the service account.
        password: of the service account.
        patience: limits.
    """

    def __init__(
        self, url: str, project: int, account: str, password: str, patience: Patience | None = None
    ) -> None:
        self._url = urlsplit(checked_url(url))
        self._project = project
        token = base64.b64encode(f"{account}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Accept-Encoding": "gzip", "Connection": "close"}
        self._patience = patience or Patience()

    @contextmanager
    def ask(self, day: str) -> Iterator[Answer]:
        """Yield the answer for a local day; its body raises Incomplete where it is not whole.

        Raises:
            NoAnswer: there is none.
        """
        with ExitStack() as stack:
            connection = stack.enter_context(closing(self._connection()))
            yield self._answer(connection, day, stack)

    def _answer(self, connection: http.client.HTTPConnection, day: str, stack: ExitStack) -> Answer:
        query = {"project_id": self._project, "from_date": day, "to_date": day, "time_in_ms": "true"}
        try:
            connection.connect()
            sock: socket.socket = connection.sock
            with _closed_after(sock, self._patience.first_byte_s):
                connection.request("GET", f"/api/2.0/export?{urlencode(query)}", headers=self._headers)
                response = stack.enter_context(connection.getresponse())
            sock.settimeout(self._patience.silence_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(_why(error)) from None
        return Answer(
            response.status,
            _seconds(response.getheader("Retry-After", "")),
            response.getheader("Content-Encoding", "").lower() == "gzip",
            self._body(response, sock),
        )

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        wait_s = self._patience.first_byte_s
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=wait_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=wait_s, context=context)

    def _body(self, response: http.client.HTTPResponse, sock: socket.socket) -> Iterator[bytes]:
        """Yield the body, and hold it against its announced length.

        Without chunks it is read from the connection itself: http.client stops at the announced length, and
        would take a body that goes on for a whole one.
        """
        announced = response.length
        read = response.read1 if announced is None else response.fp.read1
        window, received = _Window(self._patience), 0
        try:
            while piece := read(_PIECE_BYTES):
                received += len(piece)
                window.add(len(piece))
                yield piece
                if received == announced:
                    sock.settimeout(_AFTER_END_S)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not (received == announced and isinstance(error, TimeoutError)):  # else it is kept open
                raise Incomplete(_why(error)) from None
        if announced is None and not response.chunked and not received:
            raise Incomplete("it is empty without saying so")  # as where the head is cut
        if announced is not None and received != announced:
            raise Incomplete(f"it has {received} bytes where {announced} were announced")


class _Window:
    """Raises Incomplete where bytes only drip."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._began_s, self._bytes = time.monotonic(), 0

    def add(self, count: int) -> None:
        self._bytes += count
        now_s = time.monotonic()
        if now_s - self._began_s < self._patience.window_s:
            return
        if self._bytes < self._patience.least_bytes:
            raise Incomplete(f"only {self._bytes} bytes came in {now_s - self._began_s:.0f} s")
        self._began_s, self._bytes = now_s, 0


@contextmanager
def _closed_after(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Break the connection where the answer's head does not come: its bytes, too, may only drip."""
    fired = threading.Event()

    def close() -> None:
        fired.set()
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if fired.is_set():  # http.client takes a head that is cut for a whole one
        raise TimeoutError


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0  # noqa: PLR2004


def _why(error: Exception) -> str:
    """Return what happened, in words that quote nothing."""
    if isinstance(error, TimeoutError):
        return "nothing came for too long"
    if isinstance(error, OSError):
        return f"the connection failed ({error.strerror or type(error).__name__})"
    return f"the answer is not valid HTTP ({type(error).__name__})"
