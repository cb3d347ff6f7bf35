"""Sends over sockets, with nothing between the test and the bytes."""

import json
import socket
from typing import Self
from urllib.parse import urlsplit

import requests

from tests.unit.mixpanel_simulator.builders import PASSWORD, basic

PATIENCE_S = 20.0
A_WHILE_S = 0.2
IMPORT = "/import?strict=1&project_id=123"


def send(url: str, events: object) -> requests.Response:
    """Import events with a right credential over a connection of its own."""
    return requests.post(
        url + IMPORT, json=events, auth=("acct", PASSWORD), timeout=PATIENCE_S, allow_redirects=False
    )


def request_bytes(events: object, *, path: str = IMPORT, extra: str = "") -> bytes:
    """Return a whole import request."""
    body = json.dumps(events).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()['Authorization']}\r\n"
        f"Content-Length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body


class RawConnection:
    """A TCP connection to a URL's host; each receive waits at most PATIENCE_S."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def receive(self) -> bytes:
        """Return what comes next; b"" at an orderly end."""
        return self.socket.recv(1 << 20)

    def receive_all(self) -> bytes:
        """Return everything up to an orderly end."""
        pieces = []
        while piece := self.receive():
            pieces.append(piece)
        return b"".join(pieces)

    def is_silent_for_a_while(self) -> bool:
        """Tell whether nothing comes for A_WHILE_S, not even the end."""
        self.socket.settimeout(A_WHILE_S)
        try:
            self.receive()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_S)
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
