"""Edge: one question to AWS, asked again and again, by whoever looks."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from whyness_ops.watch.gather import Unknown, asked

_SLOW_S = 5.0
NOT_YET = Unknown("No answer yet.")
SLOW = Unknown("No answer for some seconds. The page shows it when it comes.")


class Part:
    """A call that is made again when its answer is older than `every_s`, and never twice at a time."""

    def __init__(self, name: str, call: Callable[[], Any], every_s: float) -> None:
        self.name = name
        self._call = call
        self._every_s = every_s
        self._latest: Any = NOT_YET
        self._asked_s = float("-inf")
        self._asking: Future[Any] | None = None

    def start_if_due(self, pool: ThreadPoolExecutor, now_s: float) -> Future[Any] | None:
        """Start the call if it is due; return it while it is under way."""
        if self._asking is None and now_s - self._asked_s >= self._every_s:
            self._asked_s = now_s
            self._asking = pool.submit(asked, self.name, self._call)
        return self._asking

    def latest(self, now_s: float) -> Any:
        """Return the newest answer; `Unknown` where the next does not come."""
        if self._asking is not None and self._asking.done():
            error = self._asking.exception()
            self._latest = Unknown(f"{type(error).__name__}: {error}") if error else self._asking.result()
            self._asking = None
        if self._asking is not None and now_s - self._asked_s > _SLOW_S:
            return SLOW
        return self._latest

    def expire(self) -> None:
        """Ask anew at the next question."""
        self._asked_s = float("-inf")
