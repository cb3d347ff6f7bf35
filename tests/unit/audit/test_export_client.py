"""One request to a server on this machine, which may hang, drip, lie or break off."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from whyness_ops.audit.export_body import Incomplete, whole_lines
from whyness_ops.audit.export_client import (
    EXPORT_URLS,
    ExportClient,
    NoAnswer,
    Patience,
    checked_url,
)
from whyness_ops.errors import UsageFault

LINE = json.dumps({"event": "A", "properties": {"time": 1, "$insert_id": "row-1"}}).encode() + b"\n"
ZIPPED = gzip.compress(LINE * 3, mtime=0)
SHORT = Patience(first_byte_s=0.4, silence_s=0.4, window_s=0.1, least_bytes=100)
Serve = Callable[[socket.socket], None]


@contextmanager
def serving(serve: Serve) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of a server that reads one request, and the requests."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    requests.append(connection.recv(65_536))
                    serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
        listener.close()
        thread.join(5)


def head(length: int | None, *, encoding: str = "", status: str = "200 OK") -> bytes:
    """Return the head of an answer."""
    lines = [f"HTTP/1.1 {status}"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if encoding:
        lines.append(f"Content-Encoding: {encoding}")
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(body: bytes) -> bytes:
    """Return a chunk."""
    return b"%x\r\n%b\r\n" % (len(body), body)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
DONE = threading.Event()


def hang(_: socket.socket) -> None:
    """Say nothing until the client has gone."""
    _.settimeout(5)
    with suppress(OSError):
        _.recv(1)


def drip(beginning: bytes, rest: bytes) -> Serve:
    """Return what sends the rest byte by byte."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(beginning)
        for byte in rest:
            connection.sendall(bytes([byte]))
            if DONE.wait(0.02):
                return

    return serve


def send(*parts: bytes, stay: bool = False) -> Serve:
    """Return what sends these, and may keep the connection open."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"".join(parts))
        if stay:
            hang(connection)

    return serve


def read(serve: Serve) -> list[bytes]:
    """Return the lines of the export of a server."""
    with serving(serve) as (url, _):
        client = ExportClient(url, 7, "account-of-audit", "password-of-audit", SHORT)
        with client.ask("2026-11-01") as answer:
            return b"".join(whole_lines(answer.body, is_gzip=answer.is_gzip)).splitlines(keepends=True)


@pytest.mark.parametrize(
    "serve",
    [
        send(head(len(LINE) * 3), LINE * 3),
        send(head(len(LINE) * 3), LINE * 3, stay=True),
        send(head(None), LINE * 3),
        send(head(len(ZIPPED), encoding="gzip"), ZIPPED),
        send(head(len(ZIPPED), encoding="gzip"), ZIPPED, stay=True),
        send(head(None, encoding="gzip"), ZIPPED),
        send(CHUNKED, chunk(ZIPPED[:9]), chunk(ZIPPED[9:]), b"0\r\n\r\n", stay=True),
    ],
)
def test_whole_answer_is_read(serve: Serve) -> None:
    """Of announced length or not, in chunks or not, whether or not the server closes."""
    assert read(serve) == [LINE] * 3


@pytest.mark.parametrize(
    ("serve", "why"),
    [
        (send(head(len(LINE) * 4), LINE * 3), "announced"),
        (send(head(len(LINE) * 4), LINE * 3, stay=True), "nothing came"),
        (send(head(len(LINE) * 2), LINE * 3), "announced"),
        (send(head(len(ZIPPED) - 4, encoding="gzip"), ZIPPED), "announced|cut"),
        (send(head(len(ZIPPED) + 4, encoding="gzip"), ZIPPED), "announced"),
        (send(head(None, encoding="gzip"), ZIPPED[:-1]), "cut"),
        (send(CHUNKED, chunk(ZIPPED[:9])), "valid HTTP|cut"),
        (send(CHUNKED, b"zz\r\n"), "valid HTTP"),
        (send(head(None, encoding="gzip"), ZIPPED[:-1], stay=True), "nothing came"),
        (send(b"HTTP/1.1 200 OK\r\nConte"), "empty without"),
        (send(head(None)), "empty without"),
        (drip(head(None), LINE * 100), "bytes came in"),
    ],
)
def test_broken_answer_is_incomplete(serve: Serve, why: str) -> None:
    """Whatever length it claims, and also where its bytes only drip."""
    with pytest.raises(Incomplete, match=why) as caught:
        read(serve)

    assert "row-1" not in str(caught.value)


@pytest.mark.parametrize(
    "serve",
    [
        hang,
        drip(b"", head(0) + b"X" * 500),
        send(b"not http\r\n\r\n"),
        send(b""),
        send(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n"),
    ],
)
def test_no_answer_is_said_without_credentials(serve: Serve) -> None:
    """A server that hangs or drips before its head, or speaks something else."""
    with pytest.raises(NoAnswer) as caught:
        read(serve)

    assert "of-audit" not in f"{caught.value} {caught.value.__cause__} {caught.value.__dict__}"


def test_nobody_there_is_no_answer() -> None:
    """A connection that is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client = ExportClient(url, 7, "a", "b", SHORT)

    with pytest.raises(NoAnswer, match="connection failed"), client.ask("2026-11-01"):
        pass


def test_request_is_the_documented_one() -> None:
    """One day, in milliseconds; the password stands in the header alone; no redirect is followed."""
    moved = head(0, status="302 Found").replace(b"\r\n\r\n", b"\r\nLocation: http://127.0.0.1:9/\r\n\r\n")
    with serving(send(moved)) as (url, requests):
        client = ExportClient(url, 7, "account", "password", SHORT)
        with client.ask("2026-11-01") as answer:
            assert (answer.status, answer.retry_after_s) == (302, 0.0)

    (request,) = requests
    line, _, headers = request.decode().partition("\r\n")
    assert line == (
        "GET /api/2.0/export?project_id=7&from_date=2026-11-01&to_date=2026-11-01&time_in_ms=true HTTP/1.1"
    )
    assert "Authorization: Basic YWNjb3VudDpwYXNzd29yZA==\r\n" in headers
    assert "Accept-Encoding: gzip\r\n" in headers


@pytest.mark.parametrize(
    "url",
    [*EXPORT_URLS.values(), "http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:65535"],
)
def test_allowed_address(url: str) -> None:
    """Mixpanel's hosts over TLS, and this machine."""
    assert checked_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://data.mixpanel.com",
        "https://data.mixpanel.com.example.org",
        "https://example.org",
        "http://127.0.0.1:80@example.org:80",
        "http://127.0.0.2.example.org:80",
        "http://127.0.0.1:8080/path",
        "",
    ],
)
def test_refused_address(url: str) -> None:
    """The password goes nowhere else."""
    with pytest.raises(UsageFault, match="must be one of"):
        ExportClient(url, 7, "account", "password")
