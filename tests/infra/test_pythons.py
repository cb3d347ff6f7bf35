"""infra/pythons.py: which interpreter is taken, in which order, and what is said where there is none."""

import sys
from pathlib import Path

import pytest

from infra.pythons import PythonMissing, find_python

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
WANTED = "3.99"


def make_python(path: Path, script: str = f"echo {WANTED}") -> Path:
    """Put a stand-in for a program at `path`: it runs `script`, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_python_that_runs_this_is_taken_where_it_is_the_right_one(tmp_path: Path) -> None:
    """Nothing is searched for: on a stock system it may be the only one that has pip."""
    make_python(tmp_path / f"python{HERE}", f"echo {HERE}")

    assert find_python(HERE, "venv", {"PATH": str(tmp_path)}) == Path(sys.executable)


def test_the_order_is_uv_then_pyenv_then_the_path(tmp_path: Path) -> None:
    """Each is taken only where those before it have none that fits."""
    on_path = make_python(tmp_path / "bin/python3")
    in_pyenv = make_python(tmp_path / f"pyenv/versions/{WANTED}.4/bin/python{WANTED}")
    by_uv = make_python(tmp_path / "uv-pythons/python")
    uv = make_python(tmp_path / "bin/uv", f"echo {by_uv}")
    environ = {"PATH": f"{tmp_path / 'bin'}", "PYENV_ROOT": str(tmp_path / "pyenv")}
    found = []

    for gone in (by_uv, in_pyenv, on_path):
        found.append(find_python(WANTED, "venv", environ))
        gone.unlink()

    assert found == [by_uv, in_pyenv, on_path]
    assert uv.exists()


@pytest.mark.parametrize("script", ["exit 127", "echo 3.12", "echo not switched on >&2; exit 1", ""])
def test_a_program_that_exists_but_does_not_fit_is_passed_over(tmp_path: Path, script: str) -> None:
    """A shim of a version that is not switched on, another version under the name, one without a module."""
    make_python(tmp_path / f"shims/python{WANTED}", script)
    make_python(tmp_path / "shims/uv", script)
    good = make_python(tmp_path / f"bin/python{WANTED}")

    environ = {"PATH": f"{tmp_path}/missing:{tmp_path}/shims:{tmp_path}/bin", "HOME": str(tmp_path)}

    assert find_python(WANTED, "pip", environ) == good


def test_the_newest_of_pyenvs_patch_versions_is_taken(tmp_path: Path) -> None:
    """It need not be switched on."""
    make_python(tmp_path / f".pyenv/versions/{WANTED}.1/bin/python{WANTED}")
    newest = make_python(tmp_path / f".pyenv/versions/{WANTED}.9/bin/python{WANTED}")

    assert find_python(WANTED, "venv", {"PATH": "", "HOME": str(tmp_path)}) == newest


def test_where_there_is_none_the_error_says_what_to_install(tmp_path: Path) -> None:
    """Another version is not taken instead; each way to get the right one is named."""
    make_python(tmp_path / "python3", "echo 3.12")

    with pytest.raises(PythonMissing) as error:
        find_python(WANTED, "pip", {"PATH": str(tmp_path), "HOME": str(tmp_path)})

    for hint in (
        f"apt-get install python{WANTED} python{WANTED}-venv",
        f"uv python install {WANTED}",
        f"pyenv install {WANTED}",
    ):
        assert hint in str(error.value)
