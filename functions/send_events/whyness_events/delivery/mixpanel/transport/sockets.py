"""Edge: what lies below HTTP for one request: its socket, its time, and the limit on what it reads."""

import contextlib
import os
import socket
import threading
import time
from typing import Any

from urllib3.util.wait import wait_for_write

# Far above what Mixpanel answers: a report that names 2,000 events takes about 600 kB.
ANSWER_BYTES = 8_000_000


class Wire:
    """The socket of one request, with its limits of time and size.

    Args:
        connect_s: seconds for the DNS lookup, the connection and TLS together.
        answer_s: seconds for the request and its answer, once connected.
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
        """Whether the answer was longer than ANSWER_BYTES."""
        return self._left_bytes < 0

    def connect(self, host: str, port: int | None) -> socket.socket:
        """Return a connected socket.

        Raises:
            OSError: the host cannot be reached in time, or the wire was cut.
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
        """Start the time for the request and its answer; return it in seconds."""
        self._until_s = time.monotonic() + self._answer_s
        return self._answer_s

    def begin_answer(self) -> None:
        """Allow ANSWER_BYTES from here on, not counting what was read before."""
        self._left_bytes = ANSWER_BYTES

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: no time is left.
        """
        if (left_s := self._until_s - time.monotonic()) <= 0:
            raise TimeoutError
        return left_s

    def take(self, size_bytes: int) -> None:
        """Count bytes that were read.

        Raises:
            OSError: the answer is longer than ANSWER_BYTES.
        """
        self._left_bytes -= size_bytes
        if self.is_full:
            raise OSError("too long")

    def cut(self) -> None:
        """End the connection, or prevent that one is made."""
        with self._lock:
            self._is_cut = True
            if self._held is not None:
                with contextlib.suppress(OSError):  # it may have been closed already
                    self._held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket."""
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
        with self._lock:  # so that `cut` finds either no socket or one that is connecting
            self._raise_if_cut()
            if self._held is not None:
                self._held.close()
            # A duplicate: the libraries wrap the socket in TLS, and forget it when the connection is to
            # close.
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
