"""What `make matrix` decides: which pairs of versions there are, what is skipped, and when it fails."""

from pathlib import Path

import pytest

from infra import matrix
from infra.matrix import Cell, Row
from infra.pythons import PythonMissing


def test_each_django_runs_on_the_pythons_that_it_supports() -> None:
    """Seven pairs: Django 6 needs Python 3.12."""
    pairs = {(cell.python, cell.django[:3]) for cell in matrix.cells()}

    newer = {(python, django) for python in ("3.12", "3.13") for django in ("5.2", "6.0", "6.1")}
    assert pairs == newer | {("3.11", "5.2")}
    assert len(matrix.cells()) == 7


def test_the_newest_is_tried_on_the_newest_python_first() -> None:
    """An older Python stands in where the newest is not here."""
    assert matrix.cells(newest=True) == [Cell("3.13", "6.1.3"), Cell("3.12", "6.1.3")]


def test_versions_are_compared_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """5.10 is newer than 5.9, and Python 3.9 is older than 3.12."""
    monkeypatch.setattr(matrix, "PYTHONS", ("3.9", "3.12"))
    monkeypatch.setattr(matrix, "DJANGOS", {"5.9": "3.9", "5.10": "3.12"})

    assert matrix.cells(newest=True) == [Cell("3.12", "5.10")]


def test_a_python_that_is_not_here_is_a_row_that_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table names it, and the exit code is 0."""

    def find_none(*_: object) -> Path:
        raise PythonMissing

    monkeypatch.setattr(matrix, "find_python", find_none)
    monkeypatch.setattr("sys.argv", ["matrix.py"])

    exit_code = matrix.main()

    assert exit_code == 0
    assert "3.11    5.2.19       skipped: no Python 3.11 with venv\n" in capsys.readouterr().out


@pytest.mark.parametrize("is_bad", [True, False])
def test_one_bad_cell_fails_the_run(monkeypatch: pytest.MonkeyPatch, *, is_bad: bool) -> None:
    """Exit code 1, whichever cell it is."""
    bad = matrix.cells()[2]
    monkeypatch.setattr(matrix, "_run", lambda cell: Row(cell, passed=3, is_bad=is_bad and cell == bad))
    monkeypatch.setattr("sys.argv", ["matrix.py"])

    assert matrix.main() == int(is_bad)


def test_newest_goes_on_to_an_older_python_only_where_the_newest_is_not_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One cell runs; the one that was skipped is not shown."""
    rows = {"3.13": Row(Cell("3.13", "6.1.3"), reason="skipped: no Python 3.13 with venv")}
    monkeypatch.setattr(matrix, "_run", lambda cell: rows.get(cell.python, Row(cell, passed=5)))
    monkeypatch.setattr("sys.argv", ["matrix.py", "--newest"])

    assert matrix.main() == 0
    shown = capsys.readouterr().out
    assert "3.12    6.1.3          5      0       0" in shown
    assert "3.13" not in shown


@pytest.mark.parametrize(
    ("exit_code", "printed", "numbers", "reason"),
    [
        (0, "20 passed, 3 skipped in 4.2s", (20, 0, 3), ""),
        (1, "1 failed, 20 passed, 2 errors in 61.02s (0:01:01)", (20, 3, 0), ""),
        (1, "== 1 error in 0.5s ==", (0, 1, 0), ""),
        (5, "no tests ran in 0.01s", (0, 0, 0), "pytest's exit code was 5"),
        (-9, "", (0, 0, 0), "pytest's exit code was -9"),
    ],
)
def test_a_row_has_pytests_numbers_and_its_exit_code_decides(
    exit_code: int, printed: str, numbers: tuple[int, int, int], reason: str
) -> None:
    """Also where nothing was counted: a run that was killed is no success."""
    row = matrix.row_of(Cell("3.13", "6.1.3"), exit_code, printed)

    assert (row.passed, row.failed, row.skipped) == numbers
    assert (row.reason, row.is_bad) == (reason, exit_code != 0)


def test_a_failed_cell_shows_the_end_of_what_pytest_printed() -> None:
    """The summary is there, and thousands of lines are not."""
    printed = "\n".join(f"line {number}" for number in range(5_000))

    shown = matrix.last_lines(printed).splitlines()

    assert shown[-1] == "line 4999"
    assert len(shown) == 40


def test_only_django_is_replaced_in_the_requirements(tmp_path: Path) -> None:
    """Also in a file that another one names; the stubs keep their version."""
    (tmp_path / "base.txt").write_text("Django==5.2.19\nmsgspec==0.20.0\n")
    (tmp_path / "dev.txt").write_text("-r base.txt\ndjango-stubs==6.1.2\n")

    assert matrix.flatten(tmp_path / "dev.txt", "6.1.3").splitlines() == [
        "Django==6.1.3",
        "msgspec==0.20.0",
        "django-stubs==6.1.2",
    ]
