"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each.

    Args:
        rounds: in each of which everything is measured once; medians of them count.
        requests: of each page, back to back.
        processes: of the site, where it has several.
        events: at EVENTS_PER_S.
        claiming_s: how long claims are measured.
        dead_rows: that a snapshot keeps.
        rows: to drain, and to backfill.
        batches: of 100 events, of the publisher alone.
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
