"""One measurement, in a process of its own: a page that sends events, through WSGI; JSON on the last line."""

import json
import statistics
import sys
import time
from typing import Any

from bench.django_site import left_in_outbox, set_up

_WARM_UP_REQUESTS = 20
_OK = "200 OK"


def main() -> None:
    """Measure `argv[1]`, a page's name, with `argv[2]` events a request, over `argv[3]` requests."""
    set_up()
    page, event_count, request_count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415  (after django.setup())

    handler = WSGIHandler()
    for number in range(_WARM_UP_REQUESTS):  # imports, client, connections: not what is measured
        _request(handler, f"/{page}/{number}/{event_count}/")
    left_in_outbox()  # waits until the relay has done with them
    walls_s = []
    cpu_s = time.process_time()
    for number in range(request_count):
        started_s = time.perf_counter()
        _request(handler, f"/{page}/{number * event_count}/{event_count}/")
        walls_s.append(time.perf_counter() - started_s)
    left_count = left_in_outbox()  # the relay's work is part of it
    cpu_s = time.process_time() - cpu_s
    found = {
        "cpu_ms": cpu_s / request_count * 1000,
        "wall_ms": statistics.mean(walls_s) * 1000,
        "left_in_outbox": left_count,
    }
    print(json.dumps(found))


def _request(handler: Any, path: str) -> None:
    from django.test import RequestFactory  # noqa: PLC0415  (as above)

    statuses: list[str] = []
    environ = RequestFactory().get(path).environ
    response = handler(environ, lambda status, _headers: statuses.append(status))
    b"".join(response)
    response.close()
    if statuses != [_OK]:
        raise SystemExit(f"{path} answered {statuses}: the figures would mean nothing")


if __name__ == "__main__":
    main()
