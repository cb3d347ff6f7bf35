"""Counters of this process's events. Each forked worker counts from zero."""

import threading

from whyness_mixpanel.forks import in_child

NAMES = ("published", "failed", "refused", "invalid", "unwritten", "lost", "suppressed", "bots", "context")

# Reentrant, because a signal handler may send while its own thread counts.
_lock = threading.RLock()
_counts = dict.fromkeys(NAMES, 0)


def add(name: str, count: int = 1) -> None:
    """Count `count` more events under `name`, one of NAMES."""
    with _lock:
        _counts[name] += count


def snapshot() -> dict[str, int]:
    """Return the counts of this process by name.

    `published`: confirmed by the queue. `failed`: not confirmed at an attempt, and waiting for the next.
    `refused`: permanently, by the queue, or by Mixpanel where there is no queue; parked in the outbox.
    `invalid`: refused by `send()` for breaking a rule. `unwritten`: not accepted by the outbox, and published
    from memory. `lost`: neither. `suppressed`: not sent, because their person is suppressed or opted out.
    `bots`: events of programs, which `track()` does not send. `context`: how often an event went without
    properties of its context, because they were not allowed or could not be read.
    """
    with _lock:
        return dict(_counts)


@in_child
def reset() -> None:
    """Count from zero again."""
    global _lock  # noqa: PLW0603  (a forked child may inherit it locked by a thread that it does not have)
    _lock = threading.RLock()
    with _lock:
        _counts.update(dict.fromkeys(NAMES, 0))
