"""`python -m bench.audit`: measure the comparison of an audit, and a dictionary in its place."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.run_audit import FAULTS, write_sides
from bench.targets import Target

_EPILOG = """examples:
  .venv/bin/python -m bench.audit                   # 1 and 10 million events: five minutes, 9 GB of disk
  .venv/bin/python -m bench.audit --most 1000000    # without the 10 million
  .venv/bin/python -m bench.audit --quick           # check that it works; the figures mean nothing
"""
_SMALL, _MIDDLE, _LARGE = 100_000, 1_000_000, 10_000_000
_QUICK = 10_000
_SAMPLE_S = 0.05
TARGETS = (
    Target("seconds", "comparison of 10 M events", "s", 90.0),
    Target("peak_mib", "its memory, all processes together", "MiB", 256.0),
    Target("rate_to_dictionary", "rows/s at 1 M / those of a dictionary", limit=3.0, at_most=False),
    Target("growth_time", "time at 10 M / at 1 M", limit=11.0),
    Target("growth_memory", "memory at 10 M / at 1 M", limit=2.5),
)


def main() -> None:
    """Measure, print a table, and print one line of JSON."""
    options = _options()
    middle, large = (_QUICK, 10 * _QUICK) if options.quick else (_MIDDLE, _LARGE)
    results: dict[str, dict[str, Any]] = {}
    print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
    for rows, ways in ((_SMALL, ("dictionary",)), (middle, ("compare", "dictionary")), (large, ("compare",))):
        if rows <= options.most:
            with tempfile.TemporaryDirectory(dir=options.directory) as name:
                write_sides(rows, Path(name))
                results |= {f"{way} {rows}": _measure(way, rows, Path(name)) for way in ways}
    figures = _figures(results, middle, large)
    print(f"load after: {os.getloadavg()[0]:.1f}\n\n{_table(results)}\n\n{_targets(figures)}\n")
    print(json.dumps({"results": results, "figures": figures}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m bench.audit",
        description="Measure the comparison of two files of events, and a dictionary that does the same.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="10,000 and 100,000 events")
    parser.add_argument(
        "--most", type=int, default=_LARGE, help="largest number of events (default 10000000)"
    )
    parser.add_argument("--directory", help="where the files go (default: the system's temporary directory)")
    return parser.parse_args()


def _measure(way: str, rows: int, directory: Path) -> dict[str, Any]:
    """Run one way in processes of its own; return its time, rate, CPU time and peak memory, all together."""
    command = [sys.executable, "-m", "bench.run_audit", way, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak_kib, cpu_s = 0, dict[int, float]()
        while process.poll() is None:
            family = _family(process.pid)
            peak_kib = max(peak_kib, sum(map(_memory_kib, family)))
            cpu_s |= {pid: _cpu_s(pid) or cpu_s.get(pid, 0.0) for pid in family}
            time.sleep(_SAMPLE_S)
        output, _ = process.communicate()
    said = json.loads(output)
    if said["faults"] != FAULTS:
        sys.exit(f"{way} of {rows:,} events found {said['faults']} where {FAULTS} were injected.")
    rate = rows / said["seconds"]
    print(f"{way} {rows:,}: {said['seconds']:.1f} s", flush=True)
    return {
        "rows": rows,
        "seconds": said["seconds"],
        "rows_per_s": rate,
        "cpu_s": sum(cpu_s.values()),
        "peak_mib": peak_kib / 1024,
    }


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in _family(int(child)))]


def _memory_kib(pid: int) -> int:
    """Return the process's memory; what it shares with others counts in part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
