"""The Python of Lambda's runtime, in an environment that has what the function needs."""

import os
import subprocess
from pathlib import Path

from bench.programs import ROOT, SOURCES
from infra.build import PYTHON
from infra.pythons import PythonMissing, find_python

_ENVIRONMENT = ROOT / f".venv-bench-{PYTHON}"
_REQUIREMENTS = SOURCES / "requirements.txt"
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")


def runtime_python(environment: Path = _ENVIRONMENT) -> Path | None:
    """Return the environment's Python; make it if it is missing, or older than the requirements.

    None where the machine has no such Python, or the libraries cannot be installed: both say why.
    """
    python, stamp = environment / "bin/python", environment / "stamp"
    if stamp.exists() and stamp.stat().st_mtime >= _REQUIREMENTS.stat().st_mtime:
        return python
    try:
        found = find_python(PYTHON, "ensurepip, venv", os.environ)
        for command in (
            [found, "-m", "venv", "--clear", environment],
            [python, *_PIP, "-r", _REQUIREMENTS],
        ):
            subprocess.run([*map(str, command)], check=True)
    except PythonMissing as missing:
        print(missing)
        return None
    except subprocess.CalledProcessError as failure:
        print(f"{environment.name} could not be made (exit code {failure.returncode}); it is not measured.")
        return None
    stamp.touch()
    return python
