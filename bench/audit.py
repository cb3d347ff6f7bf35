"""`python -m bench.audit`: measure the comparison of an audit, a dictionary in its place, a whole audit."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.family import run
from bench.run_audit import FAULTS, write_sides
from bench.targets import Target
from bench.whole_audit import measure_whole, result_of

_EPILOG = """examples:
  .venv/bin/python -m bench.audit                   # 1 and 10 million events: eight minutes, 9 GB of disk
  .venv/bin/python -m bench.audit --most 1000000    # without the 10 million
  .venv/bin/python -m bench.audit --quick           # check that it works; the figures mean nothing
"""
_SMALL, _MIDDLE, _LARGE = 100_000, 1_000_000, 10_000_000
_QUICKER = 400
# Fewer rows are read by one process.
_TWO_PROCESSES = 24_000
TARGETS = (
    Target("seconds", "comparison of 10 M events", "s", 90.0),
    Target("peak_mib", "its memory, all processes together", "MiB", 256.0),
    Target("rate_to_dictionary", "rows/s at 1 M / those of a dictionary", limit=3.0, at_most=False),
    Target("growth_time", "time at 10 M / at 1 M", limit=11.0),
    Target("growth_memory", "memory at 10 M / at 1 M", limit=2.5),
    Target("whole_to_backfill", "whole audit of 1 M rows, rows/s / a backfill's", limit=2.0, at_most=False),
    Target("whole_peak_mib", "its memory, all processes together", "MiB", 512.0),
)


def main() -> None:
    """Measure, print a table, and print one line of JSON."""
    options = _options()
    small, middle, large = (size // _QUICKER if options.quick else size for size in (_SMALL, _MIDDLE, _LARGE))
    results: dict[str, dict[str, Any]] = {}
    print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
    for rows, ways in ((small, ("dictionary",)), (middle, ("compare", "dictionary")), (large, ("compare",))):
        if rows <= options.most:
            with tempfile.TemporaryDirectory(dir=options.directory) as name:
                write_sides(rows, Path(name))
                results |= {f"{way} {rows}": _measure(way, rows, Path(name)) for way in ways}
    if middle <= options.most:
        results |= measure_whole(max(middle, _TWO_PROCESSES))
    figures = _figures(results, middle, large)
    print(f"load after: {os.getloadavg()[0]:.1f}\n\n{_table(results)}\n\n{_targets(figures)}\n")
    print(json.dumps({"results": results, "figures": figures}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m bench.audit",
        description="Measure the comparison of two files of events, a dictionary that does the same, and "
        "the whole command on PostgreSQL, where that is installed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a 400th of the events")
    parser.add_argument(
        "--most", type=int, default=_LARGE, help="largest number of events (default 10000000)"
    )
    parser.add_argument("--directory", help="where the files go (default: the system's temporary directory)")
    return parser.parse_args()


def _measure(way: str, rows: int, directory: Path) -> dict[str, Any]:
    """Run one way in processes of its own; return its time, rate, CPU time and peak memory, all together."""
    taken = run([sys.executable, "-m", "bench.run_audit", way, str(directory)])
    said = json.loads(taken.output)
    if said["faults"] != FAULTS:
        sys.exit(f"{way} of {rows:,} events found {said['faults']} where {FAULTS} were injected.")
    print(f"{way} {rows:,}: {said['seconds']:.1f} s", flush=True)
    return result_of(rows, said["seconds"], taken)


def _figures(results: dict[str, dict[str, Any]], middle: int, large: int) -> dict[str, float]:
    one, ten = results.get(f"compare {middle}"), results.get(f"compare {large}")
    dictionary = results.get(f"dictionary {middle}")
    figures = {}
    if one and dictionary:
        figures["rate_to_dictionary"] = one["rows_per_s"] / dictionary["rows_per_s"]
    if one and ten:
        figures |= {"seconds": ten["seconds"], "peak_mib": ten["peak_mib"]}
        figures["growth_time"] = ten["seconds"] / one["seconds"]
        figures["growth_memory"] = ten["peak_mib"] / one["peak_mib"]
    if whole := results.get("whole audit"):
        figures["whole_to_backfill"] = whole["rows_per_s"] / results["backfill"]["rows_per_s"]
        figures["whole_peak_mib"] = whole["peak_mib"]
    return figures


def _table(results: dict[str, dict[str, Any]]) -> str:
    lines = ["| run | seconds | rows/s | CPU, s | peak memory, MiB |", "|---|---|---|---|---|"]
    for name, result in results.items():
        time_cells = f"{result['seconds']:.1f} | {result['rows_per_s']:,.0f} | {result['cpu_s']:.1f}"
        lines.append(f"| {name} | {time_cells} | {result['peak_mib']:.0f} |")
    return "\n".join(lines)


def _targets(figures: dict[str, float]) -> str:
    lines = ["| measure | value | target | |", "|---|---|---|---|"]
    for target in TARGETS:
        value = figures.get(target.key)
        shown = "" if value is None else f"{value:.1f} {target.unit}".strip()
        lines.append(f"| {target.title} | {shown} | {target.wanted} | {target.verdict(value)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
