"""`make bench`: the handler against a loopback sink that only counts; medians of several runs."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from bench.sink import running_sink

_EPILOG = """examples:
  make bench                                   # 200,000 events, five runs
  .venv/bin/python -m bench --events 20000 --runs 3
"""
_IMPORTS = {
    "handler": "import handler",
    "requests + boto3": "import requests, boto3",
}
_ROWS = (
    ("cpu_s_per_100k", "CPU, s per 100,000 events"),
    ("events_per_s", "events/s, one container"),
    ("peak_over_idle_mib", "peak memory over idle, MiB"),
)


def main() -> None:
    """Run, print the table, end with one line of JSON."""
    options = _options()
    results: dict[str, Any] = {"events": options.events, "runs": options.runs}
    with (
        running_sink("local.mixpanel_simulator", "--sink", "--port", "0") as url,
        tqdm(total=4 * options.runs, desc="measuring", unit="run") as bar,
    ):
        for name, per_message in (("packed, 100 a message", 100), ("one a message", 1)):
            runs = [_run(options.events, per_message, url, bar) for _ in range(options.runs)]
            results[name] = {key: statistics.median(run[key] for run in runs) for key, _ in _ROWS}
        results["import_cpu_ms"] = {
            name: statistics.median(_import_ms(code, bar) for _ in range(options.runs))
            for name, code in _IMPORTS.items()
        }
    _print_table(results)
    print(json.dumps(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure CPU, throughput, memory and import time of the handler.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=200_000, help="events a run (default 200000)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind (default 5)")
    return parser.parse_args()


def _environment(url: str) -> Mapping[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([".", "functions/send_events"]),
        "MIXPANEL_PROJECT_ID": "1",
        "MIXPANEL_API_URL": url,
        "MIXPANEL_SERVICE_ACCOUNT": "bench",
        "MIXPANEL_SERVICE_PASSWORD": "bench",
        "QUEUE_URL": "http://127.0.0.1:9/unused",
        "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:9/unused",
        "LOG_TABLE_NAME": "unused",
    }


def _run(event_count: int, per_message: int, url: str, bar: "tqdm[Any]") -> dict[str, float]:
    command = [sys.executable, "-m", "bench.run_handler", str(event_count), str(per_message)]
    done = subprocess.run(command, env=_environment(url), capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found["handed_back"]:
        raise SystemExit(f"{found['handed_back']} records were handed back: the figures would mean nothing")
    bar.update()
    return found


def _import_ms(code: str, bar: "tqdm[Any]") -> float:
    timed = f"import time; at = time.process_time(); {code}; print((time.process_time() - at) * 1000)"
    command = [sys.executable, "-c", timed]
    done = subprocess.run(
        command, env=_environment("http://127.0.0.1:9"), capture_output=True, text=True, check=True
    )
    bar.update()
    return float(done.stdout)


def _print_table(results: Mapping[str, Any]) -> None:
    kinds = [name for name, found in results.items() if isinstance(found, dict) and "cpu_s_per_100k" in found]
    print(f"\n{'':34}" + "".join(f"{kind:>24}" for kind in kinds))
    for key, title in _ROWS:
        print(f"{title:34}" + "".join(f"{results[kind][key]:>24,.2f}" for kind in kinds))
    for name, found in results["import_cpu_ms"].items():
        print(f"{'import of ' + name + ', CPU ms':34}{found:>24,.0f}")
    print()


if __name__ == "__main__":
    main()
