import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyness_ops import output, terminal
from whyness_ops.columns import columns

ROWS = [{"message_id": "m-1", "reason": "rejected", "detail": "event: a blank string; allowed: a name"}] * 2
TEXTS: dict[str, tuple[Callable[[Any], str], Any, str]] = {
    "redriven": (
        output.redriven_text,
        {"looked_at": 3, "matched": 2, "sent": 2},
        "Inspected 3 dead letters: 2 matched, 2 sent.",
    ),
    "dry run": (
        output.redriven_text,
        {"looked_at": 1, "matched": 1, "sent": 1, "dry_run": True},
        "Inspected 1 dead letter: 1 matched, 1 would be sent.",
    ),
    "moved": (
        output.moved_text,
        {"moved": 2, "to_move": 2, "status": "COMPLETED", "failure": "", "came_back": 0},
        "Moved 2 of about 2 dead letters: completed.",
    ),
    "not moved": (
        output.moved_text,
        {"moved": 0, "to_move": 2, "status": "FAILED", "failure": "AccessDenied", "came_back": 0},
        "Moved 0 of about 2 dead letters: failed (AccessDenied).",
    ),
    "would move": (output.would_move_text, {"would_move": 1}, "Dry run: about 1 dead letter would be moved."),
    "exported": (
        output.exported_text,
        {"letters": 2, "file": "dead.jsonl", "arrived_since": 0},
        "Wrote 2 dead letters to dead.jsonl.",
    ),
    "rebuilt": (
        output.rebuilt_text,
        {"letters": 2, "rows": 1, "present": 1, "arrived_since": 0, "cut_short": 0},
        "Inspected 2 dead letters: added 1 Log row, 1 existed already.",
    ),
}
_NOTES = ("came_back", "arrived_since", "not_deleted", "rows_not_marked", "hidden", "stopped", "dry_run")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def be_on_terminal(monkeypatch: pytest.MonkeyPatch, columns_count: int = 80) -> Terminal:
    """Make stdout a terminal that shows colour."""
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", str(columns_count))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return out


@pytest.mark.parametrize(("text", "found", "expected"), TEXTS.values(), ids=TEXTS)
def test_a_result_is_a_sentence(text: Callable[[Any], str], found: dict[str, Any], expected: str) -> None:
    """What happened comes first, in numbers."""
    assert text({**dict.fromkeys(_NOTES, 0), "left": [], **found}) == expected


def test_what_is_left_is_named_with_its_reason() -> None:
    """A person sees which dead letters were not sent, and why."""
    counts = dict.fromkeys((*_NOTES, "looked_at", "matched", "sent"), 0)
    left = [{"message_id": "m-1", "insert_id": "i-1", "why": "the queue did not confirm it (no answer)"}]

    assert "m-1         i-1        the queue did not" in output.redriven_text({**counts, "left": left})


@pytest.mark.parametrize(
    "variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "a dumb terminal"]
)
def test_colour_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """As https://no-color.org has it."""
    on_terminal = be_on_terminal(monkeypatch)
    output.emit(ROWS, output.rows_text, as_json=False)
    assert on_terminal.getvalue().startswith("\x1b[1mreason")

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.bold("title") == "title"


def test_a_pipe_gets_plain_lines_of_any_length(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that reads them finds each row on one line, without colour."""
    monkeypatch.setenv("COLUMNS", "20")

    output.emit([{**row, "detail": "x " * 500} for row in ROWS], output.rows_text, as_json=False)

    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1 + len(ROWS)
    assert "\x1b" not in out


def test_a_stranger_can_neither_colour_nor_break_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead letter's text stays in its cell, and shows its control characters."""
    on_terminal = be_on_terminal(monkeypatch)
    row = {"detail": "\x1b[31m\n\x01title", "event": "e"}

    output.emit([row], output.rows_text, as_json=False)

    assert on_terminal.getvalue().splitlines()[1:] == ["e      \\x1b[31m\\x0a\\x01title"]


@pytest.mark.parametrize("columns_count", [30, 80])
def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, columns_count: int) -> None:
    """No line is longer than it is wide, and nothing is cut."""
    on_terminal = be_on_terminal(monkeypatch, columns_count)
    rows = [{"insert_id": "i-123456789", "detail": "word " * 40}]

    output.emit(rows, output.rows_text, as_json=False)

    shown = on_terminal.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert shown.count("word") == 40
    assert "i-123456789" in shown
    assert columns_count == 30 or max(map(len, shown.splitlines())) <= 80


@given(
    rows=st.lists(st.tuples(*[st.text("abc -", max_size=40)] * 3), min_size=1, max_size=5),
    width=st.integers(1, 200),
)
def test_no_width_loses_text(rows: list[tuple[str, str, str]], width: int) -> None:
    """Whatever the layout, each character of each cell is shown once."""
    shown = "".join(columns(("", "", ""), rows, width))

    for character in "abc-":
        assert shown.count(character) == sum(cell.count(character) for row in rows for cell in row)
