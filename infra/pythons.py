"""Find a Python of one minor version on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import which

_ANSWER_TIMEOUT_S = 30


class PythonMissing(RuntimeError):
    """No Python of this version works here; the text says what to install."""


def find_python(version: str, modules: str, environ: Mapping[str, str]) -> Path:
    """Return a working Python of this minor version with these modules.

    The search order is: the running Python, uv, pyenv, the PATH.

    Args:
        version: such as "3.13".
        modules: that it must import, such as "venv, ensurepip".
        environ: with PATH, HOME and PYENV_ROOT.

    Raises:
        PythonMissing: no such Python exists here.
    """
    python = next((path for path in _candidates(version, environ) if is_fit(path, version, modules)), None)
    if python is None:
        raise PythonMissing(
            f"No Python {version} with {modules} was found: the running Python, uv, pyenv and the PATH have "
            f"none. Install it with `apt-get install python{version} python{version}-venv` (Debian, Ubuntu), "
            f"`uv python install {version}` or `pyenv install {version}`, and run this again."
        )
    return python


def is_fit(python: Path, version: str, modules: str) -> bool:
    """Return whether it runs, as that version, with the modules: a shim of pyenv can exist and fail."""
    question = f"import sys, {modules}; print('%d.%d' % sys.version_info[:2])"
    return _output([str(python), "-c", question]) == version


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path(sys.executable)
    if (uv := which("uv", path=environ.get("PATH", ""))) and (
        path := _output([uv, "python", "find", "--no-python-downloads", version])
    ):
        yield Path(path)
    pyenv = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/")) / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}*/bin/python{version}"), reverse=True)
    folders = [Path(folder) for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    for name in (f"python{version}", "python3", "python"):
        yield from (folder / name for folder in folders if (folder / name).is_file())


def _output(command: list[str]) -> str:
    """Return what a command prints, "" if it fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_ANSWER_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
