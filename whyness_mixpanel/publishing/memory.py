"""Events that the outbox did not take: held in this process until they are published, or lost.

Nobody else knows of them, and they end with the process. A forked child forgets what its parent holds.
"""

import logging
import os
import sys
from collections import deque
from collections.abc import Sequence

from whyness_mixpanel import counters
from whyness_mixpanel.publishing.condition import Condition
from whyness_mixpanel.publishing.insert import Row

MOST_EVENTS, MOST_BYTES = 10_000, 16 * 1024 * 1024

_held: deque[Row] = deque()
_size_bytes = 0
losing = Condition(logging.ERROR)


def hold(rows: Sequence[Row]) -> None:
    """Hold events; those for which there is no room are lost."""
    global _size_bytes  # noqa: PLW0603  (one memory per process)
    for place, row in enumerate(rows):
        size_bytes = len(row.encoded)
        if len(_held) >= MOST_EVENTS or _size_bytes + size_bytes > MOST_BYTES:
            lose(len(rows) - place, "the outbox does not take them, and memory has no room left")
            return
        _held.append(row)
        _size_bytes += size_bytes


def take(count: int) -> list[Row]:
    """Return up to `count` events, which are not held any more."""
    global _size_bytes  # noqa: PLW0603  (as above)
    taken: list[Row] = []
    while len(taken) < count:
        try:
            taken.append(_held.popleft())
        except IndexError:
            break
        _size_bytes -= len(taken[-1].encoded)
    return taken


def is_empty() -> bool:
    """Whether nothing is held."""
    return not _held


def lose(count: int, why: str) -> None:
    """Count events that neither outbox nor queue has."""
    counters.add("lost", count)
    losing.begin(
        "Events are lost: %s. Logged again when it begins anew; the counter `lost` has how many.", why
    )


def start_afresh() -> None:
    """Hold nothing, as a forked child."""
    global _size_bytes, losing
    _held.clear()
    _size_bytes, losing = 0, Condition(logging.ERROR)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=start_afresh)
