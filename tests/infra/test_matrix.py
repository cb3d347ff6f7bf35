"""What `make matrix` decides: which pairs of versions there are, and which one is the newest that can run."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def noxfile() -> Iterator[ModuleType]:
    """Return the noxfile, which puts what it finds on the PATH, for this module's tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.environ["PATH"])
        yield importlib.import_module("noxfile")


def test_each_django_runs_on_the_pythons_that_it_supports(noxfile: ModuleType) -> None:
    """Ten pairs: Django 6 needs Python 3.12. Those whose Python is not here are among them, to be named."""
    pairs = {(python, django[:3]) for python, django in (pair.args for pair in noxfile.pairs({}))}

    newer = {(python, django) for python in ("3.12", "3.13", "3.14") for django in ("5.2", "6.0", "6.1")}
    assert pairs == newer | {("3.11", "5.2")}


def test_the_oldest_is_the_one_that_make_test_uses(noxfile: ModuleType) -> None:
    """So that `make test` and the matrix together leave none out."""
    assert f"\nDjango=={next(iter(noxfile.DJANGOS))}\n" in (ROOT / "requirements/django.txt").read_text()


@pytest.mark.parametrize(
    ("here", "python"),
    [
        (("3.11", "3.12", "3.13", "3.14"), "3.14"),
        (("3.12", "3.13"), "3.13"),
        (("3.11", "3.12"), "3.12"),
        (("3.11",), "3.14"),  # it is skipped, and named
    ],
)
def test_the_newest_django_runs_once_on_the_newest_python_that_is_here(
    here: tuple[str, ...], python: str, noxfile: ModuleType
) -> None:
    """An older Python stands in where the newest is not here."""
    pairs = noxfile.pairs(dict.fromkeys(here, "/usr/bin"))

    assert [tuple(pair.args) for pair in pairs if "newest" in pair.tags] == [(python, "6.1.3")]


def run_nox(folder: Path, session: str) -> "subprocess.CompletedProcess[str]":
    """Run a session as CI would."""
    command = [sys.executable, "-m", "nox", "--session", session]
    environ = os.environ | {"PATH": "/usr/bin:/bin", "CI": "true"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)  # noqa: S603


def test_a_python_that_is_not_here_is_skipped_with_its_reason(tmp_path: Path) -> None:
    """With our options nox says so and goes on, also in CI; a test that fails still fails the run."""
    options = [
        line for line in (ROOT / "noxfile.py").read_text().splitlines() if line.startswith("nox.options.")
    ]
    (tmp_path / "noxfile.py").write_text(
        "\n".join(["import nox", *options])
        + "\n@nox.session(python=['3.99'])\ndef missing(session): session.run('true')\n"
        + "@nox.session(venv_backend='none')\ndef bad(session): session.run('false')\n"
    )

    skipped, failed = (run_nox(tmp_path, session) for session in ("missing-3.99", "bad"))

    assert skipped.returncode == 0
    assert "skipped: Python interpreter 3.99 not found" in skipped.stderr
    assert failed.returncode != 0
