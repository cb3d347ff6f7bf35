"""Stops asking a queue that does not answer: each try would cost a page its whole budget."""

import threading
import time

PAUSE_S = 10.0
# A process that begins has its client to make, which a page may be too short for: that is no failure.
COLD_S = 3.0


class Breaker:
    """Closed while all is well. A failure opens it for PAUSE_S; then one caller at a time may try again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open_until_s: float | None = None
        self._warm_from_s: float | None = None

    def lets_through(self) -> bool:
        """Whether to try now. Who is let through while it is open tries alone for the next PAUSE_S."""
        with self._lock:
            if self._warm_from_s is None:
                self._warm_from_s = now_s() + COLD_S
            if self._open_until_s is None:
                return True
            if now_s() < self._open_until_s:
                return False
            self._open_until_s = now_s() + PAUSE_S
            return True

    def open(self, *, is_late: bool = False) -> None:
        """Note a failure; an answer that `is_late` is none in the first COLD_S after the first attempt."""
        with self._lock:
            if is_late and self._warm_from_s is not None and now_s() < self._warm_from_s:
                return
            self._open_until_s = now_s() + PAUSE_S

    def close(self) -> None:
        """Note a success."""
        with self._lock:
            self._open_until_s = None


def now_s() -> float:
    """Return seconds that never go back."""
    return time.monotonic()
