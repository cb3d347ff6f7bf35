"""Edge: a time limit for calls, whatever they hang in.

The SDK's own timeouts cover connecting and reading, but not DNS lookups, which can take tens of seconds.
"""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


def call_within(seconds: float, function: Callable[[], ResultT]) -> ResultT:
    """Return what `function` returns, or raise what it raises.

    Raises:
        TimeoutError: it took longer than `seconds`; it goes on in its thread, and its result is dropped.
    """
    results: queue.SimpleQueue[tuple[ResultT | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((function(), None))
        except BaseException as error:  # noqa: BLE001  (raised again below, in the thread that waits)
            results.put((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        result, error = results.get(timeout=max(0.0, seconds))
    except queue.Empty:
        raise TimeoutError from None
    thread.join()  # it is about to end; it must not outlive the call
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # without an error it is the function's result
