"""Questions to the capacity model, for docs/reference/capacity.md."""

from typing import Any

from whyness_ops.capacity import Load, Report, live_events_per_message, read_prices, report
from whyness_ops.capacity.load import DAY_S

CPU_MB = 1_769


def ask_live(count: float) -> Report:
    """Return the report for `count` events a day of live traffic."""
    return ask(count, live_events_per_message(count / DAY_S))


def ask(count: float, packed: float, **settings: Any) -> Report:
    """Return the report for `count` events a day, `packed` per message."""
    return report(Load(count, events_per_message=packed, **settings), read_prices())
