import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from whyness_mixpanel import counters

ROOT = Path(__file__).parents[3]


def test_threads_lose_no_count() -> None:
    """Eight threads at once, and the sum is right."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: counters.add("published"), range(4_000)))

    assert counters.snapshot() == dict.fromkeys(counters.NAMES, 0) | {"published": 4_000}


def test_a_snapshot_is_a_copy() -> None:
    """Who reads the counts cannot change them."""
    counters.snapshot()["failed"] = 7

    assert counters.snapshot()["failed"] == 0


def test_a_forked_worker_counts_from_zero() -> None:
    """Else each worker would count the parent's events; a lock held at the fork does not hang the child."""
    script = """
import os
from whyness_mixpanel import counters
counters.add("published")
counters._lock.acquire()
child = os.fork()
if child == 0:
    counters.add("failed")
    os._exit(0 if counters.snapshot() == dict.fromkeys(counters.NAMES, 0) | {"failed": 1} else 1)
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
    done = subprocess.run(  # noqa: S603  (the test's own script)
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ, timeout=60, check=False
    )

    assert done.returncode == 0
