"""`make bench`: measure the handler, the floor program and other clients against a sink on loopback."""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench import programs, targets
from bench.instructions import WAYS, count, missing_tool
from bench.page import write_page
from bench.sink import running_sink
from bench.workload import mixpanel_events

_EPILOG = """examples:
  make bench                                                 # 200,000 events, five runs: about five minutes
  make bench-peers                                           # measure other clients too (installs them)
  .venv/bin/python -m bench --events 20000 --runs 3          # a shorter run
  .venv/bin/python -m bench --quick                          # check that it works; the figures mean nothing
  .venv/bin/python -m bench --compare .cache/bench/old.json  # exit 1 if a figure is worse by 10 %
  .venv/bin/python -m bench --peers --write-docs             # update docs/reference/bench.md and its plots
"""
_SLOW_MS, _SENDERS = 100, 10
# Callgrind is about fifty times slower. The difference of two runs excludes everything but the events.
_COUNTED_EVENTS = (2_000, 6_000)
_IMPORT = "import time; at = time.process_time(); {}; print((time.process_time() - at) * 1000)"

Measured = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Bench:
    """The programs that are measured.

    Args:
        events: how many.
        url: of the sink; `slow_url` of one with slow answers.
        file: the events as a JSON array.
    """

    events: int
    url: str
    slow_url: str
    file: Path

    def ways(self, *, with_peers: bool) -> dict[str, Callable[[], Measured]]:
        """Return the runs by name."""
        ours, floor = "bench.run_handler", "bench.run_floor"
        own: dict[str, Callable[[], Measured]] = {
            "packed": lambda: self._run(programs.python(ours, self.events, 100)),
            "floor": lambda: self._run(programs.python(floor, self.events, 100)),
            "single": lambda: self._run(programs.python(ours, self.events, 1)),
            "odd": lambda: self._run(programs.python(ours, self.events, 100, "odd")),
            "12,000": lambda: self._run(programs.python(ours, 12_000, 100, "one")),
            "1,200": lambda: self._run(programs.python(ours, 1_200, 100, "one")),
            "import": lambda: self._import("import handler"),
            "libraries": lambda: self._import("import requests, boto3"),
            "publisher": lambda: programs.run(
                programs.python("bench.run_publisher", "pure", 100),
                self.url,
                BENCH_SQLITE=str(self.file) + ".db",
            ),
            "slow": lambda: programs.run(
                programs.python(ours, self.events, 100), self.slow_url, SENDER_THREADS=str(_SENDERS)
            ),
            "fleet": lambda: programs.run_together(
                programs.python(ours, self.events // _SENDERS, 100), _SENDERS, self.slow_url
            ),
        }
        utils, script = "bench.peers.run_utils", "bench/peers/run_import.cjs"
        peers: dict[str, Callable[[], Measured]] = {
            "utils": lambda: self._run(programs.peer_python(utils, self.events, _SENDERS)),
            "utils slow": lambda: programs.run(
                programs.peer_python(utils, self.events, _SENDERS), self.slow_url
            ),
            "mixpanel": lambda: self._run(
                programs.peer_python("bench.peers.run_mixpanel", self.events // 10)
            ),
            "mixpanel-import gzip": lambda: self._run(programs.peer_node(script, self.file, "gzip")),
            "mixpanel-import plain": lambda: self._run(programs.peer_node(script, self.file, "plain")),
        }
        return own | (peers if with_peers else {})

    def instructions(self) -> dict[str, float | None]:
        """Return the instructions of an event, and of an invocation with one event."""
        handler, floor = "bench.run_handler", "bench.run_floor"
        counted = {
            "instructions": self._of_event(handler, 100),
            "floor_instructions": self._of_event(floor, 100),
            "single_instructions": self._of_event(handler, 1),
            "single_floor_instructions": self._of_event(floor, 1),
        }
        small = None if missing_tool() else float(count(*WAYS["small"], self.url))
        return counted | _to_floor(counted) | {"small_instructions": small}

    def _of_event(self, module: str, per_message: int) -> float | None:
        # Programs handle their events twice, once to warm up.
        with_work = self._instructions(module, per_message)
        without = self._instructions("bench.run_nothing", per_message)
        return None if with_work is None or without is None else (with_work - without) / 2

    def _instructions(self, module: str, per_message: int) -> float | None:
        few, many = _COUNTED_EVENTS
        less = programs.instructions(programs.python(module, few, per_message), self.url)
        more = programs.instructions(programs.python(module, many, per_message), self.url)
        return None if less is None or more is None else (more - less) / (many - few)

    def _run(self, command: list[str]) -> Measured:
        return programs.run(command, self.url)

    def _import(self, code: str) -> Measured:
        return {"cpu_ms": float(programs.run_text([sys.executable, "-c", _IMPORT.format(code)], self.url))}


def main() -> None:
    """Measure, print a table, write the result, and print one line of JSON."""
    options = _options()
    if options.peers and not programs.has_peers():
        raise SystemExit("The other clients are not installed. Run `make bench-peers`.")
    medians, instructions = _measure(options)
    values = values_of(medians) | instructions
    print("\n" + targets.table(values) + "\n")
    result = {
        "events": options.events,
        "runs": options.runs,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "values": values,
        "verdicts": {t.key: t.verdict(values.get(t.key)) for t in targets.TARGETS if t.limit is not None},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1))
    if options.write_docs:
        write_page(result)
    is_worse = options.compare is not None and _print_changes(options.compare, values)
    print(json.dumps(result))
    sys.exit(int(is_worse))


def _measure(options: argparse.Namespace) -> tuple[dict[str, Measured], dict[str, float | None]]:
    """Return the medians of the runs, which take turns, and the counts of instructions."""
    with (
        running_sink("local.mixpanel_simulator", "--sink", "--port", "0") as url,
        running_sink("local.mixpanel_simulator", "--sink", "--sink-delay-ms", str(_SLOW_MS)) as slow_url,
        tempfile.TemporaryDirectory() as directory,
    ):
        file = Path(directory) / "events.json"
        file.write_text(json.dumps(mixpanel_events(options.events) if options.peers else []))
        bench = _Bench(options.events, url, slow_url, file)
        ways = bench.ways(with_peers=options.peers)
        runs: dict[str, list[Measured]] = {name: [] for name in ways}
        with tqdm(total=len(ways) * options.runs, desc="measuring", unit="run") as bar:
            for _ in range(options.runs):
                for name, way in ways.items():
                    runs[name].append(way())
                    bar.update()
        counted: dict[str, float | None] = {} if options.quick else bench.instructions()
    return {name: _medians(results) for name, results in runs.items()}, counted


def _to_floor(counted: Mapping[str, float | None]) -> dict[str, float | None]:
    return {
        f"{way}instructions_to_floor": own / floor
        for way in ("", "single_")
        if (own := counted[f"{way}instructions"]) and (floor := counted[f"{way}floor_instructions"])
    }


def _medians(runs: list[Measured]) -> Measured:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def values_of(medians: Mapping[str, Measured]) -> dict[str, float | None]:
    """Return the figures of the table from the medians by name."""
    packed, single, floor = medians["packed"], medians["single"], medians["floor"]
    cpu_s = packed["cpu_s_per_100k"]
    values: dict[str, float | None] = {
        "cpu_to_floor": cpu_s / floor["cpu_s_per_100k"],
        "single_to_packed": single["cpu_s_per_100k"] / cpu_s,
        "odd_to_packed": medians["odd"]["cpu_s_per_100k"] / cpu_s,
        "growth": medians["12,000"]["wall_s"] / medians["1,200"]["wall_s"],
        "peak_over_idle_mib": packed["peak_over_idle_mib"],
        "import_to_libraries": medians["import"]["cpu_ms"] / medians["libraries"]["cpu_ms"],
        "publisher_us": medians["publisher"]["cpu_us"],
        "cpu_s_per_100k": cpu_s,
        "single_cpu_s_per_100k": single["cpu_s_per_100k"],
        "floor_cpu_s_per_100k": floor["cpu_s_per_100k"],
        "events_per_s": packed["events_per_s"],
        "single_events_per_s": single["events_per_s"],
        "import_cpu_ms": medians["import"]["cpu_ms"],
        "slow_events_per_s": medians["slow"]["events_per_s"],
        "fleet_events_per_s": medians["fleet"]["events_per_s"],
    }
    return values | (_peer_values(medians) if "utils" in medians else {})


def _peer_values(medians: Mapping[str, Measured]) -> dict[str, float]:
    packed, utils, mixpanel = medians["packed"], medians["utils"], medians["mixpanel"]
    # Its better result, with or without compression.
    importer = [medians["mixpanel-import gzip"], medians["mixpanel-import plain"]]
    import_cpu_s = min(run["cpu_s_per_100k"] for run in importer)
    return {
        "cpu_to_utils": packed["cpu_s_per_100k"] / utils["cpu_s_per_100k"],
        "cpu_to_mixpanel": packed["cpu_s_per_100k"] / mixpanel["cpu_s_per_100k"],
        "cpu_to_import": packed["cpu_s_per_100k"] / import_cpu_s,
        "rate_to_import": packed["events_per_s"] / max(run["events_per_s"] for run in importer),
        "slow_rate_to_utils": medians["slow"]["events_per_s"] / medians["utils slow"]["events_per_s"],
        "fleet_rate_to_utils": medians["fleet"]["events_per_s"] / medians["utils slow"]["events_per_s"],
        "floor_to_utils": medians["floor"]["cpu_s_per_100k"] / utils["cpu_s_per_100k"],
        "floor_to_import": medians["floor"]["cpu_s_per_100k"] / import_cpu_s,
        "utils_slow_events_per_s": medians["utils slow"]["events_per_s"],
        "import_events_per_s": max(run["events_per_s"] for run in importer),
        "utils_cpu_s_per_100k": utils["cpu_s_per_100k"],
        "mixpanel_cpu_s_per_100k": mixpanel["cpu_s_per_100k"],
        "import_cpu_s_per_100k": import_cpu_s,
    }


def _print_changes(path: Path, values: Mapping[str, float | None]) -> bool:
    changes = targets.compare(json.loads(path.read_text())["values"], values)
    for change in changes:
        mark = "  WORSE" if change.is_worse else ""
        print(f"{change.key:26}{change.before:>14,.4g}{change.now:>14,.4g}{change.part:>+9.1%}{mark}")
    print()
    return any(change.is_worse for change in changes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m bench",
        description="Measure CPU, throughput, memory and import time of the handler and of other programs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--events", type=int, default=200_000, help="events per run (default 200000)")
    add("--runs", type=int, default=5, help="runs of each program; the result is their median (default 5)")
    add(
        "--quick",
        action="store_true",
        help="run everything once with few events, to check that it works; the figures mean nothing",
    )
    add("--peers", action="store_true", help="measure other clients too; `make bench-peers` installs them")
    add(
        "--out",
        type=Path,
        default=programs.ROOT / ".cache/bench/last.json",
        help="file for the result (default .cache/bench/last.json)",
    )
    add(
        "--compare",
        type=Path,
        metavar="FILE",
        help="an earlier result: show the changes, and exit 1 if a figure is worse by 10 %%",
    )
    add("--write-docs", action="store_true", help="update the table and plots of docs/reference/bench.md")
    options = parser.parse_args()
    if options.quick:
        options.events, options.runs = 2_000, 1
    return options


if __name__ == "__main__":
    main()
