"""Measure pages that send events, back to back, in this process; print a line of JSON."""

import json
import statistics
import sys
import time

from bench.django_site import configure, request, wait_until_published

_WARM_UP_REQUESTS = 20


def main() -> None:
    """Measure `argv[1]` requests to each of the following pages, such as `send:10` for ten events."""
    configure()
    request_count = int(sys.argv[1])
    pages = {kind: (name, int(count)) for kind in sys.argv[2:] for name, _, count in [kind.partition(":")]}
    for name, event_count in pages.values():  # warm up: imports, client, connections
        _requests(name, event_count, _WARM_UP_REQUESTS)
    wait_until_published()
    print(json.dumps({kind: _measure(*page, request_count) for kind, page in pages.items()}))


def _measure(name: str, event_count: int, request_count: int) -> dict[str, float]:
    """Return CPU and time per request; the CPU is the process's until the outbox is empty."""
    cpu_s = time.process_time()
    walls_s = _requests(name, event_count, request_count)
    wait_until_published()
    cpu_s = time.process_time() - cpu_s
    return {"cpu_ms": cpu_s / request_count * 1000, "wall_ms": statistics.mean(walls_s) * 1000}


def _requests(name: str, event_count: int, request_count: int) -> list[float]:
    walls_s = []
    for number in range(request_count):
        started_s = time.perf_counter()
        request(name, number * event_count, event_count)
        walls_s.append(time.perf_counter() - started_s)
    return walls_s


if __name__ == "__main__":
    main()
