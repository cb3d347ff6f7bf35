"""Edge: what the terminal can show. In a pipe or a file: no colour, and lines of any length."""

import os
import shutil
import sys
from typing import TextIO

_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[1;31m", "\x1b[0m"


def width() -> int:
    """Return how many columns stdout has; if it is not a terminal, as many as a line needs."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def bold(text: str) -> str:
    """Return a title for stdout."""
    return _styled(text, _BOLD, sys.stdout)


def red(text: str) -> str:
    """Return the word `error` for stderr."""
    return _styled(text, _RED, sys.stderr)


def _styled(text: str, style: str, stream: TextIO) -> str:
    return f"{style}{text}{_PLAIN}" if text and _has_colour(stream) else text


def _has_colour(stream: TextIO) -> bool:
    """Whether to colour: https://no-color.org, and terminals whose TERM is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
