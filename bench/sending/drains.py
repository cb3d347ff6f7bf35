"""Measure the drain of a full outbox, and a backfill of as many rows of the example site."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bench.backfill import backfilled, environment_of, make_rows
from bench.sending.sites import Queues, Site
from bench.sending.size import Size


def drain(site: Site, queues: Queues, size: Size) -> dict[str, float]:
    """Return the measures of the drain. The backfill's site is always on SQLite."""
    site.run(queues.quick, "bench.run_drain", "fill", size.rows, WHYNESS_MIXPANEL_RELAY="command")
    drained = site.run(queues.quick, "bench.run_drain", "drain", size.rows)
    backfill = backfilled(_activities(queues.quick, size.rows), "backfill", size.rows)
    return {
        "drain_rate": drained["events_per_s"] / backfill["events_per_s"],
        "drain_peak": drained["peak_over_idle_mib"],
    }


@cache
def _activities(queue: str, rows: int) -> Mapping[str, str]:
    """Return the variables of a site with that many activities; it is created once."""
    environment = environment_of(queue, Path(_directory().name) / "activities.sqlite3")
    make_rows(environment, rows)
    return environment


@cache
def _directory() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory()
