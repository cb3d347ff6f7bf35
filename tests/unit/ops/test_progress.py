import io
import sys

import pytest

from whyness_ops.progress import Progress


class Terminal(io.StringIO):
    """One that says so."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize("total", [0, 7, 509, 100_000])
def test_lines_are_few_where_there_is_no_terminal(total: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first at once, then for a tenth part each, and without end no more than that."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)

    with Progress(now_s=lambda: 0.0) as progress:
        for done in range(10, 100_010, 10):
            progress(done, total, "letters")

    lines = out.getvalue().splitlines()
    assert lines[0] == f"10 of about {total} letters"
    assert 10 <= len(lines) <= 110


def test_a_slow_command_says_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody takes it for dead."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    now_s = 0.0

    with Progress(now_s=lambda: now_s) as progress:
        for second in range(31):
            now_s = float(second)
            progress(1, 1_000, "letters")

    assert len(out.getvalue().splitlines()) == 4


def test_a_terminal_gets_one_line_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a line's end after it."""
    out = Terminal()
    monkeypatch.setattr(sys, "stderr", out)

    with Progress() as progress:
        for done in (10, 20):
            progress(done, 20, "letters")

    assert out.getvalue() == "\r10 of about 20 letters\x1b[K\r20 of about 20 letters\x1b[K\n"
