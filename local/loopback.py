"""Ports and servers on this machine's loopback interface, where everything local listens."""

import os
import socket
import threading
from socketserver import TCPServer
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
# With these, HTTP libraries connect to the loopback interface directly even if a proxy is set.
NO_PROXY = {"no_proxy": LOOPBACK, "NO_PROXY": LOOPBACK}
_POLL_INTERVAL_S = 0.01
_STOP_S = 10.0


class Service:
    """Runs a server in a thread while the `with` block runs.

    Args:
        server: bound to a port of LOOPBACK; its `server_close` must end its connections if clients keep them.
    """

    def __init__(self, server: TCPServer) -> None:
        self._running = server
        self._thread = threading.Thread(target=server.serve_forever, args=(_POLL_INTERVAL_S,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self._running.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.shutdown()
        self._running.server_close()
        self._thread.join(_STOP_S)


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Return whether something accepts connections on a loopback port."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) == 0


def bypass_proxies() -> None:
    """Let this process reach loopback addresses directly, whatever proxy the environment names."""
    os.environ.update(NO_PROXY)
