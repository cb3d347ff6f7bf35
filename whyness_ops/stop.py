"""How a person stops a command: between two calls, never within one."""

import time


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
