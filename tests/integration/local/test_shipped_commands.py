"""The runbook's drill, run as it stands."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from local.emulator import MINISTACK
from local.rie import CACHE_DIR
from tests.integration.local.support import wait_for
from tests.shipped.collect import ROOT, lines_of

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def shell(script: str, directory: Path, **environment: str) -> str:
    """Run a script, whose last command must succeed, and return what it printed."""
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environment}
    command = ["bash", "-c", script]
    done = subprocess.run(  # noqa: S603
        command, cwd=directory, env=clean, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_curl
@pytest.mark.usefixtures("rie_path")
@pytest.mark.skipif(not MINISTACK.exists(), reason=f"{MINISTACK} is missing: `make demo` installs it")
def test_the_drill_goes_as_the_runbook_says(tmp_path: Path) -> None:
    """Its blocks in their order, on a demo that stays up: the outage drains, the bad events are delivered."""
    _, drill = (ROOT / "docs/runbook.md").read_text().split("## Drill\n")
    settings, outage, bad = re.findall(r"```\n(.*?)```", drill, re.DOTALL)
    log = tmp_path / "demo.log"
    with log.open("w") as out, started_demo(out) as demo:
        wait_for(lambda: "The pipeline stays up" in log.read_text() or demo.poll(), timeout_s=60)
        try:
            # `status` exits with 1 as long as there are dead letters.
            told = shell(f"{settings}\n{until_it_holds(outage)}\ntrue", ROOT)
            assert "503" in told
            edited = shell(f"{settings}\n{until_it_holds(bad)}", ROOT, PYTHONDONTWRITEBYTECODE="1")
            assert re.search(r"rejected +.* delivered +500", edited), edited
        finally:
            (ROOT / "fixes.py").unlink(missing_ok=True)
            demo.send_signal(signal.SIGINT)


def started_demo(out: IO[str]) -> "subprocess.Popen[str]":
    """Start `make demo KEEP=1` with few events."""
    environment = {**os.environ, "DEMO_EVENTS": "20", "KEEP": "1"}
    command = [sys.executable, "-m", "local.demo"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, text=True)  # noqa: S603


def until_it_holds(block: str) -> str:
    """Return a block of the drill with the waiting in it that a person does by looking again."""
    wait = {
        "$WHYNESS_MIXPANEL log list --reason retry": "503",
        "$WHYNESS_MIXPANEL dlq list": "blank string",
        "$WHYNESS_MIXPANEL log stats": "delivered +500",
    }
    script = []
    for line in lines_of(block):
        bare = re.sub(r"\s+#.*", "", line)
        pattern = "0 waiting, 0 hidden" if "empty within" in line else wait.get(bare)
        if pattern:
            script.append(f"until {bare} | grep -qE '{pattern}'; do sleep 0.5; done")
        script.append(line)
    return "\n".join(script)


def test_the_drill_is_the_demos() -> None:
    """The demo writes its variables where the drill reads them."""
    assert CACHE_DIR == ROOT / ".cache"
