"""A TLS client context that resumes the session of its last connection."""

import ssl
from typing import Any, Self


class _Socket(ssl.SSLSocket):
    def _real_close(self, *args: Any) -> None:
        if self.session is not None and isinstance(self.context, ResumingContext):
            self.context.last = self.session  # tickets come with the answer, not with the handshake
        super()._real_close(*args)  # type: ignore[misc]  # not in typeshed


class ResumingContext(ssl.SSLContext):
    """Like the pool's context, with the session ticket of the last connection.

    Args:
        bundle: the authorities.
    """

    sslsocket_class = _Socket
    last: ssl.SSLSession | None = None

    def __new__(cls, _bundle: str) -> Self:
        """Create a client's context."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, bundle: str) -> None:
        self.load_verify_locations(bundle)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Wrap a socket, with the ticket."""
        return super().wrap_socket(*args, **{**kwargs, "session": self.last})
