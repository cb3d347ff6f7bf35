"""Edge: the connections of a botocore client, so that what is given up can be ended."""

import contextlib
import socket
from typing import Any
from weakref import WeakSet


class Connections:
    """Those of `client`, from the moment that it is made.

    Closing a client closes its idle connections only. What hangs or drips would live on, with its thread.
    """

    def __init__(self, client: Any) -> None:
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._is_cut = False
        session = client._endpoint.http_session  # noqa: SLF001  (botocore has no other way; it is pinned)
        pools = {name: self._pool(kind) for name, kind in session._pool_classes_by_scheme.items()}  # noqa: SLF001
        session._pool_classes_by_scheme = session._manager.pool_classes_by_scheme = pools  # noqa: SLF001

    def cut(self) -> None:
        """End all that are open, and each that is made from now on."""
        self._is_cut = True
        for kept in list(self._sockets):
            with contextlib.suppress(OSError):  # it may have ended by itself
                socket.socket.shutdown(kept, socket.SHUT_RDWR)

    def _pool(self, kind: Any) -> Any:
        connections = self

        class Connection(kind.ConnectionCls):  # type: ignore[misc]  # HTTP or HTTPS
            def _new_conn(self) -> socket.socket:
                return connections._keep(super()._new_conn())

            def connect(self) -> None:
                super().connect()
                connections._keep(self.sock)  # with TLS it is another one by now

        return type(kind.__name__, (kind,), {"ConnectionCls": Connection})

    def _keep(self, made: socket.socket) -> socket.socket:
        # The socket, not the connection: that one lets go of it where the answer says `Connection: close`.
        self._sockets.add(made)
        if self._is_cut:
            made.close()
            raise OSError("given up")
        return made
