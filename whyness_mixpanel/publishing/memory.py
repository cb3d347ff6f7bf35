"""Events that the outbox did not accept: held in this process until they are published, or lost.

They exist nowhere else, and end with the process. A forked child drops those of its parent.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence

from whyness_mixpanel import counters
from whyness_mixpanel.forks import in_child
from whyness_mixpanel.publishing.condition import Condition
from whyness_mixpanel.publishing.insert import Row

MOST_EVENTS, MOST_BYTES = 10_000, 16 * 1024 * 1024

losing = Condition(logging.ERROR)
_lock = threading.RLock()  # a signal handler may send while its own thread holds
_held: deque[Row] = deque()
_size_bytes = 0


@in_child
def start_afresh() -> None:
    """Start without events."""
    global _lock, _held, _size_bytes, losing  # noqa: PLW0603  (one memory per process)
    _lock, _held, _size_bytes = threading.RLock(), deque(), 0
    losing = Condition(logging.ERROR)


def hold(rows: Sequence[Row]) -> None:
    """Hold events; those that do not fit are lost."""
    global _size_bytes  # noqa: PLW0603  (as above)
    with _lock:
        for place, row in enumerate(rows):
            if len(_held) >= MOST_EVENTS or _size_bytes + len(row.encoded) > MOST_BYTES:
                lose(len(rows) - place, "the outbox does not accept them, and the buffer in memory is full")
                return
            _held.append(row)
            _size_bytes += len(row.encoded)


def take(count: int) -> list[Row]:
    """Remove and return up to `count` events."""
    global _size_bytes  # noqa: PLW0603  (as above)
    with _lock:
        taken = [_held.popleft() for _ in range(min(count, len(_held)))]
        _size_bytes -= sum(len(row.encoded) for row in taken)
    return taken


def is_empty() -> bool:
    """Whether no events are held."""
    return not _held


def lose(count: int, why: str, of: str = "") -> None:
    """Count lost events; log the first loss, of each database `of`, until it recovers."""
    counters.add("lost", count)
    text = (
        "Events were lost: %s. The counter `lost` has the number. Further losses are logged after a recovery."
    )
    losing.begin(text, why, of=of)
