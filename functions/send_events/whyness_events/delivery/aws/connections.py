"""Edge: the connections of a botocore client, so that a call that was given up can be ended."""

import contextlib
import socket
from typing import Any
from weakref import WeakSet


class Connections:
    """The open connections of `client`, which must be new.

    Closing a client closes only its idle connections. One that hangs, or whose answer trickles in, would stay
    open, and its thread would stay alive.
    """

    def __init__(self, client: Any) -> None:
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._is_cut = False
        session = client._endpoint.http_session  # noqa: SLF001  (botocore has no public way; it is pinned)
        pools = {name: self._pool(kind) for name, kind in session._pool_classes_by_scheme.items()}  # noqa: SLF001
        session._pool_classes_by_scheme = session._manager.pool_classes_by_scheme = pools  # noqa: SLF001

    def cut(self) -> None:
        """Close all open connections, and every one that is made from now on."""
        self._is_cut = True
        for open_socket in list(self._sockets):
            with contextlib.suppress(OSError):  # it may have been closed already
                socket.socket.shutdown(open_socket, socket.SHUT_RDWR)

    def _pool(self, kind: Any) -> Any:
        connections = self

        class Connection(kind.ConnectionCls):  # type: ignore[misc]  # HTTP or HTTPS
            def _new_conn(self) -> socket.socket:
                return connections._keep(super()._new_conn())

            def connect(self) -> None:
                super().connect()
                connections._keep(self.sock)  # TLS has wrapped it in another socket

        return type(kind.__name__, (kind,), {"ConnectionCls": Connection})

    def _keep(self, made: socket.socket) -> socket.socket:
        # The socket, not the connection, which forgets its socket when the answer says `Connection: close`.
        self._sockets.add(made)
        if self._is_cut:
            made.close()
            raise OSError("given up")
        return made
