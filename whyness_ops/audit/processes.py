"""Edge: work in two processes, which end with this one."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context, parent_process
from typing import Any

from whyness_ops.errors import NotJudged

_PROCESSES = 2


def can_start(method: str) -> bool:
    """Whether there are cores for two processes, and this way to start them."""
    return (os.cpu_count() or 1) >= _PROCESSES and method in get_all_start_methods()


@contextmanager
def two_processes(method: str, set_up: Callable[[], Any] = bool) -> Iterator[Any]:
    """Yield a `map` of two processes.

    Args:
        method: `forkserver`, so that both share the secret with which Python hashes, or `spawn`.
        set_up: called in each before all else; its module can be imported without it.

    Raises:
        NotJudged: one was killed.
    """
    with ProcessPoolExecutor(_PROCESSES, get_context(method), initializer=_begin, initargs=(set_up,)) as pool:
        try:
            yield pool.map
        except BrokenProcessPool:
            raise NotJudged(
                "A process of the audit was killed, perhaps for want of memory. Nothing was judged."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)  # waits for what has begun


def _begin(set_up: Callable[[], Any]) -> None:
    # Ctrl-C reaches them too: the first process decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_up()


def _end_with_parent() -> None:
    """Exit with the first process: the pool's queues do not tell that it was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
