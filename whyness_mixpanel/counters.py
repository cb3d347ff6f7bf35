"""What happened to the events of this process, counted. Each forked worker counts from zero."""

import threading

from whyness_mixpanel.forks import in_child

NAMES = ("published", "failed", "refused", "invalid", "unwritten", "lost", "suppressed", "bots")

# A signal handler may send while its own thread counts.
_lock = threading.RLock()
_counts = dict.fromkeys(NAMES, 0)


def add(name: str, count: int = 1) -> None:
    """Count `count` more events under `name`, one of NAMES."""
    with _lock:
        _counts[name] += count


def snapshot() -> dict[str, int]:
    """Return the counts of this process by name.

    `published`: confirmed by the queue. `failed`: not confirmed at an attempt; they wait.
    `refused`: for good, by Mixpanel where there is no queue, or by the queue; they are parked in the outbox.
    `invalid`: refused by `send()` for breaking a rule. `unwritten`: the outbox did not take them, and they
    are published from memory. `lost`: not even that. `suppressed`: left out, for nothing may be sent about
    their people. `bots`: what programs did, which `track()` does not send.
    """
    with _lock:
        return dict(_counts)


@in_child
def reset() -> None:
    """Count from zero again."""
    global _lock  # noqa: PLW0603  (a forked child may inherit it locked, by a thread that it does not have)
    _lock = threading.RLock()
    with _lock:
        _counts.update(dict.fromkeys(NAMES, 0))
