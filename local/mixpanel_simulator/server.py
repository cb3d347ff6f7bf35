"""The HTTP server: the connections of a loopback port, and a function that answers requests."""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable

from .faults import Faults
from .http1 import STREAM_BUFFER_BYTES, Request, read_request, reset_connection, write_reply
from .reply import Refused, Reply, json_reply

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_BACKLOG = 512
_WATCH_S = 0.02


class Server:
    """Serves until stopped. Everything except the constructor runs in one event loop.

    Args:
        handle: answers a request; must not block.
        faults: say whether the port must be closed; None = never.
        port: 0 = a free one.
    """

    def __init__(
        self, handle: Callable[[Request], Reply], faults: Faults | None = None, port: int = 0
    ) -> None:
        self._handle = handle
        self._faults = faults
        self._port = port
        self._listener: asyncio.Server | None = None
        self._reservation: socket.socket | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._watch: asyncio.Task[None] | None = None
        self._switching = asyncio.Lock()
        self.errors: list[BaseException] = []
        """Failures of the simulator itself, which clients see as a 500."""

    @property
    def url(self) -> str:
        """The URL, once started."""
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        first = _bound(self._port)
        self._port = first.getsockname()[1]
        if sys.platform == "linux":
            # Reserves the port while a fault closes it: bound but not listening, it refuses connections.
            self._reservation = _bound(self._port)
        await self._listen(first)
        if self._faults:
            self._watch = asyncio.get_running_loop().create_task(self._watch_faults())

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._watch:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        self._stop_listening()
        await self._end_connections(list(self._connections))
        if self._reservation:
            self._reservation.close()

    async def follow_faults(self) -> None:
        """Close or open the port as the faults require."""
        if self._faults is None:
            return
        async with self._switching:
            if not self._faults.refuses_connections():
                if not self._listener:
                    await self._listen(_bound(self._port))
            elif self._listener:
                self._stop_listening()
                self._faults.count_refusal()
                current = asyncio.current_task()
                await self._end_connections([task for task in self._connections if task is not current])

    async def _watch_faults(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            await self.follow_faults()

    async def _listen(self, sock: socket.socket) -> None:
        self._listener = await asyncio.start_server(
            self._accept, sock=sock, limit=STREAM_BUFFER_BYTES, backlog=_BACKLOG
        )

    def _stop_listening(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None

    async def _end_connections(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            reset_connection(self._connections[task])
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        writer = self._connections.pop(task)
        writer.transport.abort()
        if not task.cancelled() and (error := task.exception()):
            self._note(error)

    def _note(self, error: BaseException) -> None:
        self.errors.append(error)
        _log.error("the simulator failed", exc_info=error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer_next(reader, writer):
                pass
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client left

    async def _answer_next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether another may follow."""
        try:
            request = await read_request(reader, writer)
        except Refused as refusal:
            await write_reply(writer, refusal.reply(strict=True), close=True)
            return False
        if request is None:
            return False
        try:
            reply = self._handle(request)
        except Exception as error:  # noqa: BLE001  our own failure must be seen, and not look like Mixpanel's
            self._note(error)
            reply = json_reply(500, {"error": "the simulator failed"})
        await self.follow_faults()
        return await _delivered(reader, writer, request, reply)


async def _delivered(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, reply: Reply
) -> bool:
    if reply.delay_s:
        await asyncio.sleep(reply.delay_s)
    if reply.connection == "hang":
        while await reader.read(STREAM_BUFFER_BYTES):
            pass
        return False
    if reply.connection:
        reset_connection(writer)
        return False
    await write_reply(writer, reply, close=not request.keeps_connection)
    return request.keeps_connection and not reply.cut


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        raise
    return sock
