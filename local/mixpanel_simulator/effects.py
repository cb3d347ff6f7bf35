"""The answer to a request that a fault strikes."""

from collections.abc import Callable
from dataclasses import replace

from .body import ImportBody
from .fault import Fault
from .reply import (
    CREDENTIALS_ERROR,
    RATE_ERROR,
    Refused,
    Reply,
    error_reply,
    imported,
    json_reply,
    phrase,
    refused,
    too_large_error,
)

_BODILESS = (204, 304)
_OWN_ERRORS = {401: CREDENTIALS_ERROR, 413: too_large_error(10_000_000), 429: RATE_ERROR}


def struck(fault: Fault, body: ImportBody, run: Callable[[], Reply]) -> Reply:
    """Return the answer to a request that a fault strikes.

    Args:
        fault: that strikes.
        body: of the request.
        run: carries the request out and returns Mixpanel's own answer; called at most once.
    """
    if not (fault.status or fault.count or fault.connection):
        reply = run()
    else:
        if fault.ingest:
            run()
        reply = _scripted(fault, body)
    return replace(
        reply, delay_s=fault.delay_s, drip_s=fault.drip_s, connection=fault.connection, cut=fault.cut
    )


def _scripted(fault: Fault, body: ImportBody) -> Reply:
    if fault.connection:
        return Reply(0)
    if fault.count == "short":
        return imported(_event_count(body) - 1)
    if fault.count == "missing":
        return json_reply(200, {"code": 200, "status": phrase(200)})
    return _with_status(fault)


def _with_status(fault: Fault) -> Reply:
    if fault.status in _BODILESS:
        return Reply(fault.status, fault.headers)
    if isinstance(fault.body, (dict, list)):
        return json_reply(fault.status, fault.body, fault.headers)
    if fault.body is None and fault.status in _OWN_ERRORS:
        if fault.api == "engage":
            return error_reply(fault.status, _OWN_ERRORS[fault.status])
        return refused(fault.status, _OWN_ERRORS[fault.status], fault.headers)
    text = phrase(fault.status) if fault.body is None else str(fault.body)
    media_type = "text/html" if text.lstrip().startswith("<") else "text/plain"
    return Reply(fault.status, {"Content-Type": media_type, **fault.headers}, text.encode())


def _event_count(body: ImportBody) -> int:
    try:
        return len(body.events.elements)
    except Refused:
        return 0
