"""Pure but for the clock it is given: Mixpanel allows 60 exports an hour and 3 a second, and 60 queries."""

from collections import deque
from collections.abc import Callable

# As docs.mixpanel.com/reference/raw-event-export says.
_LIMITS = ((3, 1.0), (60, 3_600.0))
_SHOWN_S = 5.0


class Pace:
    """Waits before a request where a limit asks for it, and says so where the wait is long.

    Args:
        now_s: a monotonic clock.
        wait: waits for so many seconds, or less if the command is stopped.
        note: shows a line.
        what: is asked for, in the plural.
    """

    def __init__(
        self,
        now_s: Callable[[], float],
        wait: Callable[[float], object],
        note: Callable[[str], object],
        what: str = "exports",
    ) -> None:
        self._now_s, self._wait, self._note, self._what = now_s, wait, note, what
        self._sent_s: deque[float] = deque(maxlen=max(count for count, _ in _LIMITS))

    def before_request(self) -> None:
        """Wait until one more request is allowed, and count it."""
        if wait_s := self._wait_s():
            self.pause(wait_s, f"Mixpanel allows 60 {self._what} an hour")
        self._sent_s.append(self._now_s())

    def pause(self, wait_s: float, why: str) -> None:
        """Wait."""
        if wait_s >= _SHOWN_S:
            self._note(f"Waiting {wait_s:.0f} s: {why}.")
        self._wait(wait_s)

    def _wait_s(self) -> float:
        now_s = self._now_s()
        waits = [
            self._sent_s[-count] + window_s - now_s
            for count, window_s in _LIMITS
            if len(self._sent_s) >= count
        ]
        return max([0.0, *waits])
