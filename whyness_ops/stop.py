"""How a person stops what runs: between two calls, never within one."""

import time


class Stop:
    """Set from a signal handler: no lock, which a handler could wait for in vain."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Ask for the stop."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether it was asked for."""
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Wait, or until it is asked for."""
        end_s = time.monotonic() + seconds
        while not self._is_set and (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(0.1, left_s))
