"""Pure: the estimate for one load."""

from dataclasses import asdict, dataclass
from typing import Any

from whyness_ops.capacity.alternatives import Alternative, api_destinations, celery
from whyness_ops.capacity.bounds import (
    Bound,
    bounds,
    concurrency_needed,
    pollers_needed,
    projects_needed,
    runs_per_s,
    scale_up_s,
)
from whyness_ops.capacity.cost import MONTH_DAYS, Costs, monthly, sending_usd_per_million
from whyness_ops.capacity.lag import EXHAUST_AFTER_S, drain_s, outage_events, peak_lag_s, quiet_lag_s
from whyness_ops.capacity.load import Load
from whyness_ops.capacity.prices import Prices


@dataclass(frozen=True, slots=True)
class Report:
    """The estimate; a time that never ends is None."""

    load: Load
    costs: Costs
    sending_usd_per_million: float
    bounds: tuple[Bound, ...]
    concurrency: float
    quiet_lag_s: float
    peak_lag_s: float | None
    outage_events: float
    drain_s: float | None
    scale_up_s: float
    provisioned_pollers: int
    projects_needed: int
    alternatives: tuple[Alternative, ...]

    @property
    def capacity_per_s(self) -> float:
        """Return the events/s that the lowest limit allows."""
        return self.bounds[0].events_per_s

    @property
    def usd_per_million(self) -> float:
        """Return the cost of a million events without fixed costs."""
        return self.costs.variable / (self.load.events_per_day * MONTH_DAYS / 1_000_000)

    @property
    def is_exhausting(self) -> bool:
        """Return whether events are dead-lettered after the outage, because they wait for more than 72 h."""
        return (
            self.drain_s is None or self.load.outage_hours * 3_600 + self.drain_s > EXHAUST_AFTER_S
        ) and self.load.outage_hours > 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        document = asdict(self)
        document["costs"] = {name.rstrip("_"): usd for name, usd in document["costs"].items()}
        document["costs"] |= {"total": self.costs.total, "idle": self.costs.idle}
        return document | {
            "capacity_per_s": self.capacity_per_s,
            "usd_per_million": self.usd_per_million,
            "packed": self.load.packed,
            "peak_per_s": self.load.peak_per_s,
        }


def report(load: Load, prices: Prices) -> Report:
    """Return the estimate for a load."""
    limits = tuple(bounds(load))
    capacity = limits[0].events_per_s
    at_peak = min(load.peak_per_s, capacity)
    return Report(
        load=load,
        costs=monthly(load, prices),
        sending_usd_per_million=sending_usd_per_million(load, prices),
        bounds=limits,
        concurrency=concurrency_needed(load, at_peak),
        quiet_lag_s=quiet_lag_s(load, at_peak / runs_per_s(load, at_peak)),
        peak_lag_s=peak_lag_s(load, capacity),
        outage_events=outage_events(load),
        drain_s=drain_s(load, capacity, is_refused=limits[0].is_mixpanels),
        scale_up_s=scale_up_s(load),
        provisioned_pollers=pollers_needed(load),
        projects_needed=projects_needed(load),
        alternatives=(api_destinations(load, prices), celery(load, prices)),
    )
