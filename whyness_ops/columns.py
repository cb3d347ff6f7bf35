"""Pure: a table that fits the width of a terminal. Nothing is cut, because people copy ids from it."""

import textwrap
from collections.abc import Sequence

_GAP = "  "
# A narrower column of wrapped text is harder to read than cells below each other.
_LEAST_WIDTH = 24


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the lines of a table, its heading first.

    If the table is too wide, its last column, which is text, is wrapped. If there is no room for that either,
    each row becomes a block with one cell a line.
    """
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    last_width = width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
    if last_width >= widths[-1]:
        return [_line(row, widths) for row in (headings, *rows)]
    if last_width >= _LEAST_WIDTH:
        return [line for row in (headings, *rows) for line in _wrapped(row, widths, last_width)]
    return ["", *(line for row in rows for line in _block(headings, row))]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _wrapped(row: Sequence[str], widths: Sequence[int], last_width: int) -> list[str]:
    first, *more = textwrap.wrap(row[-1], last_width) or [""]
    indent = " " * (sum(widths[:-1]) + len(_GAP) * (len(widths) - 1))
    return [_line([*row[:-1], first], widths), *(indent + line for line in more)]


def _block(headings: Sequence[str], row: Sequence[str]) -> list[str]:
    label_width = max(map(len, headings))
    return [*(f"{name.ljust(label_width)}  {cell}" for name, cell in zip(headings, row, strict=True)), ""]
