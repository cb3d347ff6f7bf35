"""GET of the raw export: one request in, Mixpanel's answer out."""

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from zoneinfo import ZoneInfo

from .export_request import ExportRequest, parsed
from .exported import exported_lines
from .importing import ProjectState, authorised_project
from .reply import Refused, Reply, json_reply
from .settings import Settings

TERMINATED = b"terminated early\n"
"""Ends an answer that Mixpanel broke off, with status 200. Source: airbyte's source-mixpanel."""

RATE_ERROR = "Query rate limit exceeded"
_HOUR_S = 3_600.0
_GZIP_WBITS = 31
_BLOCK_BYTES = 64 * 1024
_PACKED_FROM_BYTES = 1_400


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """One GET of the export.

    Attributes:
        headers: names in lower case.
        query: decoded.
        flaw: of the lines: "" = none, else as in `Fault.lines`.
    """

    headers: Mapping[str, str]
    query: Mapping[str, str]
    flaw: str = ""


class ExportQueries:
    """When each project was asked, for the limits by second and by hour. A refused query does not count."""

    def __init__(self) -> None:
        self._asked: dict[str, deque[float]] = {}

    def take(self, project_id: str, now_s: float, settings: Settings) -> None:
        """Count a query.

        Raises:
            Refused: 429, there were too many.
        """
        asked = self._asked.setdefault(project_id, deque())
        while asked and asked[0] <= now_s - _HOUR_S:
            asked.popleft()
        last_second = sum(at_s > now_s - 1 for at_s in asked)
        if len(asked) >= settings.export_per_hour or last_second >= settings.export_per_s:
            raise Refused(429, RATE_ERROR)
        asked.append(now_s)


def export_events(
    request: ExportQuery,
    *,
    settings: Settings,
    states: Mapping[str, ProjectState],
    queries: ExportQueries,
    now_s: float,
) -> Reply:
    """Answer one request as Mixpanel would.

    Args:
        request: what came.
        settings: of the moment.
        states: one for each project of the settings.
        queries: of the last hour; the request is counted.
        now_s: arrival, epoch seconds.
    """
    try:
        project = authorised_project(request.headers, request.query, _without_tokens(settings))
        wanted = parsed(request.headers, request.query, zone=ZoneInfo(settings.export_zone), now_s=now_s)
        queries.take(project.project_id, now_s, settings)
    except Refused as refusal:
        return json_reply(refusal.status, {"error": refusal.error, "request": "/api/2.0/export"})
    store = states[project.project_id].store
    # Two passes over what is there now: the whole of it would not fit into memory.
    passes = (store.lines(raw=True), store.lines(raw=True))
    lines = exported_lines(passes, wanted, settings, round(now_s * 1_000))
    return _reply(_FLAWS[request.flaw](lines), wanted)


def whole(reply: Reply) -> Reply:
    """Return the answer in one piece, as a fault that cuts it or makes it drip needs it."""
    if reply.stream is None or not (reply.cut or reply.drip_s):
        return reply
    return replace(reply, body=b"".join(reply.stream), stream=None)


def _reply(lines: Iterable[bytes], request: ExportRequest) -> Reply:
    blocks = _blocks(lines)
    first = next(blocks, b"")
    blocks = chain([first], blocks) if first else iter(())
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if not request.is_packed or len(first) <= _PACKED_FROM_BYTES:
        return Reply(200, headers, stream=blocks)
    return Reply(200, {**headers, "Content-Encoding": "gzip"}, stream=_packed(blocks))


def _blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size_bytes = 0
    for line in lines:
        waiting.append(line)
        size_bytes += len(line)
        if size_bytes >= _BLOCK_BYTES:
            yield b"".join(waiting)
            waiting, size_bytes = [], 0
    if waiting:
        yield b"".join(waiting)


def _packed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, wbits=_GZIP_WBITS)
    for block in blocks:
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()


def _terminated(lines: Iterable[bytes]) -> Iterator[bytes]:
    all_lines = list(lines)
    yield from all_lines[: len(all_lines) // 2]
    yield TERMINATED


def _split(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Break the first line in two, inside a text where it has one, as a stray line break does."""
    for count, line in enumerate(lines):
        middle = len(line) // 2
        yield line if count else line[:middle] + b"\n" + line[middle:]


_FLAWS: dict[str, Callable[[Iterable[bytes]], Iterable[bytes]]] = {
    "": iter,
    "terminated": _terminated,
    "split": _split,
}


def _without_tokens(settings: Settings) -> Settings:
    """Only a service account may export."""
    return replace(settings, projects=tuple(replace(project, token="") for project in settings.projects))
