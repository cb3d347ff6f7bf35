"""How far a command is, on stderr: in place on a terminal, else as a line now and then."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_PAUSE_S = 10.0
_LEAST_STEP = 10


class Progress:
    """Says "N of about M". Where stderr is no terminal: first, then for every tenth part, or after 10 s.

    Args:
        now_s: a monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._is_terminal = sys.stderr.isatty()
        self._is_begun = False
        self._next_count = 0
        self._next_s = now_s()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_terminal and self._is_begun:
            _print("\n")

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say it."""
        text = f"{done} of about {total} {what}"
        if self._is_terminal:
            self._is_begun = True
            _print(f"\r{text}\x1b[K")
        elif done >= self._next_count or self._now_s() >= self._next_s:
            self._next_count = done + max(_LEAST_STEP, total // 10, done // 10)
            self._next_s = self._now_s() + _PAUSE_S
            _print(f"{text}\n")


def _print(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)  # noqa: T201  (a command line talks)
