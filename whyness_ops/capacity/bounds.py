"""Pure: the limits, in events/s, and what to do if one is too low."""

import math
from dataclasses import dataclass

from whyness_ops.capacity.load import (
    ACCOUNT_CONCURRENCY,
    CPU_MB,
    IN_FLIGHT,
    MIXPANEL_BYTES_PER_MIN,
    MIXPANEL_CLIENTS,
    MIXPANEL_EVENTS_PER_S,
    POLLERS,
    POLLERS_PER_MIN,
    PROVISIONED_BYTES_PER_S,
    PROVISIONED_MESSAGES_PER_S,
    PROVISIONED_POLLERS,
    SENDER_THREADS,
    WINDOW_S,
    Load,
)
from whyness_ops.capacity.prices import measured

# The used part of Mixpanel's rolling minute, as simulated (docs/reference/capacity.md).
_USED_PART = 0.97


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit: its name, the events/s that it allows, and what to do if that is too low."""

    name: str
    events_per_s: float
    remedy: str

    @property
    def is_mixpanels(self) -> bool:
        """Whether Mixpanel refuses what exceeds it, so that the client pauses."""
        return self.name.startswith("Mixpanel")


def bounds(load: Load) -> list[Bound]:
    """Return all limits, the lowest first."""
    duration_s = load.duration_s(load.full_events)
    per_run = load.full_events / duration_s
    clients = load.concurrency * SENDER_THREADS
    limits = [
        Bound(
            "Mixpanel's events/s",
            MIXPANEL_EVENTS_PER_S * _USED_PART * load.projects,
            "Ask Mixpanel for a higher quota, or split the events over several projects and stacks.",
        ),
        Bound(
            "Mixpanel's bytes/min",
            MIXPANEL_BYTES_PER_MIN / 60 / load.mixpanel_bytes * _USED_PART * load.projects,
            "Make the events smaller, ask Mixpanel for a higher quota, or split them over several projects.",
        ),
        Bound("MaximumConcurrency", per_run * load.concurrency * load.projects, _more_runs(load, clients)),
        Bound(
            "messages in flight",
            IN_FLIGHT / duration_s * load.packed * load.projects,
            "Pack more events into a message, or use several queues.",
        ),
        Bound(
            "Lambda's account concurrency",
            per_run * ACCOUNT_CONCURRENCY,
            "Ask AWS for a higher quota of concurrent executions, or use another account.",
        ),
        Bound(
            "provisioned pollers",
            PROVISIONED_POLLERS * _poller_events_per_s(load) * load.projects,
            "Pack more events into a message, or use several queues.",
        ),
    ]
    return sorted(limits, key=lambda bound: bound.events_per_s)


def projects_needed(load: Load) -> int:
    """Return how many projects the busy hours need within Mixpanel's limits for one."""
    of_one = min(MIXPANEL_EVENTS_PER_S, MIXPANEL_BYTES_PER_MIN / 60 / load.mixpanel_bytes)
    return max(1, math.ceil(load.peak_per_s / (of_one * _USED_PART)))


def pollers_needed(load: Load) -> int:
    """Return how many provisioned pollers a queue would need in the busy hours; others have no known rate."""
    return max(2, math.ceil(load.peak_per_s / load.projects / _poller_events_per_s(load)))


def runs_per_s(load: Load, events_per_s: float) -> float:
    """Return invocations a second of all stacks: a batch ends with the window, or when it is full.

    The pollers share the messages; each waits for a first message, then for the window.
    """
    messages_per_s = events_per_s / load.packed / load.projects
    by_window = 1 / (WINDOW_S / POLLERS + 1 / messages_per_s)
    return max(by_window, messages_per_s / load.full_messages) * load.projects


def concurrency_needed(load: Load, events_per_s: float) -> float:
    """Return how many invocations run at the same time, on average (Little's law)."""
    runs = runs_per_s(load, events_per_s)
    return runs * load.duration_s(events_per_s / runs)


def scale_up_s(load: Load) -> float:
    """Return how long Lambda takes to read with full concurrency, a cold start included."""
    more = max(0, load.concurrency - POLLERS)
    return more / POLLERS_PER_MIN * 60 + measured().import_cpu_ms / 1000 / load.cpu_part


def _poller_events_per_s(load: Load) -> float:
    messages = min(float(PROVISIONED_MESSAGES_PER_S), PROVISIONED_BYTES_PER_S / load.message_bytes)
    return messages * load.packed


def _more_runs(load: Load, clients: int) -> str:
    if load.memory_mb < CPU_MB:
        return f"Raise MemorySize: {CPU_MB} MB give a whole CPU. Mixpanel sees no additional clients."
    if clients < MIXPANEL_CLIENTS:
        return f"Raise MaximumConcurrency: Mixpanel sees {clients} of up to {MIXPANEL_CLIENTS} clients."
    return "Use several projects: Mixpanel recommends no more clients than it sees now."
