import os
import subprocess
import sys
from pathlib import Path

from local.chaos.runtimes import runtimes_of

# A "poller" that starts an "emulator" that starts a runtime and something else.
_SLEEP = "import sys; print(flush=True); sys.stdin.read()"
_EMULATOR = f"""
import subprocess, sys
for name in ("awslambdaric", "other"):
    subprocess.Popen([sys.executable, "-c", {_SLEEP!r}, name], stdout=subprocess.PIPE).stdout.readline()
{_SLEEP}
"""


def test_only_the_runtimes_below_an_emulator_are_found() -> None:
    """Not its other processes, and not the emulator."""
    with subprocess.Popen(  # noqa: S603  (a script of our own)
        [sys.executable, "-c", _EMULATOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as emulator:
        assert emulator.stdout is not None
        assert emulator.stdin is not None
        emulator.stdout.readline()

        found = runtimes_of(os.getpid())

        assert len(found) == 1
        assert b"awslambdaric" in Path(f"/proc/{found[0]}/cmdline").read_bytes()
        emulator.stdin.close()
