"""What a process and its children take together."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_SAMPLE_S = 0.05


class Taken(NamedTuple):
    """What a command printed, its exit code, and what all its processes took."""

    output: str
    returncode: int
    seconds: float
    cpu_s: float
    peak_mib: float


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Taken:
    """Run a command to its end. Its output must fit into a pipe."""
    began_s = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        peak_kib, cpu_s = 0, dict[int, float]()
        while process.poll() is None:
            family = _family(process.pid)
            peak_kib = max(peak_kib, sum(map(_memory_kib, family)))
            cpu_s |= {pid: _cpu_s(pid) or cpu_s.get(pid, 0.0) for pid in family}
            time.sleep(_SAMPLE_S)
        seconds = time.perf_counter() - began_s
        output, _ = process.communicate()
    return Taken(output, process.returncode, seconds, sum(cpu_s.values()), peak_kib / 1024)


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
