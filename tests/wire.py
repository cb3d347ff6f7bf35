"""Import requests and Mixpanel's answers as bytes on the wire, for servers that a test scripts itself."""

import gzip
import json
from typing import Any

from tests.loopback import Request, Response


def events_of(request: Request) -> list[dict[str, Any]]:
    """Return the events of an import request."""
    assert request.headers["content-encoding"] == "gzip"
    events: list[dict[str, Any]] = json.loads(gzip.decompress(request.body))
    return events


def accept(request: Request) -> Response:
    """Answer as Mixpanel does when all is well."""
    return imported(len(events_of(request)))


def imported(count: int) -> Response:
    """Confirm `count` events."""
    body = {"code": 200, "num_records_imported": count, "status": "OK"}
    return Response(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
