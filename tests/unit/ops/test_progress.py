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
            progress(done, total, "dead letters")

    lines = out.getvalue().splitlines()
    assert lines[0] == f"10 of {max(10, total)} dead letters"
    assert 10 <= len(lines) <= 110


def test_a_slow_command_says_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not look dead."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    now_s = 0.0

    with Progress(now_s=lambda: now_s) as progress:
        for second in range(31):
            now_s = float(second)
            progress(1, 1_000, "dead letters")

    assert len(out.getvalue().splitlines()) == 4


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, which ends with what came of it; the queue's own count may be too low."""
    out = Terminal()
    monkeypatch.setattr(sys, "stderr", out)

    with Progress() as progress:
        for done in (10, 20):
            progress(done, 15, "dead letters")

    shown = out.getvalue()
    assert "100% |" in shown
    assert shown.count("\n") == 1
    assert shown.rstrip().rpartition("\r")[2].endswith(" left, 20 of 20 dead letters")


def test_without_tqdm_a_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as a pipe: nothing is drawn."""
    out = Terminal()
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setitem(sys.modules, "tqdm", None)

    with Progress(now_s=lambda: 0.0) as progress:
        for done in (10, 20):
            progress(done, 20, "dead letters")

    assert out.getvalue() == "10 of 20 dead letters\n20 of 20 dead letters\n"


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_note_is_a_line_that_stays(stream: type[io.StringIO]) -> None:
    """Beside a bar as between lines, and the last state is shown after it."""
    out = stream()

    with Progress(out) as progress:
        progress(10, 20, "dead letters")
        progress.note("Row 7 makes no event.")
        progress(20, 20, "dead letters")

    lines = [line.rpartition("\r")[2] for line in out.getvalue().splitlines()]
    assert "Row 7 makes no event." in lines
    assert lines[-1].endswith("20 of 20 dead letters")


def test_a_command_that_does_nothing_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty queue has no bar."""
    out = Terminal()
    monkeypatch.setattr(sys, "stderr", out)

    with Progress():
        pass

    assert out.getvalue().strip("\r \n") == ""
