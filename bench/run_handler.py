"""Measure the handler with prepared invocations, in this process; print a line of JSON.

The handler's own output is discarded.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.cpu import finish, forget_heap, wait_for_the_others
from bench.peak_memory import forget_peak_kib, peak_kib
from bench.workload import invocations, one_invocation, small_invocations

TIMEOUT_S = 120
_TIMES = 10
_ODD_OF_100 = 10


class Context:
    """The part of Lambda's context that the handler uses."""

    aws_request_id = "bench"
    function_name = "bench"

    def __init__(self) -> None:
        self._until_s = time.monotonic() + TIMEOUT_S

    def get_remaining_time_in_millis(self) -> int:
        """Count down from the function's timeout."""
        return int((self._until_s - time.monotonic()) * 1000)


def main() -> None:
    """Measure `argv[1]` events, `argv[2]` per message, in the form `argv[3]` of `_prepared`.

    The process handles a full invocation first, so that it is measured as a warm container.
    """
    count, per_message, form = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if sys.argv[3:] else "full"
    prepared = _prepared(count, per_message, form)
    event_count = count * _TIMES if form == "one" else count
    first = one_invocation(count, per_message=1) if form == "small" else prepared[:1]
    idle = invocations(per_message, per_message=per_message, seed=2)
    import handler  # noqa: PLC0415  (its memory is measured)

    forget_heap()
    with silence():
        _run(handler, idle)
        before_kib = forget_peak_kib()
        handed_back = _run(handler, first)
        most_kib = peak_kib()
        wait_for_the_others()
        began_s, cpu_s, wall_s = time.time(), time.process_time(), time.perf_counter()
        handed_back += _run(handler, prepared)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    figures = {
        "events": event_count,
        "invocations": len(prepared),
        "handed_back": handed_back,
        "cpu_s_per_100k": cpu_s / event_count * 100_000,
        "events_per_s": event_count / wall_s,
        "wall_s": wall_s,
        "began_s": began_s,
        "peak_over_idle_mib": (most_kib - before_kib) / 1024,
    }
    finish(figures)


def _prepared(count: int, per_message: int, form: str) -> list[dict[str, Any]]:
    """Return SQS events: full ones, with odd events or without, all events in one, or one event in each."""
    match form:
        case "full":
            return invocations(count, per_message=per_message)
        case "odd":
            return invocations(count, per_message=per_message, odd_of_100=_ODD_OF_100)
        case "one":
            return one_invocation(count, per_message=per_message) * _TIMES
        case "small":
            return small_invocations(count)
    raise SystemExit(f"no such form: {form}")


def _run(handler: Any, prepared: list[dict[str, Any]]) -> int:
    return sum(len(handler.handler(event, Context())["batchItemFailures"]) for event in prepared)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Discard standard output."""
    kept = os.dup(1)
    sys.stdout.flush()
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)


if __name__ == "__main__":
    main()
