"""Edge: HTTP to Mixpanel. Posts side by side, decides nothing, and never lets a slow server hold it."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import requests
from isal import isal_zlib
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from whyness_events.delivery.flights import CONNECT_TIMEOUT_S
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.service_account import Credentials

# 2,000 named failures are some 600 kB.
_ANSWER_BYTES = 8_000_000
_CHUNK_BYTES = 65_536
_GZIP_LEVEL = 1
_GZIP_FORMAT = 16 + isal_zlib.MAX_WBITS

Post = Callable[..., requests.Response]


class MixpanelPool:
    """The SenderPool over `requests`: one thread per request under way, one Session per thread.

    Args:
        url: of the region, without `/import`.
        project_id: of the project.
        credentials: of the service account.
    """

    def __init__(self, url: str, project_id: str, credentials: Credentials) -> None:
        self._url = f"{url}/import"
        self._query = {"strict": "1", "project_id": project_id}
        self._credentials = credentials
        self._idle: list[_Session] = []
        self._busy: dict[int, tuple[_Session, _Poster]] = {}
        self._answers: queue.SimpleQueue[tuple[int, _Session, Answer]] = queue.SimpleQueue()

    def submit(self, ticket: int, events: Sequence[bytes], timeout_s: float) -> None:
        """Begin to post `events`; see SenderPool."""
        account, password = self._credentials.get()
        auth: Any = (account.encode(), password.encode())  # as text, requests would take Latin-1 only
        session = self._idle.pop() if self._idle else _Session()
        post: Post = partial(session.post, self._url, params=self._query, auth=auth)
        run = partial(self._run, ticket, session, post, events, timeout_s)
        self._busy[ticket] = session, (thread := _Poster(run))
        thread.start()

    def wait(self, timeout_s: float) -> list[tuple[int, Answer]]:
        """Return what has been answered; see SenderPool."""
        give_up_s = time.monotonic() + timeout_s
        found: list[tuple[int, Answer]] = []
        while True:
            left_s = max(0.0, give_up_s - time.monotonic())
            try:
                ticket, session, answer = self._answers.get(timeout=0.0 if found else left_s)
            except queue.Empty:
                return found
            # Not ours any more where it was abandoned, or belongs to an earlier invocation.
            if ticket in self._busy and self._busy[ticket][0] is session:
                del self._busy[ticket]
                self._idle.append(session)
                found.append((ticket, answer))

    def abandon(self, ticket: int) -> None:
        """Cut the connection; see SenderPool."""
        _, thread = self._busy.pop(ticket)
        thread.cut()

    def abandon_all(self) -> None:
        """Cut every connection that is still busy, so that nothing outlives the invocation."""
        for ticket in list(self._busy):
            self.abandon(ticket)

    def refresh_credentials(self) -> bool:
        """Fetch the secret afresh; see SenderPool."""
        return self._credentials.refresh()

    def _run(
        self, ticket: int, session: "_Session", post: Post, events: Sequence[bytes], timeout_s: float
    ) -> None:
        try:
            answer = _post(post, events, timeout_s)
        except Exception as bug:  # noqa: BLE001  (the waiting thread must hear of it; its text may hold payload)
            answer = Answer(0, error=f"internal fault: {type(bug).__name__}")
        self._answers.put((ticket, session, answer))


def _post(post: Post, events: Sequence[bytes], timeout_s: float) -> Answer:
    until_s = time.monotonic() + timeout_s
    body = _compress(events)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept": "application/json"}
    timeout = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
    try:
        response = post(data=body, headers=headers, timeout=timeout, allow_redirects=False, stream=True)
        with response:
            return _read(response, until_s)
    except requests.Timeout:
        return Answer(0, error="no answer in time")
    except (requests.RequestException, HTTPError, OSError) as error:
        return Answer(0, error=f"connection failed ({type(error).__name__})")


def _compress(events: Sequence[bytes]) -> bytes:
    """Return them as a JSON array, compressed piece by piece: to copy all of it costs more than that."""
    deflate = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_FORMAT)
    pieces = b"[", b",".join(events), b"]"
    return b"".join([*map(deflate.compress, pieces), deflate.flush()])


def _read(response: requests.Response, until_s: float) -> Answer:
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_content(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if time.monotonic() > until_s:
            return Answer(0, error="the answer took too long")
        if size > _ANSWER_BYTES:
            return Answer(0, error="the answer was too long")
    return Answer(response.status_code, b"".join(chunks), response.headers.get("Retry-After", ""))


class _Session(requests.Session):
    """A Session whose connection can be cut from another thread, and which asks nobody where to go."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no proxy, no netrc: the settings alone decide where events go
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(pool_connections=1, pool_maxsize=1))


class _Poster(threading.Thread):
    """A thread that posts one request. Closing its Session would leave the connection in use open."""

    def __init__(self, run: Callable[[], None]) -> None:
        super().__init__(target=run, daemon=True)
        self.connection: HTTPConnection | None = None
        self.is_cut = False

    def cut(self) -> None:
        """End the connection, or see to it that none is made."""
        self.is_cut = True
        if self.connection is not None and self.connection.sock is not None:
            with contextlib.suppress(OSError):  # it may have ended by itself just now
                socket.socket.shutdown(self.connection.sock, socket.SHUT_RDWR)


class _Http(HTTPConnection):
    """A connection that its thread knows of, and that is not made once nobody waits for it any more."""

    def connect(self) -> None:
        super().connect()
        self._tell_thread()

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._tell_thread()
        super().request(*args, **kwargs)

    def _tell_thread(self) -> None:
        thread = threading.current_thread()
        if isinstance(thread, _Poster):
            thread.connection = self
            if thread.is_cut:  # the name was looked up for so long
                self.close()
                raise OSError("abandoned")


class _Https(_Http, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
