"""Pure: how the app's relay packs live traffic. Events committed while it gathers share a message."""

from whyness_ops.capacity.prices import measured

# The rate at which `live_requests_per_1000` is measured.
_MEASURED_EVENTS_PER_S = 50


def live_events_per_message(events_per_s: float) -> float:
    """Return how many live events share a message: the first, and those that come until it is sent."""
    at_measured = 1_000 / measured().live_requests_per_1000
    gathered_s = (at_measured - 1) / _MEASURED_EVENTS_PER_S
    return 1 + events_per_s * gathered_s
