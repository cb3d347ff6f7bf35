"""Edge: HTTP to Mixpanel. Posts side by side, decides nothing, and never lets a slow server hold it."""

import queue
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import requests
from isal import isal_zlib
from urllib3.exceptions import HTTPError

from whyness_events.delivery.mixpanel.service_account import Credentials
from whyness_events.delivery.mixpanel.transport.connection import ANSWER_BYTES, Transport, Wire
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
# A report; any other status confirms nothing.
_MAY_CONFIRM = frozenset({200, 400})
# A thread whose connection was cut ends within milliseconds.
_JOIN_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Exchange:
    """A request that is under way, or was."""

    wire: Wire
    thread: threading.Thread


class MixpanelPool:
    """The SenderPool over `requests`: one thread and one connection per request under way.

    Args:
        url: of the region, without `/import`.
        project_id: of the project.
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
        auth = (account.encode(), password.encode())  # as text, requests would take Latin-1 only
        request = requests.Request("POST", self._url, headers=_HEADERS, params=self._query, auth=auth)
        wire = Wire(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        thread = threading.Thread(target=self._run, args=(ticket, wire, request, events), daemon=True)
        thread.start()
        self._busy[ticket] = _Exchange(wire, thread)

    def wait(self, timeout_s: float) -> list[tuple[int, Answer]]:
        """Return what has been answered; see SenderPool."""
        give_up_s = time.monotonic() + timeout_s
        answered: list[tuple[int, Answer]] = []
        while True:
            left_s = max(0.0, give_up_s - time.monotonic())
            try:
                ticket, wire, answer = self._answers.get(timeout=0.0 if answered else left_s)
            except queue.Empty:
                return answered
            # Not ours any more where it was abandoned, or belongs to an earlier invocation.
            if ticket in self._busy and self._busy[ticket].wire is wire:
                self._busy.pop(ticket).thread.join()
                answered.append((ticket, answer))

    def abandon(self, ticket: int) -> None:
        """Cut the connection; see SenderPool."""
        exchange = self._busy.pop(ticket)
        exchange.wire.cut()
        self._cut.append(exchange)

    def abandon_all(self) -> None:
        """Cut every connection that is still busy, and wait until nothing of it is left.

        A thread inside a name look-up cannot be ended: it makes no connection, and ends when that returns.
        """
        for ticket in list(self._busy):
            self.abandon(ticket)
        give_up_s = time.monotonic() + _JOIN_S
        for exchange in self._cut:
            if not exchange.wire.is_resolving:
                exchange.thread.join(max(0.0, give_up_s - time.monotonic()))
        self._cut = [exchange for exchange in self._cut if exchange.thread.is_alive()]

    def refresh_credentials(self) -> bool:
        """Fetch the secret afresh; see SenderPool."""
        return self._credentials.refresh()

    def _run(self, ticket: int, wire: Wire, request: requests.Request, events: Sequence[bytes]) -> None:
        try:
            answer = _post(wire, request, events)
        except Exception as bug:  # noqa: BLE001  (the waiting thread must hear of it; its text may hold payload)
            answer = Answer(0, error=f"internal fault: {type(bug).__name__}")
        self._answers.put((ticket, wire, answer))


def _post(wire: Wire, request: requests.Request, events: Sequence[bytes]) -> Answer:
    request.data = _compress(events)
    prepared = request.prepare()
    try:
        # Not a Session: it reads the whole body of a redirect, asks for proxies and keeps cookies.
        with closing(Transport(prepared.url or "", wire)) as transport:
            response = transport.send(prepared, stream=True)
            return _answer(response, wire)
    except zlib.error:
        return Answer(0, error="the answer cannot be decompressed")
    except (requests.RequestException, HTTPError, OSError) as error:
        return Answer(0, error=_why(wire, error))


def _compress(events: Sequence[bytes]) -> bytes:
    """Return them as a JSON array, compressed piece by piece: to copy all of it costs more than that."""
    deflate = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_FORMAT)
    pieces = b"[", b",".join(events), b"]"
    return b"".join([*map(deflate.compress, pieces), deflate.flush()])


def _answer(response: requests.Response, wire: Wire) -> Answer:
    with response:
        if response.status_code in _MAY_CONFIRM and not wire.is_sent:
            return Answer(0, error="it was answered before it was sent")
        pieces: Iterable[bytes] = iter(partial(response.raw.read, _CHUNK_BYTES, decode_content=False), b"")
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding in _COMPRESSED:
            pieces = _inflate(pieces)
        elif encoding not in {"", "identity"}:
            return Answer(0, error="the answer is in an encoding that was not asked for")
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
