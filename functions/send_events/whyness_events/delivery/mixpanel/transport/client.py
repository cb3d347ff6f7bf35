"""Edge: the HTTP client for Mixpanel. It posts in parallel, and no slow server can hold it up."""

import queue
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial

import requests
from isal import isal_zlib
from msgspec import Struct
from urllib3.exceptions import HTTPError

from whyness_events.delivery.mixpanel.service_account import Credentials
from whyness_events.delivery.mixpanel.transport.connection import Transport
from whyness_events.delivery.mixpanel.transport.sockets import ANSWER_BYTES, Wire
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.sending.in_flight import CONNECT_TIMEOUT_S

_CHUNK_BYTES = 65_536
_GZIP_LEVEL = 1
_GZIP_FORMAT = 16 + isal_zlib.MAX_WBITS
_GZIP_OR_ZLIB_FORMAT = 32 + zlib.MAX_WBITS
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_HEADERS = {
    "Content-Type": "application/json",
    "Content-Encoding": "gzip",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "Connection": "close",
}
# Statuses of answers that can confirm events.
_MAY_CONFIRM = frozenset({200, 400})
# A thread whose connection was cut ends within milliseconds.
_JOIN_S = 1.0


class _Exchange(Struct, frozen=True, eq=False):
    """A request that is or was in flight."""

    wire: Wire
    thread: threading.Thread


class MixpanelPool:
    """The SenderPool port over `requests`: one thread and one connection for each request in flight.

    Args:
        url: of the region's API host, without `/import`.
        project_id: of the Mixpanel project.
        credentials: of the service account.
    """

    def __init__(self, url: str, project_id: str, credentials: Credentials) -> None:
        self._url = f"{url}/import"
        self._query = {"strict": "1", "project_id": project_id}
        self._credentials = credentials
        self._busy: dict[int, _Exchange] = {}
        self._cut: list[_Exchange] = []
        self._answers: queue.SimpleQueue[tuple[int, Wire, Answer]] = queue.SimpleQueue()

    def submit(self, ticket: int, events: Sequence[bytes], timeout_s: float) -> None:
        """Begin to post `events`; see SenderPool."""
        account, password = self._credentials.get()
        auth = (account.encode(), password.encode())  # requests would encode texts as Latin-1
        request = requests.Request("POST", self._url, headers=_HEADERS, params=self._query, auth=auth)
        wire = Wire(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        thread = threading.Thread(target=self._run, args=(ticket, wire, request, events), daemon=True)
        thread.start()
        self._busy[ticket] = _Exchange(wire, thread)

    def wait(self, timeout_s: float) -> list[tuple[int, Answer]]:
        """Return the answers that have arrived; see SenderPool."""
        give_up_s = time.monotonic() + timeout_s
        answered: list[tuple[int, Answer]] = []
        while True:
            left_s = max(0.0, give_up_s - time.monotonic())
            try:
                ticket, wire, answer = self._answers.get(timeout=0.0 if answered else left_s)
            except queue.Empty:
                return answered
            # Dropped if the request was abandoned, or belongs to an earlier invocation.
            if ticket in self._busy and self._busy[ticket].wire is wire:
                self._busy.pop(ticket).thread.join()
                answered.append((ticket, answer))

    def abandon(self, ticket: int) -> None:
        """Cut the connection; see SenderPool."""
        exchange = self._busy.pop(ticket)
        exchange.wire.cut()
        self._cut.append(exchange)

    def abandon_all(self) -> None:
        """Cut every connection that is still busy, and wait up to a second for their threads.

        A thread in a DNS lookup cannot be stopped: it ends when the lookup returns, without connecting.
        """
        for ticket in list(self._busy):
            self.abandon(ticket)
        give_up_s = time.monotonic() + _JOIN_S
        for exchange in self._cut:
            if not exchange.wire.is_resolving:
                exchange.thread.join(max(0.0, give_up_s - time.monotonic()))
        self._cut = [exchange for exchange in self._cut if exchange.thread.is_alive()]

    def refresh_credentials(self) -> bool:
        """Fetch the credentials again; see SenderPool."""
        return self._credentials.refresh()

    def _run(self, ticket: int, wire: Wire, request: requests.Request, events: Sequence[bytes]) -> None:
        try:
            answer = _post(wire, request, events)
        except Exception as bug:  # noqa: BLE001  (`wait` needs an answer; its text may hold payload)
            answer = Answer(0, error=f"internal fault: {type(bug).__name__}")
        self._answers.put((ticket, wire, answer))


def _post(wire: Wire, request: requests.Request, events: Sequence[bytes]) -> Answer:
    request.data = _compress(events)
    prepared = request.prepare()
    try:
        # Not a Session, which reads the body of a redirect, uses proxies and keeps cookies.
        with closing(Transport(prepared.url or "", wire)) as transport:
            response = transport.send(prepared, stream=True)
            return _answer(response, wire)
    except zlib.error:
        return Answer(0, error="the answer cannot be decompressed")
    except (requests.RequestException, HTTPError, OSError) as error:
        return Answer(0, error=_why(wire, error))


def _compress(events: Sequence[bytes]) -> bytes:
    """Return the events as a compressed JSON array, without a copy of the uncompressed array."""
    deflate = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_FORMAT)
    pieces = b"[", b",".join(events), b"]"
    return b"".join([*map(deflate.compress, pieces), deflate.flush()])


def _answer(response: requests.Response, wire: Wire) -> Answer:
    with response:
        if response.status_code in _MAY_CONFIRM and not wire.is_sent:
            return Answer(0, error="the answer came before the request was sent")
        pieces: Iterable[bytes] = iter(partial(response.raw.read, _CHUNK_BYTES, decode_content=False), b"")
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding in _COMPRESSED:
            pieces = _inflate(pieces)
        elif encoding not in {"", "identity"}:
            return Answer(0, error="the answer has an encoding that was not requested")
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > ANSWER_BYTES:
                return Answer(0, error="the answer was too long")
    return Answer(response.status_code, bytes(body), response.headers.get("Retry-After", ""))


def _inflate(pieces: Iterable[bytes]) -> Iterator[bytes]:
    inflate = zlib.decompressobj(_GZIP_OR_ZLIB_FORMAT)
    for piece in pieces:
        rest = piece
        while rest:
            yield inflate.decompress(rest, _CHUNK_BYTES)
            rest = inflate.unconsumed_tail
        if inflate.eof:
            return
    yield inflate.flush()
    if not inflate.eof:
        raise zlib.error


def _why(wire: Wire, error: Exception) -> str:
    if wire.is_full:
        return "the answer was too long"
    if wire.is_late or isinstance(error, requests.Timeout):
        return "no answer in time"
    return f"connection failed ({type(error).__name__})"
