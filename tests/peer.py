"""A server on loopback that a test plays byte by byte, one connection at a time or many at once."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.loopback import HOST, Request

_STOP_S = 10.0
_READ_BYTES = 65_536


class Peer:
    """The server's end of one connection.

    Args:
        connection: accepted, and encrypted where the server is.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = b""
        self.sent_bytes = 0

    def read_request(self) -> Request | None:
        """Return the next request; None where the client has left."""
        while b"\r\n\r\n" not in self._read:
            if not self._more():
                return None
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self._read) < length:
            if not self._more():
                return None
        body, self._read = self._read[:length], self._read[length:]
        method, target, _ = first.split(" ")
        return Request(method, target, headers, body)

    def send(self, data: bytes) -> bool:
        """Send all of it; False where the client has left."""
        try:
            self._connection.sendall(data)
        except OSError:
            return False
        self.sent_bytes += len(data)
        return True

    def wait_until_client_left(self) -> None:
        """Read what comes until nothing comes any more."""
        while self._more():
            pass

    def _more(self) -> bool:
        try:
            found = self._connection.recv(_READ_BYTES)
        except OSError:
            return False
        self._read += found
        return bool(found)


Play = Callable[[Peer], None]


class PeerServer:
    """Listens on a free port of 127.0.0.1 while the `with` block runs.

    Args:
        play: what happens on a connection, in a thread of its own; it ends with it.
        tls: encrypts, where there is one.
    """

    def __init__(self, play: Play, tls: ssl.SSLContext | None = None) -> None:
        self._play, self._tls = play, tls
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'s' if self._tls else ''}://{HOST}:{self._listener.getsockname()[1]}"

    @property
    def connections(self) -> int:
        """How many there were."""
        return len(self._threads)

    def join(self) -> None:
        """Wait until all that is played has ended."""
        for thread in self._threads:
            thread.join(_STOP_S)
            assert not thread.is_alive(), "a client did not leave"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._thread.join(_STOP_S)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.join()
        assert error is not None or not self._errors, f"the script failed: {self._errors[0]!r}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True, name="peer")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            self._play(Peer(connection))
        except (OSError, ssl.SSLError):
            pass  # the client would not have it
        except BaseException as error:
            self._errors.append(error)
            raise
        finally:
            connection.close()
