"""The cheap sink: says yes to everything and only counts. For benchmarks, where rules would cost time."""

from typing import Any

import msgspec

from .body import ImportBody
from .control import PREFIX
from .http1 import Request
from .reply import Refused, Reply, imported, json_reply

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_LINE = msgspec.json.Decoder(msgspec.Raw)


class Sink:
    """Counts requests, events and bytes; checks no credential and no event."""

    def __init__(self) -> None:
        self._counts = _zero()

    def handle(self, request: Request) -> Reply:
        """Answer a request with the count of its events, or show the counters."""
        if request.path == "/import":
            return self._import(request)
        if request.path == PREFIX + "reset":
            self._counts = _zero()
        elif request.path not in {PREFIX + "stats", PREFIX + "health"}:
            return json_reply(
                404, {"error": f"a sink has /import, {PREFIX}stats, {PREFIX}health and {PREFIX}reset"}
            )
        return json_reply(200, self._counts)

    def _import(self, request: Request) -> Reply:
        try:
            count, plain_bytes = _measured(request)
        except Refused as refusal:
            return refusal.reply(strict=True)
        except msgspec.DecodeError:
            return Refused(400, "request body is not valid JSON").reply(strict=True)
        self._counts["requests"] += 1
        self._counts["events"] += count
        self._counts["received_bytes"] += len(request.body)
        self._counts["plain_bytes"] += plain_bytes
        return imported(count)


def _measured(request: Request) -> tuple[int, int]:
    plain = ImportBody(request.headers, request.body).plain
    if request.headers.get("content-type", "").startswith("application/x-ndjson"):
        return len(_LINE.decode_lines(plain)), len(plain)
    return len(_ARRAY.decode(plain)), len(plain)


def _zero() -> dict[str, Any]:
    return {"requests": 0, "events": 0, "received_bytes": 0, "plain_bytes": 0}
