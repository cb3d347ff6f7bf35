"""`python -m bench.context`: measure what the context costs, and a cold start by the names of browsers."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from bench.page import write_block
from bench.programs import ROOT
from bench.targets import Target

_ROWS = (
    Target("page_us", "CPU that the middleware adds to a page without events", "µs", 10.0),
    Target("event_us", "CPU that the middleware adds to an event", "µs", 60.0),
    Target("event_bytes", "bytes that the middleware adds to an event", "bytes", 400.0),
    Target("alone_us", "CPU of the event itself, up to its JSON", "µs"),
    Target("next_event_us", "CPU that it adds to each further event of the request", "µs"),
    Target("start_ms", "CPU of a cold start: `uap`, less that with `browser`", "ms", 100.0, at_most=False),
    Target(
        "start_mib", "memory after a cold start: `uap`, less that with `browser`", "MiB", 20.0, at_most=False
    ),
)
_REQUEST = {
    "HTTP_HOST": "www.example.com",
    "HTTP_REFERER": "https://www.google.com/",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8",
    "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_X_FORWARDED_FOR": "81.2.69.142",
    "HTTP_USER_AGENT": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36",
}
_ADDRESS = "/videos/12/?utm_source=newsletter&utm_medium=email&page=2"
# The highest memory by the kernel: that of `resource` includes the process that started this one.
_START = """
import handler, json, re, resource
usage = resource.getrusage(resource.RUSAGE_SELF)
peak_kib = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
print(json.dumps([usage.ru_utime + usage.ru_stime, peak_kib]))
"""


def main() -> None:
    """Measure, print a table, and print one line of JSON."""
    options = _options()
    _configure()
    values = {**_middleware(options.requests, options.runs), **_starts(options.runs)}
    text = table(values)
    print(text)
    if options.write_docs:
        write_block("context", f"Medians of {options.runs} runs.\n\n{text}")
    print(json.dumps({"runs": options.runs, "requests": options.requests, "values": values}))


def table(values: Mapping[str, float]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| measure | value | target | verdict |", "|---|---|---|---|"]
    for row in _ROWS:
        value = values[row.key]
        lines.append(f"| {row.title} | {value:,.3g} {row.unit} | {row.wanted} | {row.verdict(value)} |")
    return "\n".join(lines)


def _configure() -> None:
    import django  # noqa: PLC0415  (beside its use)

    settings.configure(
        SECRET_KEY="bench",  # noqa: S106  (it guards nothing)
        ALLOWED_HOSTS=["www.example.com"],
        INSTALLED_APPS=["whyness_mixpanel"],
        ROOT_URLCONF="bench.context",
        WHYNESS_MIXPANEL={"BACKEND": "dummy", "TRUSTED_PROXIES": "127.0.0.1"},
        LOGGING_CONFIG=None,
    )
    django.setup()


urlpatterns: list[Any] = []


def _middleware(request_count: int, run_count: int) -> dict[str, float]:
    """Return what the middleware adds to a page, to its first event, and to another."""
    from django.test import RequestFactory  # noqa: PLC0415  (after django.setup())
    from django.urls import ResolverMatch  # noqa: PLC0415  (as above)

    from whyness_mixpanel.middleware import ContextMiddleware  # noqa: PLC0415  (as above)
    from whyness_mixpanel.models import Event  # noqa: PLC0415  (as above)

    made = [RequestFactory().get(_ADDRESS, **_REQUEST) for _ in range(request_count)]  # type: ignore[arg-type]  # META is text
    match = ResolverMatch(main, (), {}, route="videos/<int:number>/")
    for request in made:
        request.resolver_match = match
    sent: list[str] = []

    def page(event_count: int) -> Callable[[Any], Any]:
        def answer(_request: Any) -> None:
            sent.clear()
            sent.extend(
                Event(event="Video watched", user="7", properties={"part": 2}).json()
                for _ in range(event_count)
            )

        return answer

    def added_us(event_count: int) -> float:
        answer = page(event_count)
        inside: Any = ContextMiddleware(answer)
        runs = [_cpu_us(inside, made) - _cpu_us(answer, made) for _ in range(run_count + 1)]
        return statistics.median(runs[1:])

    alone_us = statistics.median(_cpu_us(page(1), made) for _ in range(run_count))
    page_us, one_us, two_us = map(added_us, (0, 1, 2))
    ContextMiddleware(page(1))(made[0])
    inside_bytes = len(sent[0].encode())
    page(1)(made[0])
    return {
        "page_us": page_us,
        "event_us": one_us - page_us,
        "alone_us": alone_us,
        "next_event_us": two_us - one_us,
        "event_bytes": inside_bytes - len(sent[0].encode()),
    }


def _cpu_us(work: Callable[[Any], Any], requests: list[Any]) -> float:
    """Return the CPU of a request."""
    started_s = time.process_time()
    for request in requests:
        work(request)
    return (time.process_time() - started_s) / len(requests) * 1e6


def _starts(run_count: int) -> dict[str, float]:
    """Return the difference between cold starts with both kinds of names."""
    found: dict[str, list[list[float]]] = {"uap": [], "browser": []}
    for _ in range(run_count + 1):
        for names, starts in found.items():
            starts.append(_start(names))
    cpu_s, kib = (
        {names: statistics.median(start[index] for start in starts[1:]) for names, starts in found.items()}
        for index in range(2)
    )
    return {
        "start_ms": (cpu_s["uap"] - cpu_s["browser"]) * 1_000,
        "start_mib": (kib["uap"] - kib["browser"]) / 1_024,
    }


def _start(names: str) -> list[float]:
    """Return CPU seconds and the peak of memory in KiB of a process that starts as in Lambda."""
    started = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "MIXPANEL_NAMES": names}
    environment = {**os.environ, **started, "PYTHONPATH": str(ROOT / "functions/send_events")}
    done = subprocess.run(
        [sys.executable, "-c", _START], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    figures: list[float] = json.loads(done.stdout)
    return figures


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m bench.context",
        description="Measure what the context costs a page and an event, and a cold start by names.",
    )
    parser.add_argument("--runs", type=int, default=9, help="runs; the result is their median (default 9)")
    parser.add_argument("--requests", type=int, default=5_000, help="requests of a run (default 5000)")
    parser.add_argument(
        "--write-docs", action="store_true", help="update the table of docs/reference/bench.md"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
