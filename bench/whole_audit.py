"""Measure `manage.py mixpanel_audit` of rows in PostgreSQL, and a backfill of the same rows beside it."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.backfill import environment_of, make_rows, python
from bench.family import Taken, run
from bench.run_audit import FAULTS
from bench.sink import running_sink
from tests.integration.django.postgres import PostgresMissing, server

_DAY = ("--since", "2026-11-18", "--until", "2026-11-19", "--zone", "UTC", "--project", "1")


def measure_whole(rows: int) -> dict[str, dict[str, Any]]:
    """Return the figures of both; none where PostgreSQL is not installed."""
    try:
        with server() as port, tempfile.TemporaryDirectory() as name, running_sink("bench.sqs_sink") as queue:
            of_site = {"DJANGO_SETTINGS_MODULE": "bench.postgres_site", "BENCH_POSTGRES_PORT": str(port)}
            environment = {**environment_of(queue, Path(name)), **of_site}
            return _measure(environment, rows, Path(name) / "export.gz")
    except PostgresMissing as missing:
        print(f"whole audit: skipped: {missing}", flush=True)
        return {}


def result_of(rows: int, seconds: float, taken: Taken) -> dict[str, Any]:
    """Return the figures of a run."""
    rate = rows / seconds
    both = {"rows": rows, "seconds": seconds, "rows_per_s": rate}
    return both | {"cpu_s": taken.cpu_s, "peak_mib": taken.peak_mib}


def _measure(environment: dict[str, str], rows: int, export: Path) -> dict[str, dict[str, Any]]:
    make_rows(environment, rows)
    python(environment, "-m", "bench.run_export", str(export), str(rows))
    backfill = _backfill(environment, rows)
    with running_sink("bench.export_sink", str(export)) as url:
        account = {"AUDIT_ACCOUNT": "bench", "AUDIT_PASSWORD": "bench"}
        no_queue = {"WHYNESS_MIXPANEL_QUEUE_URL": ""}  # the sink cannot be asked where missing events are
        options = [*_DAY, "--export-url", url, "--json"]
        command = [sys.executable, "-m", "django", "mixpanel_audit", *options]
        taken = run(command, environment | account | no_queue)
    verdicts = json.loads(taken.output)["verdicts"]
    found = {name: verdicts.get(name, 0) for name in FAULTS}
    if found != FAULTS:
        sys.exit(f"The audit of {rows:,} rows found {found} where {FAULTS} were injected.")
    print(f"whole audit {rows:,}: {taken.seconds:.1f} s", flush=True)
    return {"backfill": backfill, "whole audit": result_of(rows, taken.seconds, taken)}


def _backfill(environment: dict[str, str], rows: int) -> dict[str, Any]:
    taken = run([sys.executable, "-m", "bench.run_backfill", "backfill", str(rows)], environment)
    figures = json.loads(taken.output)
    if figures["events"] != rows:
        sys.exit(f"Only {figures['events']} of {rows} events were published, so the figures mean nothing.")
    seconds = rows / figures["events_per_s"]  # without the start of the process
    print(f"backfill {rows:,}: {seconds:.1f} s", flush=True)
    return result_of(rows, seconds, taken)
