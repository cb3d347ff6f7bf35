"""`make instructions`: fail if the hot path takes 3 % more instructions than recorded.

Valgrind's callgrind counts instructions. Unlike times, their number does not depend on the machine's load. It
depends on the Python version and the processor, so each pair has its own record.
"""

import argparse
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from bench import programs
from bench.sink import running_sink

RECORD = Path(__file__).parent / "instructions.toml"
LIMIT = 1.03
_EVENTS = 4_000
_SMALL_EVENTS = 200
# A program, its number of events, and its other arguments.
Way = tuple[str, int, *tuple[object, ...]]
WAYS: Mapping[str, Way] = {
    "packed": ("bench.run_handler", _EVENTS, 100, "full"),
    "odd": ("bench.run_handler", _EVENTS, 100, "odd"),
    "single": ("bench.run_handler", _EVENTS, 1, "full"),
    "small": ("bench.run_handler", _SMALL_EVENTS, 1, "small"),
}
FLOORS: Mapping[str, Way] = {
    "floor": ("bench.run_floor", _EVENTS, 100),
    "single_floor": ("bench.run_floor", _EVENTS, 1),
}
_COLLECTED = re.compile(r"Collected : (\d+)")
_EPILOG = """examples:
  make instructions                              compare with bench/instructions.toml
  .venv/bin/python -m bench.instructions --write    record the present figures
"""


def verdict(name: str, count: int, recorded: int) -> tuple[bool, str]:
    """Return whether a figure is allowed, and a line for people."""
    ratio = count / recorded
    is_fine = ratio <= LIMIT
    word = "ok    " if is_fine else "FAILED"
    return (
        is_fine,
        f"{word} {name}: {count:,} instructions per event, {ratio:.3f} of the recorded {recorded:,}",
    )


def missing_tool() -> str:
    """Return why instructions cannot be counted here, "" if they can."""
    if all(shutil.which(tool) for tool in ("valgrind", "callgrind_control")):
        return ""
    return "skipped: valgrind is not installed. To install it: apt-get install valgrind"


def count(way: Way, url: str, executable: str = sys.executable) -> int:
    """Return the instructions of an event of a program that posts to `url`.

    Counting begins after imports, preparation and a warm-up. It ends before the events are freed.

    Raises:
        programs.Failed: the program failed.
    """
    tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]
    module, event_count, *arguments = way
    command = [*tool, *programs.python(module, event_count, *arguments, executable=executable)]
    with programs.prepared(command, url, PYTHONHASHSEED="0") as process:
        switch = ["callgrind_control", "--instr=on", str(process.pid)]
        subprocess.run(switch, capture_output=True, check=True)
        output = programs.let_go(process)
    match = _COLLECTED.search(output)
    if match is None:
        raise programs.Failed(f"callgrind counted nothing: {output[-500:]}")
    return int(match[1]) // event_count


def key() -> str:
    """Return the key of this Python and processor in the record."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}-{platform.machine()}"


def write(counts: Mapping[str, int]) -> None:
    """Record figures for this Python and processor; keep those of others."""
    record = tomllib.loads(RECORD.read_text()) if RECORD.exists() else {}
    record[key()] = dict(counts)
    lines = ["# Instructions of an event on the hot path; python -m bench.instructions --write"]
    for name, figures in sorted(record.items()):
        lines += ["", f'["{name}"]', *(f"{way} = {figures[way]}" for way in WAYS if way in figures)]
    RECORD.write_text("\n".join(lines) + "\n")


def main() -> int:
    """Count, and compare or record; return 1 if a figure is too high."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="make instructions",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write", action="store_true", help="record instead of comparing")
    options = parser.parse_args()
    recorded = tomllib.loads(RECORD.read_text()).get(key()) if RECORD.exists() else None
    reason = missing_tool() or (
        ""
        if recorded or options.write
        else f"skipped: bench/instructions.toml has no figures for {key()}. To record them: --write"
    )
    if reason:
        print(reason)
        return 0
    with running_sink("local.mixpanel_simulator", "--sink", "--port", "0") as url:
        counts = {name: count(way, url) for name, way in WAYS.items()}
    if options.write or recorded is None:
        write(counts)
        print(f"recorded for {key()}: {counts}")
        return 0
    verdicts = [verdict(way, counts[way], recorded[way]) for way in WAYS]
    print("\n".join(line for _, line in verdicts))
    return 0 if all(is_fine for is_fine, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
