"""`python -m bench.django_send`: what `send()` adds to a Django page, and what an event costs in CPU."""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from bench.page import write_block
from bench.run_backfill import QUEUE
from bench.sink import running_sink
from tests.integration.django.postgres import PostgresMissing, server

_EPILOG = """examples:
  .venv/bin/python -m bench.django_send
  .venv/bin/python -m bench.django_send --runs 1 --requests 20
"""
_EVENT_COUNTS = (1, 10)
# A name and the page.
_PAGES = (
    ("simplest loop", "loop"),
    ("send()", "send"),
)


class _Line(NamedTuple):
    """A line of the publisher's table: a way of bench.run_publisher."""

    title: str
    way: str
    target: float | None = None


_PUBLISHER = (
    _Line("pure: Event(...) to message bodies", "pure", target=60),
    _Line("send_many(100), no transaction", "send_many"),
    _Line("send_many(100), transaction", "send_many_atomic"),
    _Line("100 send(), transaction", "sends_atomic"),
)


class Site(NamedTuple):
    """Where the pages run."""

    title: str
    environment: Mapping[str, str]


def main() -> None:
    """Run, print the tables, end with one line of JSON."""
    options = _options()
    with (
        tempfile.TemporaryDirectory() as directory,
        running_sink("bench.sqs_sink") as url,
        _postgres() as postgres,
    ):
        base = _environment(url, Path(directory) / "bench.sqlite3")
        sites = _sites(base, postgres)
        kinds_count = len(sites) * (1 + len(_PAGES) * len(_EVENT_COUNTS)) + len(_PUBLISHER)
        with tqdm(total=options.runs * kinds_count, desc="measuring", unit="run") as bar:
            pages = [row for site in sites for row in _measure_site(site, options, bar)]
            publisher = [_measure_publisher(base, line, options.runs, bar) for line in _PUBLISHER]
    text = f"{_page_table(pages)}\n\n{_publisher_table(publisher)}"
    print(f"\n{text}\n")
    skipped = [] if isinstance(postgres, int) else [f"PostgreSQL: {postgres}"]
    print(*(f"skipped: {each}" for each in skipped), sep="\n")
    if options.write_docs:
        write_block("send", f"Medians of {options.runs} processes of {options.requests} requests.\n\n{text}")
    rows = [*(row for page in pages for row in _as_rows(page)), *publisher]
    print(json.dumps({"runs": options.runs, "requests": options.requests, "skipped": skipped, "rows": rows}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.django_send",
        description="Measure what send() adds to a page, beside json.dumps and send_message an event.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind (default 5)")
    parser.add_argument("--requests", type=int, default=100, help="requests a run (default 100)")
    parser.add_argument("--write-docs", action="store_true", help="write docs/bench.md's tables anew")
    return parser.parse_args()


@contextlib.contextmanager
def _postgres() -> Iterator[int | str]:
    """Give the port of a server, or the reason why there is none."""
    with contextlib.ExitStack() as stack:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                found: int | str = stack.enter_context(server())
        except PostgresMissing as missing:
            found = str(missing)
        yield found


def _environment(url: str, sqlite: Path) -> Mapping[str, str]:
    ours = ("WHYNESS_MIXPANEL_", "BENCH_", "AWS_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "BENCH_SQLITE": str(sqlite),
        "WHYNESS_MIXPANEL_QUEUE_URL": url + QUEUE,
        "WHYNESS_MIXPANEL_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_SQS": url,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }


def _sites(base: Mapping[str, str], postgres: int | str) -> list[Site]:
    databases = {"SQLite": base}
    if isinstance(postgres, int):
        databases["PostgreSQL"] = {**base, "BENCH_POSTGRES_PORT": str(postgres)}
    return [
        site
        for name, environment in databases.items()
        for site in (
            Site(f"{name}, no transaction", environment),
            Site(f"{name}, ATOMIC_REQUESTS", {**environment, "BENCH_ATOMIC": "1"}),
        )
    ]


def _measure_site(site: Site, options: argparse.Namespace, bar: "tqdm[Any]") -> list[dict[str, Any]]:
    """Return the medians; each round measures every kind, so that a slow minute falls on all of them."""
    kinds = [("nothing", "nothing", 0)]
    kinds += [(*page, event_count) for event_count in _EVENT_COUNTS for page in _PAGES]
    runs: dict[Any, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(options.runs):
        for kind in kinds:
            runs[kind].append(_run_page(site, kind, options.requests))
            bar.update()
    medians = {
        kind: {key: statistics.median(run[key] for run in found) for key in ("cpu_ms", "wall_ms")}
        for kind, found in runs.items()
    }
    nothing = medians.pop(kinds[0])
    return [
        {
            "site": site.title,
            "way": name,
            "events": event_count,
            **{f"{key}_page": nothing[key] for key in nothing},
            **{f"{key}_added": found[key] - nothing[key] for key in nothing},
        }
        for (name, _, event_count), found in medians.items()
    ]


def _run_page(site: Site, kind: tuple[str, str, int], request_count: int) -> dict[str, float]:
    _, page, event_count = kind
    return _python(site.environment, "bench.run_request", page, str(event_count), str(request_count))


def _measure_publisher(base: Mapping[str, str], line: _Line, runs: int, bar: "tqdm[Any]") -> dict[str, Any]:
    environment = {**base, "WHYNESS_MIXPANEL_BACKEND": "dummy"}
    found = []
    for _ in range(runs):
        found.append(_python(environment, "bench.run_publisher", line.way)["cpu_us"])
        bar.update()
    return _row(f"publisher, {line.title}", statistics.median(found), "µs of CPU an event", line.target)


def _row(name: str, value: float, unit: str, target: float | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "target": target and f"<= {target}",
        "verdict": target and ("met" if value <= target else "missed"),
    }


def _as_rows(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    name = f"{page['site']}, {page['way']}, {page['events']} events a request"
    return [
        _row(f"{name}, {kind} added", page[f"{key}_added"], "ms a request")
        for kind, key in (("CPU", "cpu_ms"), ("wall time", "wall_ms"))
    ]


def _python(environment: Mapping[str, str], *arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found["left_in_outbox"]:
        raise SystemExit(f"{found['left_in_outbox']} events stayed behind: the figures would mean nothing")
    return found


def _page_table(pages: list[dict[str, Any]]) -> str:
    """Return what is added to a request, as Markdown."""
    heads = [f"{way}, {count} event{'s' * (count > 1)}" for way, _ in _PAGES for count in _EVENT_COUNTS]
    lines = [f"| added to a request, ms of CPU / ms | the page itself | {' | '.join(heads)} |"]
    lines.append("|---|---|" + "---|" * len(heads))
    for site in dict.fromkeys(page["site"] for page in pages):
        ours = {(page["way"], page["events"]): page for page in pages if page["site"] == site}
        first = next(iter(ours.values()))
        cells = [f"{first['cpu_ms_page']:.2f} / {first['wall_ms_page']:.2f}"]
        for way, _ in _PAGES:
            found = (ours[way, count] for count in _EVENT_COUNTS)
            cells += [f"{page['cpu_ms_added']:.2f} / {page['wall_ms_added']:.2f}" for page in found]
        lines.append(f"| {site} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _publisher_table(rows: list[dict[str, Any]]) -> str:
    """Return the CPU of an event, as Markdown."""
    lines = ["| CPU of the publisher, batches of 100 | µs an event | target | verdict |", "|---|---|---|---|"]
    lines += [
        f"| {row['name'].removeprefix('publisher, ')} | {row['value']:.1f} "
        f"| {(row['target'] or '').replace('<=', '≤')} | {row['verdict'] or ''} |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
