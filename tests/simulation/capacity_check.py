"""The model of cost and capacity beside the simulation: `python -m tests.simulation.capacity_check`."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.simulation.capacity_sim import simulated_drain_s, simulated_lag_s
from whyness_ops.capacity.bounds import bounds
from whyness_ops.capacity.lag import drain_s, peak_lag_s
from whyness_ops.capacity.load import DAY_S, Load


def _peak_at(load: Load, part: float) -> float:
    return bounds(load)[0].events_per_s * part * DAY_S / load.peak_factor


# What is asked, and of which load; packed, unless a name says otherwise.
DRAINS = (
    ("1m a day, one a message, 30 min", Load(1e6, events_per_message=1, outage_hours=0.5)),
    ("5m a day, one a message, 15 min", Load(5e6, events_per_message=1, outage_hours=0.25)),
    ("5m a day, 1 h", Load(5e6, outage_hours=1)),
    ("28m a day, 4 h", Load(2.8e7)),
    ("100m a day, 15 min", Load(1e8, outage_hours=0.25)),
    ("100m a day, 10 a message, 30 min", Load(1e8, events_per_message=10, outage_hours=0.5)),
    ("100m a day, 4 h", Load(1e8)),
    ("500m a day, 1 h", Load(5e8, outage_hours=1)),
    ("500m a day, answers of 1 s, 1 h", Load(5e8, answer_ms=1_000, outage_hours=1)),
    ("800m a day, 1,769 MB, 1 h", Load(8e8, memory_mb=1_769, outage_hours=1)),
)
# The busy hours are 12 % above the first limit, whatever that is.
LAGS = tuple(
    (f"busy hours 12 % above, {name}", replace(load, events_per_day=_peak_at(load, 1.12)))
    for name, load in (
        ("answers of 1 s", Load(1, peak_factor=6, answer_ms=1_000)),
        ("1,769 MB", Load(1, peak_factor=6, memory_mb=1_769)),
        ("1,769 MB, 1,200 bytes", Load(1, 1_200, peak_factor=6, memory_mb=1_769)),
    )
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure by both."""

    name: str
    first_bound: str
    model_s: float
    simulated_s: float

    @property
    def deviation(self) -> float:
        """Return the model over the simulation, less one."""
        return self.model_s / self.simulated_s - 1


def compare_drain(name: str, load: Load) -> Compared:
    """Ask both for the time that a backlog takes."""
    bound = bounds(load)[0]
    model_s = drain_s(load, bound.events_per_s, is_refused=bound.is_mixpanels)
    assert model_s is not None, f"{name}: the load is above what the first bound lets through"
    return Compared(f"drain, {name}", bound.name, model_s, simulated_drain_s(load))


def compare_lag(name: str, load: Load) -> Compared:
    """Ask both how late events are when the busy hours end."""
    bound = bounds(load)[0]
    behind_s = peak_lag_s(load, bound.events_per_s)
    assert behind_s is not None, f"{name}: the load is above what the first bound lets through"
    return Compared(f"lag, {name}", bound.name, behind_s, simulated_lag_s(load))


def main() -> int:
    """Print the table, then one line of JSON."""
    print("| | first limit | model, s | simulated, s | deviation |\n|---|---|---|---|---|")  # noqa: T201  (a command line talks)
    comparisons = []
    for one in _all():
        comparisons.append(one)
        row = f"{one.model_s:,.0f} | {one.simulated_s:,.0f} | {one.deviation:+.0%} |"
        print(f"| {one.name} | {one.first_bound} | {row}", flush=True)  # noqa: T201  (as above)
    most = max(abs(one.deviation) for one in comparisons)
    print(json.dumps({"compared": len(comparisons), "largest_deviation": round(most, 3)}))  # noqa: T201  (as above)
    return 0


def _all() -> Iterator[Compared]:
    for name, load in DRAINS:
        yield compare_drain(name, load)
    for name, load in LAGS:
        yield compare_lag(name, load)


if __name__ == "__main__":
    sys.exit(main())
