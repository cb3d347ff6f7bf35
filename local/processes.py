"""Child processes that never outlive this one: start, wait until ready, stop.

Each child leads its own session, so that Ctrl-C in the terminal reaches this process only, which then stops
its children in order. If this process dies without stopping them, `local.reaper` does.
"""

import atexit
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from local import reaper
from local.loopback import is_listening
from whyness_ops.stop import Stop

_LOG_TAIL_LINES = 15
_POLL_INTERVAL_S = 0.02
_STOP_WITHIN_S = 20


class ProcessFailed(RuntimeError):
    """A child process failed or was too slow; the text has the last lines of its log."""

    def __init__(self, name: str, what: str, log_path: Path) -> None:
        log = log_path.read_text(errors="replace") if log_path.exists() else ""
        tail = log.splitlines()[-_LOG_TAIL_LINES:] or ["(empty)"]
        super().__init__("\n  | ".join([f"{name} {what}. The end of its log, {log_path}:", *tail]))


class ChildProcess:
    """A running child, which leads its own session and writes to a log file. Made by `start`."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log_path: Path, log_start: int) -> None:
        self.name = name
        self.log_path = log_path
        self._log_start = log_start
        self._popen = popen
        self._stopped = False

    @property
    def pid(self) -> int:
        """The process id, and the session id."""
        return self._popen.pid

    def is_running(self) -> bool:
        """Return whether the process itself, not its children, still runs."""
        return self._popen.poll() is None

    def wait_until(self, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait for `is_ready()` to become true.

        Raises:
            ProcessFailed: it ended first, or took longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            raise_if_interrupted()
            if not self.is_running():
                raise ProcessFailed(self.name, f"ended with status {self._popen.returncode}", self.log_path)
            if time.monotonic() > deadline:
                raise ProcessFailed(self.name, f"was not ready after {timeout_s:g} s", self.log_path)
            time.sleep(_POLL_INTERVAL_S)

    def wait_for_port(self, port: int, *, timeout_s: float) -> None:
        """Wait until something listens on a loopback port; raise as `wait_until` does."""
        self.wait_until(lambda: is_listening(port), timeout_s=timeout_s)

    def wait_for_end(self, *, timeout_s: float, allowed: Collection[int] = (0,)) -> None:
        """Wait for the process to end by itself.

        Raises:
            ProcessFailed: its status was not allowed, or it took longer.
        """
        try:
            status = self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ProcessFailed(self.name, f"did not end within {timeout_s:g} s", self.log_path) from None
        if status not in allowed:
            raise ProcessFailed(self.name, f"ended with status {status}", self.log_path)

    def wait_for_json_line(self, *, timeout_s: float) -> dict[str, object]:
        """Wait for the first line of its output that is a JSON object; raise as `wait_until` does."""
        objects: list[dict[str, object]] = []

        def read() -> bool:
            lines = self.log_path.read_bytes()[self._log_start :].splitlines(keepends=True)
            objects.extend(
                json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}\n")
            )
            return bool(objects)

        self.wait_until(read, timeout_s=timeout_s)
        return objects[0]

    def stop(self, *, grace_s: float = 5.0) -> None:
        """End the whole session with SIGTERM, and after `grace_s` seconds with SIGKILL."""
        if self._stopped:
            return
        self._stopped = True
        reaper.end_sessions([self.pid], grace_s if self.is_running() else 0)
        self._popen.wait()
        _the_reaper.forget(self.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    name: str,
    command: Sequence[str],
    *,
    log_path: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> ChildProcess:
    """Start `command`, and append what it prints to `log_path`. `env` None means this process's own."""
    # Python runs signal handlers in the main thread. In another thread, Ctrl-C cannot come between the start
    # of a process and its entry in the reaper's list.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"start-{name}") as executor:
        return executor.submit(_start, name, command, log_path, cwd, env).result()


def _start(
    name: str, command: Sequence[str], log_path: Path, cwd: Path | None, env: Mapping[str, str] | None
) -> ChildProcess:
    with log_path.open("ab") as log:
        log_start = log.tell()
        popen = _spawn(command, stdin=subprocess.DEVNULL, output=log, cwd=cwd, env=env)
    _the_reaper.watch(popen.pid)
    return ChildProcess(name, popen, log_path, log_start)


def _spawn(
    command: Sequence[str],
    *,
    stdin: int,
    output: IO[bytes] | int,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        start_new_session=True,
    )


class _Reaper:
    """The connection to the reaper process, which is started with the first child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None

    def watch(self, session_id: int) -> None:
        self._tell(f"+{session_id}\n")

    def forget(self, session_id: int) -> None:
        self._tell(f"-{session_id}\n")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._popen is None:
                command = [sys.executable, "-I", "-S", str(Path(reaper.__file__))]
                self._popen = _spawn(command, stdin=subprocess.PIPE, output=subprocess.DEVNULL)
                atexit.register(self._close)
            stdin = self._popen.stdin
            assert stdin is not None  # noqa: S101  (it was started with a pipe)
            stdin.write(line.encode())
            stdin.flush()

    def _close(self) -> None:
        if self._popen is not None and self._popen.stdin is not None:
            self._popen.stdin.close()
            self._popen.wait()


_the_reaper = _Reaper()


_interrupted = Stop()


def stop_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does, so that the same orderly stop follows.

    Python ignores an exception raised in a finalizer, so loops that wait also call `raise_if_interrupted`. If
    the stop hangs, the alarm ends this process, and the reaper the others.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal has asked this process to stop."""
    if _interrupted.is_set():
        raise KeyboardInterrupt


def _interrupt(_number: int, _frame: object) -> None:
    if not _interrupted.is_set():
        signal.alarm(_STOP_WITHIN_S)
    _interrupted.set()
    raise KeyboardInterrupt
