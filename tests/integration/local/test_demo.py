import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.emulator import MINISTACK
from local.rie import CACHE_DIR
from tests.integration.local.support import processes_of, wait_for

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.usefixtures("rie_path"),
    pytest.mark.skipif(not MINISTACK.exists(), reason=f"{MINISTACK} is missing: `make demo` installs it"),
]


def start_demo(events: str) -> subprocess.Popen[str]:
    """Start the demo as `make demo` does."""
    return subprocess.Popen(
        [sys.executable, "-m", "local.demo"],
        cwd=ROOT,
        env={**os.environ, "DEMO_EVENTS": events},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_event_is_accounted_for() -> None:
    """From HTTP request to Mixpanel: the exit status is 0 and the last line is the account."""
    with start_demo("60") as demo:
        out, err = demo.communicate(timeout=100)

    assert demo.returncode == 0, out + err
    assert "live page: http://127.0.0.1:" in out
    account = json.loads(out.splitlines()[-1])
    assert account["logged"] == account["audited"] == 60
    assert account["profiles"] == 80
    assert account["published"] == account["delivered"] + sum(account["dead"].values())
    assert set(account["dead"]) == {"oversized", "rejected", "unreadable"}
    assert account["log_rows"] == sum(account["dead"].values())
    assert (account["in_flight"], account["lost"], account["double_counted"]) == (0, 0, 0)


@pytest.mark.parametrize("events", ["0", "-1", "many"])
def test_number_of_events_is_checked(events: str) -> None:
    """An invalid number is refused before anything is started."""
    with start_demo(events) as demo:
        _, err = demo.communicate(timeout=30)

    assert demo.returncode == 2
    assert "is not a positive integer" in err


@pytest.mark.parametrize("moment", ["starting the example site", "visiting"])
def test_ctrl_c_leaves_no_process_and_no_files(moment: str) -> None:
    """In the middle of the set-up, or of the visits: everything it has started ends."""
    with start_demo("100000") as demo:
        assert demo.stdout is not None
        while moment not in demo.stdout.readline():
            assert demo.poll() is None
        [work_dir] = CACHE_DIR.glob(f"demo-{demo.pid}-*")
        assert processes_of(work_dir)

        demo.send_signal(signal.SIGINT)

        assert demo.wait(30) == 130
    wait_for(lambda: processes_of(work_dir) == [])
    assert not work_dir.exists()
