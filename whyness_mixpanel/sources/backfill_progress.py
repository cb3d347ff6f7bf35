"""How far a backfill is, how fast, and how long it takes: a bar on a terminal, else lines now and then."""

from collections.abc import Callable
from datetime import timedelta

from django.core.management.base import OutputWrapper

_BAR_CELLS = 20
_TERMINAL_EVERY_S = 0.2
_LOG_EVERY_S = 10.0


class Progress:
    """Draws on `out`. The key that `--resume` takes is in each line, so that it is known after any end.

    Args:
        out: where it goes.
        first: the first key of the walk.
        upper: the last.
        monotonic: a clock, in seconds.
    """

    def __init__(self, out: OutputWrapper, *, first: int, upper: int, monotonic: Callable[[], float]) -> None:
        self._out, self._monotonic = out, monotonic
        self._first, self._upper = first, upper
        self._started_s = self._shown_s = monotonic()
        self._terminal = out.isatty()

    def show(self, *, key: int, read_key: int, published: int) -> None:
        """Show where it stands, unless that was shown a moment ago.

        Args:
            key: what `--resume` would take.
            read_key: the last key looked at.
            published: events that are safe.
        """
        now_s = self._monotonic()
        if now_s - self._shown_s < (_TERMINAL_EVERY_S if self._terminal else _LOG_EVERY_S):
            return
        self._shown_s = now_s
        text = self._text(key, read_key, published, now_s - self._started_s)
        self._write(f"\r{text}\x1b[K" if self._terminal else f"{text}\n")

    def note(self, text: str) -> None:
        """Show a line that stays."""
        self._write(f"\r{text}\x1b[K\n" if self._terminal else f"{text}\n")

    def close(self) -> None:
        """Leave the bar's line."""
        if self._terminal:
            self._write("\r\x1b[K")

    def _text(self, key: int, read_key: int, published: int, elapsed_s: float) -> str:
        share = (read_key - self._first + 1) / max(self._upper - self._first + 1, 1)
        cells = int(share * _BAR_CELLS)
        left_s = round(elapsed_s * (1 - share) / share) if share > 0 else 0
        bar = "█" * cells + "░" * (_BAR_CELLS - cells)
        rate = published / elapsed_s if elapsed_s > 0 else 0
        left = timedelta(seconds=left_s)
        return f"{bar} {share:4.0%}  {published:,} events  {rate:,.0f}/s  {left} left  --resume {key}"

    def _write(self, text: str) -> None:
        self._out.write(text, style_func=str, ending="")
        self._out.flush()
