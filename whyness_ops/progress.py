"""Progress of a long command: a bar on a terminal where tqdm is installed, otherwise a line now and then."""

import importlib
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO

_PAUSE_S = 10.0
_LEAST_STEP = 10
_FORMAT = "{percentage:3.0f}% |{bar:20}| {remaining} left, {desc}"


class Progress:
    """Says "N of M". As lines: the first at once, then one for every tenth part, or after 10 s.

    Args:
        out: where it goes; None for stderr.
        now_s: a monotonic clock.
    """

    def __init__(self, out: TextIO | None = None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._out = sys.stderr if out is None else out
        self._now_s = now_s
        self._tqdm: Any = _tqdm() if self._out.isatty() else None
        self._bar: Any = None
        self._next_count = 0
        self._next_s = now_s()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say it."""
        total = max(done, total)  # which may be a queue's own estimate
        text = f"{done} of {total} {what}"
        if self._tqdm:
            self._draw(done, total, text)
        elif done >= self._next_count or self._now_s() >= self._next_s:
            self._next_count = done + max(_LEAST_STEP, total // 10, done // 10)
            self._next_s = self._now_s() + _PAUSE_S
            self.note(text)

    def note(self, text: str) -> None:
        """Show a line that stays, above the bar."""
        if self._bar is not None:
            self._bar.write(text, file=self._out)
        else:
            print(text, file=self._out, flush=True)

    def close(self) -> None:
        """Leave the bar as it is, and end its line."""
        if self._bar is not None:
            self._bar.close()

    def _draw(self, done: int, total: int, text: str) -> None:
        if self._bar is None:
            self._bar = self._tqdm(file=self._out, total=total, bar_format=_FORMAT, dynamic_ncols=True)
        self._bar.total = total
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(done - self._bar.n)


def _tqdm() -> Any:
    """Return tqdm's class; None if it (extra `cli`) is not installed."""
    try:
        return importlib.import_module("tqdm").tqdm
    except ModuleNotFoundError:
        return None
