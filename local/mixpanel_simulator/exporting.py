"""GET of the raw export: one request in, Mixpanel's answer out."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from zoneinfo import ZoneInfo

from .api_request import ApiRequest
from .export_request import ExportRequest, parsed
from .exported import exported_lines
from .importing import ProjectState, authorised_account
from .rate_limit import QueryRate
from .reply import Refused, Reply, json_reply
from .settings import Settings

TERMINATED = b"terminated early\n"
"""Ends an answer that Mixpanel broke off, with status 200. Source: airbyte's source-mixpanel."""

_GZIP_WBITS = 31
_BLOCK_BYTES = 64 * 1024
_PACKED_FROM_BYTES = 1_400


def export_events(
    request: ApiRequest,
    *,
    settings: Settings,
    states: Mapping[str, ProjectState],
    queries: QueryRate,
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
        project = authorised_account(request.headers, request.query, settings)
        wanted = parsed(request.headers, request.query, zone=ZoneInfo(settings.export_zone), now_s=now_s)
        queries.take(
            project.project_id, now_s, per_hour=settings.export_per_hour, per_s=settings.export_per_s
        )
    except Refused as refusal:
        return json_reply(refusal.status, {"error": refusal.error, "request": "/api/2.0/export"})
    store = states[project.project_id].store
    # Two passes over what is there now: the whole of it would not fit into memory.
    passes = (store.lines(raw=True), store.lines(raw=True))
    lines = exported_lines(passes, wanted, settings, round(now_s * 1_000))
    return _reply(_FLAWS[request.fault.lines if request.fault else ""](lines), wanted)


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
