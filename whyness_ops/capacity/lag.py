"""Pure: the delay of events in the busy hours and after an outage, as a fluid with two rates a day."""

import itertools
import math
from collections.abc import Iterator

from whyness_ops.capacity.load import DAY_S, WINDOW_S, Load

# As in the handler: a record that is handed back returns after 15 s, doubling to 900 s, times 0.8 to 1.2.
REDELIVERY_BASE_S = 15.0
REDELIVERY_CAP_S = 900.0
REDELIVERY_JITTER = (0.8, 1.2)
ASLEEP_S = 15.0  # pauses of an invocation after errors
# As in the handler: an event that waits for longer is dead-lettered, with the reason `exhausted`.
EXHAUST_AFTER_S = 259_200


def quiet_lag_s(load: Load, events_per_run: float) -> float:
    """Return the longest delay of an event without a backlog: window and invocation."""
    return WINDOW_S + load.duration_s(min(events_per_run, load.full_events))


def peak_lag_s(load: Load, capacity_per_s: float) -> float | None:
    """Return the delay at the end of the busy hours; None if the queue never catches up."""
    if load.mean_per_s >= capacity_per_s:
        return None
    return max(0.0, load.peak_per_s - capacity_per_s) * load.peak_s / capacity_per_s


def outage_events(load: Load) -> float:
    """Return the events that arrive during an outage that starts with the busy hours."""
    left_s, events = load.outage_hours * 3_600, 0.0
    for length_s, events_per_s in _hours(load, 0.0):
        part_s = min(left_s, length_s)
        events += part_s * events_per_s
        left_s -= part_s
        if left_s <= 0:
            break
    return events


def drain_s(load: Load, capacity_per_s: float, *, is_refused: bool) -> float | None:
    """Return the time from the end of the outage until no event waits; None if the queue never catches up.

    Records that were tried last stay hidden for up to 18 minutes. If Mixpanel's limits are the lowest, a part
    of the first rush is refused, and is hidden for as long again.

    Args:
        load: the events.
        capacity_per_s: that the lowest limit allows.
        is_refused: whether that limit is Mixpanel's; with the others, waiting events stay visible.
    """
    if load.outage_hours == 0:
        return 0.0
    if load.mean_per_s >= capacity_per_s:
        return None
    fluid_s, pause_s = _fluid_s(load, capacity_per_s), hidden_s(load)
    return max(fluid_s, pause_s + min(fluid_s, pause_s) if is_refused else pause_s)


def hidden_s(load: Load) -> float:
    """Return how long records that failed last stay hidden after the outage.

    The pause doubles with each receive. The number of receives is bounded by the time, and by how many
    messages the invocations can try: as the backlog grows, a message is tried less often, so that its number
    of receives grows with the logarithm of the time.
    """
    outage_s = load.outage_hours * 3_600
    run_s = load.duration_s(load.full_events) + ASLEEP_S
    tried_per_s = load.projects * load.concurrency * load.full_messages / run_s
    tried_part = tried_per_s * load.packed / load.peak_per_s
    at_most = max(1, math.ceil(tried_part * math.log1p(outage_s / REDELIVERY_BASE_S)))
    least, most = REDELIVERY_JITTER
    pause_s, passed_s, receives = REDELIVERY_BASE_S, REDELIVERY_BASE_S * least, 1
    while pause_s < REDELIVERY_CAP_S and passed_s < outage_s and receives < at_most:
        pause_s, receives = min(REDELIVERY_CAP_S, 2 * pause_s), receives + 1
        passed_s += pause_s * least
    return pause_s * most


def _fluid_s(load: Load, capacity_per_s: float) -> float:
    waiting, passed_s = outage_events(load), 0.0
    for length_s, events_per_s in _hours(load, load.outage_hours * 3_600):
        net_per_s = capacity_per_s - events_per_s
        if waiting <= net_per_s * length_s:
            return passed_s + waiting / net_per_s
        waiting = max(0.0, waiting - net_per_s * length_s)
        passed_s += length_s
    raise AssertionError("_hours is endless")


def _hours(load: Load, start_s: float) -> Iterator[tuple[float, float]]:
    """Yield lengths and events/s from `start_s` after the start of the busy hours, without end."""
    kinds = ((load.peak_s, load.peak_per_s), (DAY_S - load.peak_s, load.rest_per_s))
    skipped_s = start_s % DAY_S
    for length_s, events_per_s in itertools.cycle(kinds):
        if skipped_s < length_s:
            yield length_s - skipped_s, events_per_s
        skipped_s = max(0.0, skipped_s - length_s)
