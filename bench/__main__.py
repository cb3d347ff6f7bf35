"""`make bench`: measure the handler, the floor program and other clients against a sink on loopback."""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tqdm import tqdm

from bench import programs, targets
from bench.figures import Measured, instruction_ratios, instructions_key, medians_of, values_of
from bench.instructions import FLOORS, WAYS, count, missing_tool
from bench.page import require_matplotlib, write_page
from bench.runtime import runtime_python
from bench.sink import running_sink
from bench.workload import mixpanel_events
from infra.build import PYTHON

_EPILOG = """examples:
  make bench                                                 # 200,000 events, five runs: about five minutes
  make bench-peers                                           # measure other clients too (installs them)
  .venv/bin/python -m bench --events 20000 --runs 3          # a shorter run
  .venv/bin/python -m bench --quick                          # check that it works; the figures mean nothing
  .venv/bin/python -m bench --compare .cache/bench/old.json  # exit 1 if a figure is worse by 10 %
  .venv/bin/python -m bench --peers --write-docs             # update docs/reference/bench.md and its plots
"""
_SLOW_MS, _SENDERS = 100, 10
_IMPORT = "import time; at = time.process_time(); {}; print((time.process_time() - at) * 1000)"


@dataclass(frozen=True, slots=True)
class _Bench:
    """The programs that are measured.

    Args:
        events: how many.
        url: of the sink; `slow_url` of one with slow answers.
        file: the events as a JSON array.
        runtime: the Python of Lambda's runtime; None to measure without it.
    """

    events: int
    url: str
    slow_url: str
    file: Path
    runtime: Path | None = None

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
        return own | self._on_runtime() | (peers if with_peers else {})

    def _on_runtime(self) -> dict[str, Callable[[], Measured]]:
        """Return the runs on Lambda's Python."""
        if self.runtime is None:
            return {}
        programs_by_name = {
            "packed": ("bench.run_handler", 100),
            "single": ("bench.run_handler", 1),
            "floor": ("bench.run_floor", 100),
        }
        python = partial(programs.python, executable=str(self.runtime))
        return {
            f"runtime {name}": partial(self._run, python(module, self.events, per_message))
            for name, (module, per_message) in programs_by_name.items()
        }

    def instructions(self) -> dict[str, float | None]:
        """Return the instructions of an event, and of an invocation with one event."""
        if missing_tool():
            return {}
        counted = {instructions_key(name): count(way, self.url) for name, way in {**WAYS, **FLOORS}.items()}
        if self.runtime:
            ways = {name: {**WAYS, **FLOORS}[name] for name in ("packed", "single", "small", "floor")}
            python = str(self.runtime)
            counted |= {
                f"runtime_{instructions_key(n)}": count(way, self.url, python) for n, way in ways.items()
            }
        return {**counted, **instruction_ratios(counted)}

    def _run(self, command: list[str]) -> Measured:
        return programs.run(command, self.url)

    def _import(self, code: str) -> Measured:
        return {"cpu_ms": float(programs.run_text([sys.executable, "-c", _IMPORT.format(code)], self.url))}


def main() -> None:
    """Measure, print a table, write the result, and print one line of JSON."""
    options = _options()
    if options.peers and not programs.has_peers():
        raise SystemExit("The other clients are not installed. Run `make bench-peers`.")
    if options.write_docs:
        require_matplotlib()
    medians, instructions = _measure(options)
    values = values_of(medians) | instructions
    print("\n" + targets.table(values) + "\n")
    result = {
        "events": options.events,
        "runs": options.runs,
        "python": platform.python_version(),
        "runtime": PYTHON,
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
        bench = _Bench(options.events, url, slow_url, file, runtime_python())
        ways = bench.ways(with_peers=options.peers)
        runs: dict[str, list[Measured]] = {name: [] for name in ways}
        with tqdm(total=len(ways) * options.runs, desc="measuring", unit="run") as bar:
            for _ in range(options.runs):
                for name, way in ways.items():
                    runs[name].append(way())
                    bar.update()
        counted: dict[str, float | None] = {} if options.quick else bench.instructions()
    return {name: medians_of(results) for name, results in runs.items()}, counted


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
