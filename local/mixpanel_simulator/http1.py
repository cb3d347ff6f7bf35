"""The part of HTTP/1.1 that an import API needs, on asyncio streams."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qsl

from .reply import Refused, Reply, phrase, too_large_error

MAX_WIRE_BYTES = 64 * 1024 * 1024
STREAM_BUFFER_BYTES = 1024 * 1024

_LINGER_NOT = struct.pack("ii", 1, 0)
_BODILESS = (204, 304)


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Attributes:
        headers: names in lower case.
        query: decoded; the last value of a repeated name.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def keeps_connection(self) -> bool:
        """Return whether the client wants to keep the connection."""
        return self.headers.get("connection", "").lower() != "close"


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Read the next request; None at the end of the connection.

    Raises:
        Refused: it is not valid HTTP, or not supported; the connection cannot be used again.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, headers = _parsed_head(head)
    except asyncio.IncompleteReadError:
        return None
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise Refused(400, "request is not valid HTTP") from error
    length = _body_bytes(headers)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(length) if length else b""
    path, _, query = target.partition("?")
    return Request(method, path, dict(parse_qsl(query, keep_blank_values=True)), headers, body)


async def write_reply(writer: asyncio.StreamWriter, reply: Reply, *, close: bool = False) -> None:
    """Send an answer: whole, cut, dripping or streamed.

    Raises:
        ConnectionError: the client has left.
    """
    if reply.stream is not None:
        await _write_stream(writer, reply)
        return
    data = _head(reply, close=close) + reply.body
    if reply.cut:
        data = data[: len(data) - (len(reply.body) + 1) // 2]
    if not reply.drip_s:
        writer.write(data)
        await writer.drain()
        return
    for at in range(len(data)):
        writer.write(data[at : at + 1])
        await writer.drain()
        await asyncio.sleep(reply.drip_s)


def reset_connection(writer: asyncio.StreamWriter) -> None:
    """End a connection with a TCP reset."""
    if not writer.transport.is_closing():
        sock = cast("socket.socket", writer.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()


def _parsed_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, version = request_line.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("not HTTP/1")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("header without a colon")
        headers[name.lower()] = value.strip()
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    return method, target, headers


def _body_bytes(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise Refused(411, "chunked bodies are not supported; send a Content-Length")
    text = headers.get("content-length", "0")
    if not text.isdecimal():
        raise Refused(400, "content length must be a number")
    if int(text) > MAX_WIRE_BYTES:
        raise Refused(413, too_large_error(MAX_WIRE_BYTES))
    return int(text)


def _head(reply: Reply, *, close: bool, chunked: bool = False) -> bytes:
    headers = dict(reply.headers)
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif reply.status not in _BODILESS:
        headers["Content-Length"] = str(len(reply.body))
    if close or reply.cut:
        headers["Connection"] = "close"
    lines = [
        f"HTTP/1.1 {reply.status} {phrase(reply.status)}",
        *(f"{name}: {headers[name]}" for name in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _write_stream(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(_head(reply, close=False, chunked=True))
    for block in reply.stream or ():
        writer.write(b"%x\r\n%b\r\n" % (len(block), block))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
