"""Find the processes in which the function runs: grandchildren of the poller."""

from pathlib import Path

_PROC = Path("/proc")


def runtimes_of(poller_pid: int) -> list[int]:
    """Return the process ids of the Python runtimes of a poller."""
    parents = {
        int(entry.name): parent
        for entry in _PROC.iterdir()
        if entry.name.isdigit() and (parent := _parent(entry))
    }
    emulators = {pid for pid, parent in parents.items() if parent == poller_pid}
    return [pid for pid, parent in parents.items() if parent in emulators and _is_runtime(pid)]


def _parent(entry: Path) -> int:
    """Return the parent's id; 0 for a process that has ended."""
    try:
        stat = (entry / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # man 5 proc: "pid (comm) state ppid …"; comm may hold spaces and parentheses.
    state, parent = stat.rpartition(")")[2].split()[:2]
    return 0 if state in {"Z", "X"} else int(parent)


def _is_runtime(pid: int) -> bool:
    try:
        return b"awslambdaric" in (_PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
