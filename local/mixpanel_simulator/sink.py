"""A sink for benchmarks: it accepts everything and only counts."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import msgspec

from .body import ImportBody
from .control import PREFIX
from .http1 import Request
from .reply import NOT_JSON, Refused, Reply, imported, json_reply

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_LINE = msgspec.json.Decoder(msgspec.Raw)


class Sink:
    """Counts requests, events and bytes; checks no credential and no event.

    Args:
        delay_s: how long each answer takes.
    """

    def __init__(self, delay_s: float = 0.0) -> None:
        self._counts = _zero()
        self._delay_s = delay_s

    def handle(self, request: Request) -> Reply:
        """Answer a request with the number of its events, or with the counters."""
        if request.path == "/import":
            return self._import(request)
        if request.path == PREFIX + "reset":
            self._counts = _zero()
        elif request.path not in {PREFIX + "stats", PREFIX + "health"}:
            return json_reply(
                404, {"error": f"a sink has only /import, {PREFIX}stats, {PREFIX}health and {PREFIX}reset"}
            )
        return json_reply(200, self._counts)

    def _import(self, request: Request) -> Reply:
        try:
            count, plain_bytes = _measured(request)
        except Refused as refusal:
            return refusal.reply(strict=True)
        except NOT_JSON:
            return Refused(400, "request body is not valid JSON").reply(strict=True)
        self._counts["requests"] += 1
        self._counts["events"] += count
        self._counts["received_bytes"] += len(request.body)
        self._counts["plain_bytes"] += plain_bytes
        reply = json_reply(200, {"status": 1, "error": None}) if _is_form(request) else imported(count)
        return replace(reply, delay_s=self._delay_s)


def _is_form(request: Request) -> bool:
    """Return whether it is the form of Mixpanel's older clients, which expect another answer."""
    return request.headers.get("content-type", "") == "application/x-www-form-urlencoded"


def _measured(request: Request) -> tuple[int, int]:
    if _is_form(request):
        (data,) = parse_qs(request.body)[b"data"]
        return len(_ARRAY.decode(data)), len(data)
    plain = ImportBody(request.headers, request.body).plain
    if request.headers.get("content-type", "").startswith("application/x-ndjson"):
        return len(_LINE.decode_lines(plain)), len(plain)
    return len(_ARRAY.decode(plain)), len(plain)


def _zero() -> dict[str, Any]:
    return {"requests": 0, "events": 0, "received_bytes": 0, "plain_bytes": 0}
