"""The bench of an audit runs from end to end; what it measures so quickly means nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.audit import TARGETS

ROOT = Path(__file__).parents[3]


def test_one_command_measures_each_target() -> None:
    """Each way names exactly the injected faults; without PostgreSQL, the whole audit is left out."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.audit", "--quick"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])["figures"]
    measured = {target.key for target in TARGETS}
    if "whole audit: skipped" in done.stdout:
        measured -= {"whole_to_backfill", "whole_peak_mib"}
    assert figures.keys() == measured
    assert all(f"| {target.title} |" in done.stdout for target in TARGETS)
