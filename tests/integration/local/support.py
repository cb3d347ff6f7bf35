"""What several tests here use: small functions to run, waiting for other processes, and finding them."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from local.runtime import Function

FUNCTIONS_DIR = Path(__file__).parent / "functions"


def make_function(handler: str, *, timeout_s: int = 10, **environment: str) -> Function:
    """Return one of the functions in this directory."""
    return Function(
        code_dir=FUNCTIONS_DIR,
        handler=f"handlers.{handler}",
        timeout_s=timeout_s,
        memory_mb=256,
        environment={"AWS_REGION": "us-east-1", **environment},
        python=Path(sys.executable),
    )


def wait_for(is_true: Callable[[], object], *, timeout_s: float = 20) -> None:
    """Return as soon as `is_true()` holds; fail after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, f"still not so after {timeout_s} s"
        time.sleep(0.02)


def processes_of(work_dir: Path) -> list[str]:
    """Return the command lines of all processes that have this directory among their words or variables."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
            if str(work_dir).encode() in words + (entry / "environ").read_bytes():
                found.append(words.decode())
        except (FileNotFoundError, NotADirectoryError, PermissionError, ProcessLookupError):
            continue
    return found
