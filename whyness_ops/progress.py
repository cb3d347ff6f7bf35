"""Progress on stderr: a bar on a terminal where tqdm is installed, otherwise a line now and then."""

import importlib
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

_PAUSE_S = 10.0
_LEAST_STEP = 10
_FORMAT = "{percentage:3.0f}% |{bar:20}| {desc}"


class Progress:
    """Says "N of about M". As lines: the first at once, then one for every tenth part, or after 10 s.

    Args:
        now_s: a monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._tqdm = _tqdm()
        self._bar: Any = None
        self._next_count = 0
        self._next_s = now_s()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say it."""
        text = f"{done} of about {total} {what}"
        if self._tqdm:
            self._draw(done, max(done, total), text)  # `total` is a queue's own estimate
        elif done >= self._next_count or self._now_s() >= self._next_s:
            self._next_count = done + max(_LEAST_STEP, total // 10, done // 10)
            self._next_s = self._now_s() + _PAUSE_S
            print(text, file=sys.stderr, flush=True)  # noqa: T201  (a command line talks)

    def _draw(self, done: int, total: int, text: str) -> None:
        if self._bar is None:
            self._bar = self._tqdm(file=sys.stderr, total=total, bar_format=_FORMAT, dynamic_ncols=True)
        self._bar.n, self._bar.total = done, total
        self._bar.set_description_str(text)


def _tqdm() -> Any:
    """Return tqdm's class; None if stderr is not a terminal, or tqdm (extra `cli`) is not installed."""
    if not sys.stderr.isatty():
        return None
    try:
        return importlib.import_module("tqdm").tqdm
    except ModuleNotFoundError:
        return None
