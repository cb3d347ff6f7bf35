"""The cost and the capacity of the pipeline by events a day. See docs/reference/capacity.md."""

from whyness_ops.capacity.cost import Costs, monthly
from whyness_ops.capacity.live import live_events_per_message
from whyness_ops.capacity.load import Load
from whyness_ops.capacity.prices import Prices, read_prices
from whyness_ops.capacity.report import Report, report

__all__ = ["Costs", "Load", "Prices", "Report", "live_events_per_message", "monthly", "read_prices", "report"]
