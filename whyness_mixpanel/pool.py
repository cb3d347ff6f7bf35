"""A few threads per process that do what may hang, so that whoever waits can stop waiting.

The threads are daemons: one that hangs keeps no process from ending. A forked child starts its own.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable

THREAD_COUNT = 8


class BudgetExceeded(Exception):  # noqa: N818  (as the design calls it)
    """The work was not done within its budget; it may still end, which nobody waits for."""


class Job:
    """A piece of work. It may look at `is_wanted` to stop early."""

    def __init__(self, work: "Callable[[Job], None]") -> None:
        self._work = work
        self.is_wanted = True
        self.error: BaseException | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        """Do the work, unless nobody waits for it any more."""
        try:
            if self.is_wanted:
                self._work(self)
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that waits)
            self.error = error
        finally:
            self.ended.set()


class Pool:
    """Up to THREAD_COUNT threads, started when they are needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._thread_count = 0

    def run(self, work: Callable[[Job], None], *, budget_s: float) -> None:
        """Do `work` in a thread of the pool and wait for it, at most `budget_s`.

        Raises:
            BudgetExceeded: it is not done by then.
            BaseException: what `work` raised.
        """
        job = Job(work)
        self._start_thread()
        self._jobs.put(job)
        try:
            if not job.ended.wait(budget_s):
                raise BudgetExceeded
        finally:
            job.is_wanted = False
        if job.error:
            raise job.error

    def _start_thread(self) -> None:
        with self._lock:
            if self._thread_count == THREAD_COUNT:
                return
            threading.Thread(target=self._serve, name="whyness-mixpanel", daemon=True).start()
            self._thread_count += 1

    def _serve(self) -> None:
        while True:
            self._jobs.get().run()


_pool = Pool()


def run(work: Callable[[Job], None], *, budget_s: float) -> None:
    """Do `work` in this process's pool; see `Pool.run`."""
    _pool.run(work, budget_s=budget_s)


def start_afresh() -> None:
    """Forget the threads, which a forked child does not have."""
    global _pool  # noqa: PLW0603  (one pool per process)
    _pool = Pool()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=start_afresh)
