"""How a person stops a command: between two calls, never within one."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# The exit code, as in shells.
STOPPED = 130
_STDERR = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Set from a signal handler, so it has no lock: the handler could wait for it forever."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Ask for a stop."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Wait, at most until a stop is asked for."""
        end_s = time.monotonic() + seconds
        while not self._is_set and (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(0.1, left_s))


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Yield a stop that Ctrl-C and SIGTERM set; a second one raises KeyboardInterrupt."""
    stop = Stop()

    def handle(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        signal_name = signal.Signals(number).name
        text = f"{signal_name}: stopping after the current call. Repeat it to stop at once.\n"
        # print() raises where it interrupts the main thread in a print() of its own.
        with suppress(OSError):
            os.write(_STDERR, text.encode())

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
