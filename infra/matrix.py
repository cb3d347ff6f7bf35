"""Test the Django app on each Django with each Python that is here, each pair in its own environment.

`make matrix` runs all pairs; with `--newest` only the newest Django on the newest Python. `make test` runs
the oldest Django on the default Python.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from infra.pythons import PythonMissing, find_python

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements/dev.txt"
TESTS = ("tests/unit/django_app", "tests/integration/django")

PYTHONS = ("3.11", "3.12", "3.13")
# The oldest Python of each Django: https://docs.djangoproject.com/en/6.1/faq/install/ (2026-11-24).
DJANGOS = {"5.2.19": "3.11", "6.0.10": "3.12", "6.1.3": "3.12"}

_CELL_TIMEOUT_S = 1200
# Of a failed cell: pytest's summary with its neighbourhood. The whole is one command away.
_LINES_SHOWN = 40


class Cell(NamedTuple):
    """A pair of versions, for example 3.12 and 6.1.3."""

    python: str
    django: str


class Row(NamedTuple):
    """What came of a cell; `reason` says why it was skipped or what went wrong."""

    cell: Cell
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reason: str = ""
    is_bad: bool = False


def cells(*, newest: bool = False) -> list[Cell]:
    """Return the pairs that go together; with `newest` those of the newest Django, newest Python first."""
    fit = [
        Cell(python, django)
        for django, oldest in DJANGOS.items()
        for python in PYTHONS
        if _key(python) >= _key(oldest)
    ]
    last = max(DJANGOS, key=_key)
    return [cell for cell in reversed(fit) if cell.django == last] if newest else fit


def flatten(path: Path, django: str) -> str:
    """Return the requirements of `path` and of the files it names, with Django at version `django`."""
    lines = []
    for line in path.read_text().splitlines():
        if line.startswith("-r "):
            lines.append(flatten(path.parent / line.removeprefix("-r "), django))
        else:
            lines.append(f"Django=={django}" if line.startswith("Django==") else line)
    return "\n".join(lines)


def counts(printed: str) -> dict[str, int]:
    """Return the numbers of pytest's last line: `1 failed, 20 passed, 3 skipped in 4.2s`."""
    summaries = [line for line in printed.splitlines() if re.search(r"\d+ \w+.* in [\d.]+s", line)]
    pairs = re.findall(r"(\d+) (passed|failed|errors?|skipped)", summaries[-1]) if summaries else []
    return {name.rstrip("s") if name.startswith("error") else name: int(count) for count, name in pairs}


def table(rows: Sequence[Row]) -> str:
    """Return `rows` as text with a heading."""
    lines = [f"{'Python':<8}{'Django':<9}{'passed':>7}{'failed':>7}{'skipped':>8}"]
    for row in rows:
        start = f"{row.cell.python:<8}{row.cell.django:<9}"
        numbers = f"{row.passed:>7}{row.failed:>7}{row.skipped:>8}"
        has_run = row.passed or row.failed or row.skipped
        lines.append(start + (numbers if has_run else "  ") + (f"  {row.reason}" if row.reason else ""))
    return "\n".join(line.rstrip() for line in lines)


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _environment(cell: Cell, python: Path) -> Path:
    """Make the cell's environment, unless it is there with the same requirements; return its Python."""
    home = ROOT / f".venv-matrix-{cell.python}-{cell.django}"
    wanted = flatten(REQUIREMENTS, cell.django)
    stamp, digest = home / "stamp", hashlib.sha256(wanted.encode()).hexdigest()
    own = home / "bin/python"
    if stamp.exists() and stamp.read_text() == digest and own.exists():
        return own
    print(f"== installing into {home.name}", flush=True)
    subprocess.run([python, "-m", "venv", "--clear", home], check=True)
    requirements = home / "requirements.txt"
    requirements.write_text(wanted)
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([own, "-m", "pip", "install", *quiet, "-r", requirements], check=True)
    stamp.write_text(digest)
    return own


def _run(cell: Cell) -> Row:
    try:
        python = find_python(cell.python, "ensurepip, venv", os.environ)
    except PythonMissing:
        return Row(cell, reason=f"skipped: no Python {cell.python} with venv")
    print(f"== Django {cell.django} on Python {cell.python}", flush=True)
    try:
        own = _environment(cell, python)
        arguments = ("-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider", *TESTS)
        done = subprocess.run(
            [own, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_CELL_TIMEOUT_S,
            check=False,
        )
    except subprocess.CalledProcessError as error:
        return Row(
            cell, reason=f"its environment could not be made (exit code {error.returncode})", is_bad=True
        )
    except subprocess.TimeoutExpired:
        return Row(cell, reason=f"not done after {_CELL_TIMEOUT_S} s", is_bad=True)
    if done.returncode:
        print(last_lines(f"{done.stdout}\n{done.stderr}"))
    return row_of(cell, done.returncode, done.stdout)


def last_lines(printed: str) -> str:
    """Return the end of what pytest `printed`."""
    return "\n".join(printed.strip().splitlines()[-_LINES_SHOWN:])


def row_of(cell: Cell, exit_code: int, printed: str) -> Row:
    """Return the row of a cell whose tests ended with `exit_code` and `printed`."""
    found = counts(printed)
    failed = found.get("failed", 0) + found.get("error", 0)
    reason = f"pytest's exit code was {exit_code}" if exit_code and not failed else ""
    numbers = (found.get("passed", 0), failed, found.get("skipped", 0))
    return Row(cell, *numbers, reason=reason, is_bad=exit_code != 0)


def _run_newest() -> list[Row]:
    rows: list[Row] = []
    for cell in cells(newest=True):
        rows.append(_run(cell))
        if not rows[-1].reason.startswith("skipped"):
            return rows[-1:]
    return rows


def main() -> int:
    """Run the cells and print a row for each; 1 if one failed."""
    parser = argparse.ArgumentParser(
        description="Test the Django app on other versions of Django and Python."
    )
    parser.add_argument("--newest", action="store_true", help="only the newest Django on the newest Python")
    rows = _run_newest() if parser.parse_args().newest else [_run(cell) for cell in cells()]
    print(table(rows))
    return int(any(row.is_bad for row in rows))


if __name__ == "__main__":
    sys.exit(main())
