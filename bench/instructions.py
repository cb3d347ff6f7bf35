"""`make instructions`: fail where the hot path takes 3 % more instructions than recorded.

Instructions, counted by valgrind's callgrind, are the same whatever else the machine does, so that a gate
can hold them; seconds are measured by `make bench`. They depend on Python and processor: each pair has a
record of its own.
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
_WAYS = {"packed": 100, "single": 1}  # events a message
_COLLECTED = re.compile(r"Collected : (\d+)")
_EPILOG = """examples:
  make instructions                              compare with bench/instructions.toml
  .venv/bin/python -m bench.instructions --write    record today's figures, with the change that explains them
"""


def verdict(name: str, count: int, recorded: int) -> tuple[bool, str]:
    """Return whether a figure is allowed, and a line that says so."""
    ratio = count / recorded
    is_fine = ratio <= LIMIT
    word = "ok    " if is_fine else "FAILED"
    return (
        is_fine,
        f"{word} {name}: {count:,} instructions an event, {ratio:.3f} of the recorded {recorded:,}",
    )


def missing_tool() -> str:
    """Return why nothing can be counted here, "" where it can."""
    if all(shutil.which(tool) for tool in ("valgrind", "callgrind_control")):
        return ""
    return "skipped: valgrind is not installed (apt-get install valgrind)"


def count(events_per_message: int, url: str) -> int:
    """Return the instructions of one event in a warm container.

    Counting begins when all is imported and prepared: without that it would take ten times as long.

    Raises:
        programs.Failed: the program did not do its work.
    """
    tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]
    command = [*tool, *programs.python("bench.run_handler", _EVENTS, events_per_message)]
    with programs.prepared(command, url, PYTHONHASHSEED="0") as process:
        switch = ["callgrind_control", "--instr=on", str(process.pid)]
        subprocess.run(switch, capture_output=True, check=True)
        said = programs.let_go(process)
    found = _COLLECTED.search(said)
    if found is None:
        raise programs.Failed(f"callgrind counted nothing: {said[-500:]}")
    return int(found[1]) // _EVENTS


def key() -> str:
    """Return the name of this Python and processor in the record."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}-{platform.machine()}"


def write(counts: Mapping[str, int]) -> None:
    """Record figures for this Python and processor, beside those of others."""
    record = tomllib.loads(RECORD.read_text()) if RECORD.exists() else {}
    record[key()] = dict(counts)
    lines = ["# Instructions of an event on the hot path; python -m bench.instructions --write"]
    for name, found in sorted(record.items()):
        lines += ["", f'["{name}"]', *(f"{way} = {found[way]}" for way in _WAYS)]
    RECORD.write_text("\n".join(lines) + "\n")


def main() -> int:
    """Count, and compare or record; 1 where a figure is too high."""
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
        "" if recorded or options.write else f"skipped: nothing is recorded for {key()}"
    )
    if reason:
        print(reason)
        return 0
    with running_sink("local.mixpanel_simulator", "--sink", "--port", "0") as url:
        counts = {way: count(packed, url) for way, packed in _WAYS.items()}
    if options.write or recorded is None:
        write(counts)
        print(f"recorded for {key()}: {counts}")
        return 0
    verdicts = [verdict(way, counts[way], recorded[way]) for way in _WAYS]
    print("\n".join(line for _, line in verdicts))
    return 0 if all(is_fine for is_fine, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
