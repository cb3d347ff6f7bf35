"""Measure the CPU time of this process and the time of a piece of work."""

import gc
import json
import time
from collections.abc import Callable


def measure(work: Callable[[], object], event_count: int) -> None:
    """Do `work` with `event_count` events and print the figures as a line of JSON."""
    forget_heap()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    figures = {"cpu_s_per_100k": cpu_s / event_count * 100_000, "events_per_s": event_count / wall_s}
    print(json.dumps(figures | {"wall_s": wall_s}))


def forget_heap() -> None:
    """Exclude the prepared invocations from garbage collections.

    In Lambda there is only one at a time. Visiting the others took a fifth of the handler's time with one
    event per message.
    """
    gc.collect()
    gc.freeze()
