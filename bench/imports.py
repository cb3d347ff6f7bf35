"""`python -m bench.imports`: measure what importing the handler costs, by library."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping

from tqdm import tqdm

from bench.page import write_block
from bench.programs import ROOT

_EPILOG = """examples:
  .venv/bin/python -m bench.imports
  .venv/bin/python -m bench.imports --runs 3 --write-docs
"""
# A line of `python -X importtime`: a module's own time, the time with its imports, and its name, indented.
_LINE = re.compile(r"import time: +(\d+) \| +(\d+) \| +(\S+)").fullmatch
_LEAST_MS = 1.0
_OURS = ("handler", "whyness_events")
# In Lambda the handler prepares its first invocation while it is imported.
_LAMBDA = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "MIXPANEL_SECRET_ARN": "arn:of:a:secret"}


def main() -> None:
    """Measure, print a table, and print one line of JSON."""
    options = _options()
    ways: dict[str, tuple[str, Mapping[str, str]]] = {
        "handler": ("import handler", {}),
        "handler, as Lambda starts it": ("import handler", _LAMBDA),
        "requests and boto3": ("import requests, boto3; boto3.Session", {}),
    }
    runs: dict[str, list[Mapping[str, float]]] = {name: [] for name in ways}
    with tqdm(total=len(ways) * (options.runs + 1), desc="measuring", unit="run") as bar:
        for number in range(options.runs + 1):
            for name, (code, environment) in ways.items():
                times_ms = libraries_ms(_import_times(code, environment).splitlines())
                runs[name] += [times_ms] if number else []  # the first run compiles
                bar.update()
    medians = {name: _medians(times_ms) for name, times_ms in runs.items()}
    text = table(medians)
    print("\n" + text)
    if options.write_docs:
        write_block("imports", f"Medians of {options.runs} runs, Python {sys.version.split()[0]}.\n\n{text}")
    print(json.dumps({"runs": options.runs, "ms": medians}))


def libraries_ms(lines: Iterable[str]) -> Mapping[str, float]:
    """Return the milliseconds of each library's own modules, by its top-level name.

    Args:
        lines: the output of `python -X importtime`.
    """
    times_us: Counter[str] = Counter()
    for line in lines:
        if match := _LINE(line):
            times_us[_library(match[3])] += int(match[1])
    return {name: us / 1_000 for name, us in times_us.items()}


def _library(module: str) -> str:
    top = module.partition(".")[0]
    if top in _OURS:
        return "this project"
    is_standard = top.removeprefix("_") in sys.stdlib_module_names or top in sys.stdlib_module_names
    return "Python's own" if is_standard else top.removeprefix("_")


def table(medians: Mapping[str, Mapping[str, float]]) -> str:
    """Return a Markdown table: a row for each library of at least a millisecond, the slowest first."""
    totals = {name: sum(times_ms.values()) for name, times_ms in medians.items()}
    slowest: Counter[str] = Counter()
    for times_ms in medians.values():
        slowest |= Counter(times_ms)
    lines = [f"| ms | {' | '.join(medians)} |", "|---|" + "---|" * len(medians)]
    lines += [
        _line(library, [times_ms.get(library, 0.0) for times_ms in medians.values()])
        for library, ms in slowest.most_common()
        if ms >= _LEAST_MS
    ]
    return "\n".join([*lines, _line("all", list(totals.values()))])


def _line(name: str, values: list[float]) -> str:
    return f"| {name} | " + " | ".join(f"{value:.0f}" if value else "-" for value in values) + " |"


def _medians(runs: list[Mapping[str, float]]) -> Mapping[str, float]:
    return {name: statistics.median(run.get(name, 0.0) for run in runs) for name in runs[0]}


def _import_times(code: str, environment: Mapping[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stderr


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.imports",
        description="Measure what importing the handler costs, by library.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=9, help="runs; the result is their median (default 9)")
    parser.add_argument(
        "--write-docs", action="store_true", help="update the table of docs/reference/bench.md"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
