"""Find a Python of one minor version on this machine; build, matrix and the local runtime all look here."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import which

_ANSWER_TIMEOUT_S = 30


class PythonMissing(RuntimeError):
    """No Python of the wanted version works here; the text says what to install."""


def find_python(version: str, modules: str, environ: Mapping[str, str]) -> Path:
    """Return a Python of exactly this minor version, such as "3.13", that works and has these modules.

    The order: the Python that runs this, what uv has installed, what pyenv has installed, the PATH.

    Args:
        version: the minor version.
        modules: what it must be able to import, as in `import venv, ensurepip`.
        environ: with PATH, HOME and PYENV_ROOT.

    Raises:
        PythonMissing: there is none.
    """
    found = next((path for path in _candidates(version, environ) if is_fit(path, version, modules)), None)
    if found is None:
        raise PythonMissing(
            f"No Python {version} with {modules} was found: not the one that runs this, not with uv, not "
            f"with pyenv, not on the PATH. Install one: `apt-get install python{version} "
            f"python{version}-venv` where Debian or Ubuntu has it, `uv python install {version}`, or "
            f"`pyenv install {version}`. Then run this again."
        )
    return found


def is_fit(python: Path, version: str, modules: str) -> bool:
    """Whether it answers as that version; asked, because a shim of pyenv can exist and fail."""
    question = f"import sys, {modules}; print('%d.%d' % sys.version_info[:2])"
    return _output([str(python), "-c", question]) == version


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path(sys.executable)
    if (uv := which("uv", path=environ.get("PATH", ""))) and (
        found := _output([uv, "python", "find", "--no-python-downloads", version])
    ):
        yield Path(found)
    pyenv = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/")) / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}*/bin/python{version}"), reverse=True)
    folders = [Path(folder) for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    for name in (f"python{version}", "python3", "python"):
        yield from (folder / name for folder in folders if (folder / name).is_file())


def _output(command: list[str]) -> str:
    """Return what a command prints, "" where it fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_ANSWER_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
