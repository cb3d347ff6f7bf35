"""The size of a measurement."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a measurement.

    Args:
        rounds: of all steps; the result is their median.
        requests: to a page, back to back.
        processes: of the site, in steps with several.
        events: at EVENTS_PER_S.
        claiming_s: time for measuring claims.
        dead_rows: kept by a snapshot.
        rows: to drain, and to backfill.
        batches: of 100 events, for the publisher.
    """

    rounds: int = 5
    requests: int = 300
    processes: int = 8
    events: int = 1_000
    claiming_s: float = 15.0
    dead_rows: int = 20_000
    rows: int = 100_000
    batches: int = 100


QUICK = Size(
    rounds=1, requests=5, processes=2, events=20, claiming_s=0.3, dead_rows=200, rows=1_000, batches=2
)
