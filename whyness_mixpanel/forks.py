"""Resets in a forked child what it must not inherit from its parent."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LONGEST_WAIT_S = 5.0

# Held by the relay's thread, because a fork copies what is in progress: an import, a query of SQLite.
_busy = threading.Lock()
_is_held = ContextVar("is_held", default=False)
_pid = os.getpid()
_functions: list[Callable[[], None]] = []


def in_child(function: Callable[[], None]) -> Callable[[], None]:
    """Register a function to run in every forked child, before an event is sent there."""
    _functions.append(function)
    return function


def notice() -> None:
    """Run the registered functions if this is a forked child: uWSGI forks without Python's hooks."""
    global _busy, _pid  # noqa: PLW0603  (one per process)
    if _pid != os.getpid():
        _pid = os.getpid()
        _busy = threading.Lock()
        for function in _functions:
            function()


@contextmanager
def forbidden() -> Iterator[None]:
    """Delay forks, for a few seconds at most, until the block ends or enters `allowed`."""
    token = _is_held.set(True)
    try:
        with _busy:
            yield
    finally:
        _is_held.reset(token)


@contextmanager
def allowed() -> Iterator[None]:
    """Allow forks within a block that delays them, during a network call for example."""
    is_held = _is_held.get()
    if is_held:
        _busy.release()
    try:
        yield
    finally:
        if is_held:
            _busy.acquire()


def _wait() -> None:
    _is_waited_for.append(_busy.acquire(timeout=_LONGEST_WAIT_S))


def _go_on() -> None:
    if _is_waited_for.pop():
        _busy.release()


_is_waited_for: list[bool] = []

if sys.platform != "win32":
    os.register_at_fork(before=_wait, after_in_parent=_go_on, after_in_child=notice)
