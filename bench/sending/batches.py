"""Measure the publisher's CPU per event in batches, and the lines of its code."""

from pathlib import Path

from bench.sending.sites import Queues, Site
from bench.sending.size import Size

_PUBLISHING = Path(__file__).parents[2] / "whyness_mixpanel/publishing"
# Of sending, on_commit, live, publisher, pool, breaker, outbox, drain, packing.
_REPLACED_LINES = 903
_WAYS = ("pure", "send_many", "send_many_atomic", "sends_atomic")


def publisher(site: Site, queues: Queues, size: Size) -> dict[str, float]:
    """Return the CPU per event of all ways."""
    dummy = {"WHYNESS_MIXPANEL_BACKEND": "dummy"}
    return {
        f"us_{way}": site.run(queues.quick, "bench.run_publisher", way, size.batches, **dummy)["cpu_us"]
        for way in _WAYS
    }


def lines(_site: Site, _queues: Queues, _size: Size) -> dict[str, float]:
    """Return the lines of `publishing/` relative to those that it replaced."""
    count = sum(len(path.read_text().splitlines()) for path in _PUBLISHING.glob("*.py"))
    return {"lines": count / _REPLACED_LINES}
