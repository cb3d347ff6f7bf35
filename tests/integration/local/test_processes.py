import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.loopback import free_port
from local.processes import ChildProcess, ProcessFailed, start
from local.reaper import session_has_processes
from tests.integration.local.support import wait_for

ROOT = Path(__file__).parents[3]
SLEEP = "import time; time.sleep(600)"
# A child whose own child has left its process group, as the Lambda runtime does.
TWO_GENERATIONS = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {SLEEP!r}], process_group=0)
{SLEEP}
"""
STUBBORN = (
    f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); {SLEEP}"
)
# A parent as ours are: it starts a child, says which, and has nothing to do with its end.
PARENT = """
import sys, time
from pathlib import Path
from local.processes import start
child = start("child", [sys.executable, "-c", sys.argv[1]], log_path=Path(sys.argv[2]))
print(child.pid, flush=True)
if sys.argv[3] == "fail":
    raise RuntimeError("as ordered")
if sys.argv[3] == "wait":
    time.sleep(600)
"""

StartPython = Callable[[str], ChildProcess]


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    """The file that a child writes to."""
    return tmp_path / "child.log"


@pytest.fixture
def start_python(log_path: Path) -> Iterator[StartPython]:
    """Start Python code as a child that is gone after the test."""
    children: list[ChildProcess] = []

    def start_code(code: str) -> ChildProcess:
        children.append(start("child", [sys.executable, "-c", code], log_path=log_path))
        return children[-1]

    yield start_code
    for child in children:
        child.stop()


def start_parent(
    log_path: Path, ending: str, code: str = TWO_GENERATIONS
) -> tuple[subprocess.Popen[str], int]:
    """Start a parent in a process of its own; return it and its child's pid."""
    command = [sys.executable, "-c", PARENT, code, str(log_path), ending]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603  (our own code)
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_child_outlives_a_parent_that_is_killed(log_path: Path, number: signal.Signals) -> None:
    """Whatever signal ends the parent, its child and its child's child end too."""
    parent, child = start_parent(log_path, "wait")
    with parent:
        assert session_has_processes(child)

        parent.send_signal(number)

    wait_for(lambda: not session_has_processes(child))


@pytest.mark.parametrize("ending", ["fail", "return"])
def test_no_child_outlives_a_parent_that_ends(log_path: Path, ending: str) -> None:
    """A parent that raises, or forgets to stop its child, leaves nothing behind."""
    parent, child = start_parent(log_path, ending)

    with parent:
        parent.wait()

    wait_for(lambda: not session_has_processes(child))


def test_a_stubborn_child_does_not_outlive_its_parent(log_path: Path) -> None:
    """A child that ignores SIGTERM is killed."""
    parent, child = start_parent(log_path, "wait", STUBBORN)
    with parent:
        wait_for(lambda: "ready" in log_path.read_text())

        parent.kill()

    wait_for(lambda: not session_has_processes(child))


def test_stop_ends_the_whole_session(start_python: StartPython) -> None:
    """The child and its children are gone when `stop` returns, and a second stop does nothing."""
    child = start_python(TWO_GENERATIONS)

    child.stop()
    child.stop()

    assert not child.is_running()
    assert not session_has_processes(child.pid)


def test_stop_kills_after_the_grace(start_python: StartPython, log_path: Path) -> None:
    """A process that ignores SIGTERM is killed."""
    child = start_python(STUBBORN)
    child.wait_until(lambda: "ready" in log_path.read_text(), timeout_s=20)

    child.stop(grace_s=0.1)

    assert not child.is_running()


def test_child_that_ends_before_it_is_ready_is_reported_with_its_last_words(
    start_python: StartPython,
) -> None:
    """The error names the process, its status, its log file, and quotes the end of it."""
    child = start_python("import sys; sys.exit('no disk')")

    with pytest.raises(ProcessFailed, match=r"(?s)child ended with status 1.*child\.log.*no disk"):
        child.wait_for_port(free_port(), timeout_s=20)


def test_child_that_is_never_ready_is_reported(start_python: StartPython) -> None:
    """Waiting is bounded, and the error says for how long."""
    child = start_python(SLEEP)

    with pytest.raises(ProcessFailed, match=r"(?s)not ready after 0\.1 s.*\(empty\)"):
        child.wait_for_port(free_port(), timeout_s=0.1)


def test_json_line_is_the_one_of_this_start(start_python: StartPython, log_path: Path) -> None:
    """Other lines and what an earlier process left in the log are not taken for it."""
    log_path.write_text('{"url": "old"}\n')

    child = start_python("print('starting'); print('{\"url\": \"new\"}')")

    assert child.wait_for_json_line(timeout_s=20) == {"url": "new"}


def test_missing_program_is_an_error_at_once(log_path: Path) -> None:
    """The error is the system's own, with the program's name."""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        start("child", ["/no-such-program"], log_path=log_path)
