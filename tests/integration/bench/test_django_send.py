"""The bench of `send()` runs from end to end; what it measures so quickly means nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.sending.measures import MEASURES, PUBLISHER

ROOT = Path(__file__).parents[3]
ONLY_POSTGRESQL = {"claim"}


def test_one_command_measures_each_row() -> None:
    """Each figure has its target; without PostgreSQL, what only that could tell is left out."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.django_send", "--quick"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    (database,) = told["values"]
    wanted = {target.key for target in (*MEASURES, *PUBLISHER)}
    if database == "SQLite":
        assert told["skipped"]
        wanted -= ONLY_POSTGRESQL
    assert wanted - told["values"][database].keys() == set()
    assert [row["name"] for row in told["rows"] if not row["target"]] == []
    assert all(f"| {target.title} |" in done.stdout for target in MEASURES)
