"""The relay: one thread per process that publishes what has been committed.

It is made at the first wake, never at import or in the hook of a fork, because gevent may be patched in
between. Nothing here blocks the thread that wakes it.
"""

import atexit
import logging
import queue
import sys
import threading
import time
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from whyness_mixpanel import forks
from whyness_mixpanel.publishing import lanes, memory
from whyness_mixpanel.publishing.outbox import GATHER_S, LEASE_S
from whyness_mixpanel.publishing.worker import Worker

logger = logging.getLogger("whyness_mixpanel")

MOST_MARKS = 1_000
STOP_S = 2.0
_IDLE_S = 10.0

# Of a commit: the alias (None for events in memory), and the lowest id (None where it is not known).
_Mark = tuple[str | None, int | None]


class _Relay:
    """One thread, and the marks of commits for it."""

    def __init__(self) -> None:
        self._marks: queue.SimpleQueue[_Mark] = queue.SimpleQueue()
        self._overflow: set[str | None] = set()
        self._start_lock = threading.Lock()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._turn_began_s: float | None = None
        self._stop_at_s: float | None = None
        self._worker = Worker(is_wanted=self._is_wanted)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_given_up(self) -> bool:
        """Whether a turn lasts longer than the lease of its rows."""
        began_s = self._turn_began_s
        return began_s is not None and time.monotonic() - began_s > LEASE_S

    def tell(self, mark: _Mark) -> None:
        """Note a commit, and start the thread if it does not run."""
        if self._marks.qsize() < MOST_MARKS:
            self._marks.put(mark)
        else:
            self._overflow.add(mark[0])
        if not self.is_alive and self._start_lock.acquire(blocking=False):
            try:
                self._start()
            finally:
                self._start_lock.release()

    def stop(self) -> None:
        """Publish what can be published in STOP_S, and end."""
        self._stop_at_s = time.monotonic() + STOP_S
        self._hurry.set()
        self._marks.put((None, None))
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(STOP_S)

    def _start(self) -> None:
        try:
            thread = threading.Thread(target=self._run, name="whyness-mixpanel-relay", daemon=True)
            thread.start()
        except RuntimeError:  # no thread can be started, or the interpreter ends: another process publishes
            return
        self._thread = thread
        _stop_at_exit()

    def _is_wanted(self) -> bool:
        is_late = self._stop_at_s is not None and time.monotonic() > self._stop_at_s
        return _relays.get("relay") is self and not is_late

    def _run(self) -> None:
        with forks.forbidden():
            try:
                while self._stop_at_s is None and self._is_wanted():
                    self._wait()
                    self._note_marks()
                    self._turn()
                self._note_marks()
                self._worker.hurry()
            finally:
                connections.close_all()

    def _wait(self) -> None:
        """Wait until something is due, or for a mark, and then for those that follow it."""
        wait_s = min(lanes.EACH_S, self._worker.next_due_s() - time.monotonic())
        if wait_s > 2 * GATHER_S:
            mark = self._get(min(_IDLE_S, wait_s))
            if mark is None and wait_s > _IDLE_S:
                connections.close_all()
                mark = self._get(wait_s - _IDLE_S)
            if mark is None:
                return
            self._note(*mark)
            wait_s = GATHER_S
        with forks.allowed():
            self._hurry.wait(max(0.0, wait_s))

    def _get(self, wait_s: float) -> _Mark | None:
        """Return a mark, None if none arrives in time."""
        with forks.allowed():
            try:
                return self._marks.get(timeout=wait_s)
            except queue.Empty:
                return None

    def _note_marks(self) -> None:
        while self._overflow:
            self._note(self._overflow.pop(), 0)
        while not self._marks.empty():
            self._note(*self._marks.get())

    def _note(self, alias: str | None, id_: int | None) -> None:
        if alias is None:
            if not memory.is_empty():
                self._worker.tell(None, 0)
            return
        _use_own_connection(alias)
        if id_ is None:
            self._worker.watch(alias)
        else:
            self._worker.tell(alias, id_)

    def _turn(self) -> None:
        self._turn_began_s = time.monotonic()
        try:
            _use_own_connection(DEFAULT_DB_ALIAS)
            self._worker.watch(DEFAULT_DB_ALIAS)
            self._worker.work()
        except Exception as error:  # noqa: BLE001  (the thread must survive anything)
            logger.warning("The relay failed: %s. It continues.", type(error).__name__)
            self._hurry.wait(1.0)
        finally:
            self._turn_began_s = None
            for alias in filter(_is_pooled, connections):
                connections[alias].close()


# At most one relay; `setdefault` needs no lock.
_relays: dict[str, _Relay] = {}
_is_stopped_at_exit = _is_ending = False


def wake(alias: str | None, id_: int | None) -> None:
    """Tell this process's relay of a commit.

    Args:
        alias: of the database; None where the outbox did not accept the events.
        id_: the lowest id written; None where the time of the commit is unknown.
    """
    if _is_ending:
        return  # another process publishes what is written now
    relay = _relays.get("relay")
    if relay is not None and relay.is_given_up:
        _relays.pop("relay", None)
        relay = None
    (relay or _relays.setdefault("relay", _Relay())).tell((alias, id_))


def stop() -> None:
    """Publish what can be published in STOP_S, and end the thread, if there is one."""
    relay = _relays.get("relay")
    if relay is not None:
        relay.stop()
        _relays.pop("relay", None)
    if not memory.is_empty():
        held = memory.take(memory.MOST_EVENTS)
        memory.lose(len(held), "neither the outbox nor the queue accepted them before the process ended")


def _stop_at_exit() -> None:
    global _is_stopped_at_exit  # noqa: PLW0603  (once per process)
    if _is_stopped_at_exit:
        return
    _is_stopped_at_exit = True
    atexit.register(_end)
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:  # its children exit without atexit
        util.Finalize(None, _end, exitpriority=100)
    celery: Any = sys.modules.get("celery.signals")
    if celery is not None:  # a child of its pool that ends after some tasks has no other hook
        celery.worker_process_shutdown.connect(_end_of_child, weak=False)


def _end() -> None:
    global _is_ending  # noqa: PLW0603  (once per process)
    stop()
    _is_ending = True


def _end_of_child(**_: object) -> None:
    _end()


def _use_own_connection(alias: str) -> None:
    """Give this thread a connection outside Django's pool, so that no page waits for one."""
    connection = connections[alias]
    options = connection.settings_dict.get("OPTIONS", {})
    if options.get("pool"):
        unpooled = {key: value for key, value in options.items() if key != "pool"}
        connections[alias] = type(connection)({**connection.settings_dict, "OPTIONS": unpooled}, alias)


def _is_pooled(alias: str) -> bool:
    return bool(connections.settings[alias].get("OPTIONS", {}).get("pool"))


@forks.in_child
def _start_afresh() -> None:
    global _is_stopped_at_exit, _is_ending  # noqa: PLW0603  (as above)
    _relays.clear()
    # atexit's functions are inherited by a fork; those of multiprocessing are not.
    _is_stopped_at_exit = _is_ending = False
