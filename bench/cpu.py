"""Measure the CPU time of this process and the time of a piece of work."""

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import NoReturn


def measure(work: Callable[[], object], event_count: int) -> NoReturn:
    """Do `work` with `event_count` events, print the figures as a line of JSON, and exit."""
    forget_heap()
    wait_for_the_others()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    figures = {"cpu_s_per_100k": cpu_s / event_count * 100_000, "events_per_s": event_count / wall_s}
    finish(figures | {"wall_s": wall_s})


def forget_heap() -> None:
    """Exclude the prepared invocations from garbage collections.

    In Lambda there is only one at a time. Visiting the others took a fifth of the handler's time with one
    event per message.
    """
    gc.collect()
    gc.freeze()


def wait_for_the_others() -> None:
    """With BENCH_TOGETHER, print `ready` to standard error and wait for the end of standard input."""
    if "BENCH_TOGETHER" in os.environ:
        print("ready", file=sys.stderr, flush=True)
        sys.stdin.read()


def finish(figures: Mapping[str, object]) -> NoReturn:
    """Print the figures as a line of JSON, and exit at once: freeing the events would be counted, too."""
    print(json.dumps(figures), flush=True)
    os._exit(0)
