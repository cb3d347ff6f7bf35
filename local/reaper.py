"""A process that ends the others when their parent dies, even by SIGKILL.

`local.processes` starts this file as a script and writes to its standard input: `+SESSION` for a process that
it started, `-SESSION` for one that has ended. At the end of the input the parent is dead, and the remaining
sessions are ended. Standard library only: it runs as `python -I -S`.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_GRACE_S = 3.0
_KILL_TAKES_S = 2.0
_PROC = Path("/proc")


def end_sessions(session_ids: Iterable[int], grace_s: float) -> None:
    """Ask every process of these sessions to end, and kill the rest after `grace_s` seconds."""
    sessions, asked = set(session_ids), set[tuple[int, signal.Signals]]()
    kill_at = time.monotonic() + grace_s
    # List them again each time: a process may have started another one before it ended.
    while (members := _members(sessions)) and time.monotonic() < kill_at + _KILL_TAKES_S:
        number = signal.SIGTERM if time.monotonic() < kill_at else signal.SIGKILL
        for request in {(pid, number) for pid in members} - asked:
            with suppress(ProcessLookupError):
                os.kill(*request)
            asked.add(request)
        time.sleep(0.02)


def session_has_processes(session_id: int) -> bool:
    """Return whether any process of the session still runs; a zombie does not."""
    return bool(_members({session_id}))


def _members(sessions: set[int]) -> list[int]:
    # A session, not a process group: the Lambda runtime emulator starts its child in another group.
    if not _PROC.is_dir():  # not Linux: only the leaders are known
        return [pid for pid in sessions if _exists(pid)]
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and _in(entry, sessions)]


def _in(entry: Path, sessions: set[int]) -> bool:
    try:
        stat = (entry / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    # man 5 proc: "pid (comm) state ppid pgrp session …"; comm may hold spaces and parentheses.
    state, _parent, _group, session = stat.rpartition(")")[2].split()[:4]
    return int(session) in sessions and state not in {"Z", "X"}


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    for line in sys.stdin:
        (sessions.add if line[0] == "+" else sessions.discard)(int(line[1:]))
    end_sessions(sessions, _GRACE_S)


if __name__ == "__main__":
    _main()
