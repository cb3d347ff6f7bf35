"""SQS behind something that mixes up its answers: late, twice, unasked, altered, cut and in pieces."""

import hashlib
import json
import socket
import socketserver
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast

from local.loopback import LOOPBACK, Service
from tests.aws_stub.sqs_rules import digests

Entry = Mapping[str, Any]


@dataclass
class Connection:
    """One connection.

    Args:
        pending: true answers that are still to come.
    """

    pending: deque[bytes] = field(default_factory=deque)


@dataclass
class Call:
    """One request that came in, and what it may be answered."""

    peer: "MixedUpSqs"
    connection: Connection
    entries: Sequence[Entry]

    def take(self, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        """Store entries; return what `Successful` says of them."""
        self.peer.stored.update(key_of(entry) for entry in entries)
        return [told(entry) for entry in entries]

    def true(self) -> bytes:
        """Store all; return the answer, which other calls may get once more."""
        answer = ok({"Successful": self.take(self.entries)})
        self.peer.answers.append(answer)
        return answer


def key_of(entry: Entry) -> str:
    """Return what a test knows an entry by."""
    return str(entry.get("MessageBody") or entry["ReceiptHandle"])


def told(entry: Entry) -> dict[str, Any]:
    """Return what `Successful` says of an entry that is stored."""
    if "MessageBody" not in entry:
        return {"Id": entry["Id"]}
    return {"Id": entry["Id"], "MessageId": "m", **digests(entry)}


def ok(document: Mapping[str, Any], status: str = "200 OK") -> bytes:
    """Return an answer as it is on the wire."""
    body = json.dumps(document).encode()
    fields = f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + body


def _flushed(call: Call, *answers: bytes) -> list[bytes]:
    """Return everything that is pending, and then these, in one piece."""
    waiting = list(call.connection.pending)
    call.connection.pending.clear()
    return [b"".join([*waiting, *answers])]


def true(call: Call) -> list[bytes]:
    """Store, and say so, after whatever was still to come."""
    return _flushed(call, call.true())


def in_pieces(call: Call) -> list[bytes]:
    """The same, cut in the middle of the head and of the body."""
    [whole] = true(call)
    return [whole[:20], whole[20:-30], whole[-30:]]


def read_past(call: Call) -> list[bytes]:
    """The same, after an interim answer that every client reads past."""
    return _flushed(call, b"HTTP/1.1 100 Continue\r\n\r\n", call.true())


def _interim(status: str) -> Callable[[Call], list[bytes]]:
    def manner(call: Call) -> list[bytes]:
        call.connection.pending.append(call.true())
        return [f"HTTP/1.1 {status}\r\n\r\n".encode()]

    return manner


def shifted(call: Call) -> list[bytes]:
    """Store, and give the oldest answer that is still to come; this call's own comes to a later one."""
    call.connection.pending.append(call.true())
    return [call.connection.pending.popleft()]


def twice(call: Call) -> list[bytes]:
    """Store, and say so now and once more in front of the next answer."""
    answer = call.true()
    found = _flushed(call, answer)
    call.connection.pending.append(answer)
    return found


def unasked(call: Call) -> list[bytes]:
    """Store nothing, and repeat an answer of any call of any connection."""
    return _flushed(call, call.peer.answers[-1] if call.peer.answers else ok({}))


def counted(call: Call) -> list[bytes]:
    """Store nothing, and confirm what a call is that counts its entries from 0, or from 1."""
    return _flushed(call, ok({"Successful": [{"Id": str(n), "MessageId": "m"} for n in range(11)]}))


def failing(call: Call) -> list[bytes]:
    """Store nothing, and say so."""
    return _flushed(call, ok({"__type": "com.amazonaws.sqs#ServiceUnavailable"}, "503 Unavailable"))


def refused(call: Call) -> list[bytes]:
    """Store nothing, for it is not allowed."""
    return _flushed(call, ok({"__type": "com.amazonaws.sqs#AccessDenied"}, "403 Forbidden"))


def partly(call: Call) -> list[bytes]:
    """Store every other entry; of the rest some fail, and some are passed over in silence."""
    failed = [{"Id": e["Id"], "Code": "InternalError", "SenderFault": False} for e in call.entries[1::4]]
    return _flushed(call, ok({"Successful": call.take(call.entries[::2]), "Failed": failed}))


def both_lists(call: Call) -> list[bytes]:
    """Store nothing, and name each entry as taken and as failed."""
    failed = [{"Id": e["Id"], "Code": "InternalError", "SenderFault": False} for e in call.entries]
    return _flushed(call, ok({"Successful": [told(e) for e in call.entries], "Failed": failed}))


def altered(call: Call) -> list[bytes]:
    """Store something else in the messages' stead, and say which; of handles, none."""
    digest = {"MD5OfMessageBody": hashlib.md5(b"something else").hexdigest()}  # noqa: S324
    messages = [entry for entry in call.entries if "MessageBody" in entry]
    return _flushed(call, ok({"Successful": [told(entry) | digest for entry in messages]}))


def cut(call: Call) -> list[bytes]:
    """Store, say half of it, and close the connection."""
    return [call.true()[:-20], CLOSE]


def reset(_: Call) -> list[bytes]:
    """Store nothing, and reset the connection."""
    return [RESET]


def reset_late(call: Call) -> list[bytes]:
    """Store, and reset the connection."""
    call.true()
    return [RESET]


CLOSE, RESET = b"close", b"reset"
Manner = Callable[[Call], list[bytes]]
early_hints, processing = _interim("103 Early Hints"), _interim("102 Processing")
MANNERS: dict[str, Manner] = {
    **{m.__name__: m for m in (true, in_pieces, read_past, shifted, twice, unasked, counted, failing)},
    **{m.__name__: m for m in (refused, partly, both_lists, altered, cut, reset, reset_late)},
    "early_hints": early_hints,
    "processing": processing,
}


class MixedUpSqs(Service):
    """Serves on loopback while the `with` block runs.

    Args:
        history: how to answer, request by request, by name of MANNERS; truly once it is used up.
        stored: bodies of messages that are in the queue, handles of those deleted or hidden.
        answers: true answers so far.
    """

    def __init__(self) -> None:
        self.history: deque[str] = deque()
        self.stored: set[str] = set()
        self.answers: list[bytes] = []
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()
        server = _Server((LOOPBACK, 0), _Handler)
        server.peer = self
        super().__init__(server)

    def answer(self, connection: Connection, body: bytes) -> list[bytes]:
        """Return the pieces of an answer."""
        with self._lock:
            manner = MANNERS[self.history.popleft() if self.history else "true"]
            return manner(Call(self, connection, json.loads(body)["Entries"]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        assert error is not None or self.errors == []


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    peer: MixedUpSqs


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        peer, connection = cast("_Server", self.server).peer, Connection()
        try:
            while (body := self._body()) is not None:
                for piece in peer.answer(connection, body):
                    if piece in (CLOSE, RESET):
                        self._end(piece)
                        return
                    self.wfile.write(piece)
        except OSError:
            return  # the client has gone away
        except BaseException as bug:
            peer.errors.append(bug)
            raise

    def _body(self) -> bytes | None:
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return self.rfile.read(length) if line else None

    def _end(self, how: bytes) -> None:
        if how == RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
