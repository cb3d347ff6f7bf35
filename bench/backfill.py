"""`python -m bench.backfill`: measure a backfill of many rows and the simplest loop, on loopback."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.page import write_block
from bench.run_backfill import QUEUE
from bench.sink import ask, running_sink

_EPILOG = """examples:
  .venv/bin/python -m bench.backfill
  .venv/bin/python -m bench.backfill --rows 100000 --loop-rows 5000
"""
_ROWS = (
    ("events", "events", 0),
    ("events_per_s", "events/s", 0),
    ("cpu_s_per_100k", "CPU, s per 100,000 events", 1),
    ("peak_over_idle_mib", "peak memory over idle, MiB", 1),
    ("queries_per_page", "queries per 1,000 rows", 1),
    ("messages", "messages", 0),
)


def main() -> None:
    """Measure, print a table, and print one line of JSON."""
    options = _options()
    with tempfile.TemporaryDirectory() as directory, running_sink("bench.sqs_sink") as url:
        environment = environment_of(url, Path(directory) / "bench.sqlite3")
        print(f"creating {options.rows:,} rows", flush=True)
        make_rows(environment, options.rows)
        results = {
            "a tenth, backfilled": _measure(environment, url, "backfill", options.rows // 10),
            "all, backfilled": _measure(environment, url, "backfill", options.rows),
            "simplest loop": _measure(environment, url, "loop", options.loop_rows),
        }
    text = _table(results)
    print(f"\n{text}\n")
    if options.write_docs:
        write_block("backfill", text)
    print(json.dumps(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m bench.backfill",
        description="Measure a backfill and the simplest loop (json.dumps and send_message for each row).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table (default 1000000)")
    parser.add_argument("--loop-rows", type=int, default=20_000, help="rows of the loop (default 20000)")
    parser.add_argument(
        "--write-docs", action="store_true", help="update the table of docs/reference/bench.md"
    )
    return parser.parse_args()


def environment_of(url: str, database: Path) -> Mapping[str, str]:
    """Return the variables of the example site for a database and a queue."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "example.settings",
        "EXAMPLE_DATABASE": str(database),
        "WHYNESS_MIXPANEL_QUEUE_URL": url + QUEUE,
        "WHYNESS_MIXPANEL_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_SQS": url,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }


def _measure(environment: Mapping[str, str], url: str, way: str, rows: int) -> dict[str, float]:
    print(f"{way}: {rows:,} rows", flush=True)
    before = ask(url)["messages"]
    figures = backfilled(environment, way, rows)
    return figures | {"messages": ask(url)["messages"] - before - 1}  # one to warm up


def make_rows(environment: Mapping[str, str], rows: int) -> None:
    """Create the activity table."""
    python(environment, "-m", "bench.rows", str(rows))


def backfilled(environment: Mapping[str, str], way: str, rows: int) -> dict[str, float]:
    """Return the figures of a backfill of the last rows, or of the simplest loop."""
    figures: dict[str, float] = json.loads(python(environment, "-m", "bench.run_backfill", way, str(rows)))
    if figures["events"] != rows:
        raise SystemExit(
            f"Only {figures['events']} of {rows} events were published, so the figures mean nothing."
        )
    return figures


def python(environment: Mapping[str, str], *arguments: str) -> str:
    """Run Python; return the last line that it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return (done.stdout.splitlines() or [""])[-1]


def _table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = [f"| | {' | '.join(results)} |", "|---|" + "---|" * len(results)]
    for key, title, digits in _ROWS:
        lines.append(
            f"| {title} | " + " | ".join(f"{figures[key]:,.{digits}f}" for figures in results.values()) + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
