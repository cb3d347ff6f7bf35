"""What is done and seen, each with its time."""

import time
from collections.abc import Callable

from local.processes import raise_if_interrupted

_LOOK_EACH_S = 0.5


class Steps:
    """Prints the steps and remembers what was not seen.

    Args:
        say: prints a line.
        now_s: a monotonic clock.
        sleep: waits, seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._say, self._now_s, self._sleep = say, now_s, sleep
        self._began_s = now_s()
        self.failed: list[str] = []
        self.seen_count = 0

    def begin(self, what: str) -> None:
        """Say what is done next."""
        raise_if_interrupted()
        self._say(f"• {self._now_s() - self._began_s:6.1f} s  {what}")

    def see(self, what: str, *, is_so: bool, found: object = "") -> None:
        """Say whether `what` holds; `found` is shown where it does not."""
        if is_so:
            self.seen_count += 1
        else:
            self.failed.append(what)
        self._say(f"             {'ok' if is_so else 'NOT'}  {what}" + ("" if is_so else f"; found: {found}"))

    def until(self, is_so: Callable[[], bool], *, within_s: float) -> bool:
        """Return whether it came true in time."""
        give_up_at_s = self._now_s() + within_s
        while not (now_so := is_so()) and self._now_s() < give_up_at_s:
            raise_if_interrupted()
            self._sleep(_LOOK_EACH_S)
        return now_so
