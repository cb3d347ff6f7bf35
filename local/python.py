"""Find the Python that the function is built for, with Lambda's runtime client installed."""

import os
import re
import subprocess
from pathlib import Path

from infra.pythons import PythonMissing, find_python
from local.template import Template

ROOT = Path(__file__).parents[1]
_REQUIREMENTS = ROOT / "requirements" / "demo.txt"
_ANSWER_TIMEOUT_S = 30
_INSTALL_TIMEOUT_S = 300


def built_version(template: Template) -> str:
    """Return the Python version of the deployed function, such as "3.13"."""
    runtime = str(template.properties("SendEventsFunction")["Runtime"])
    return runtime.removeprefix("python")


def runtime_python(version: str, directory: Path | None = None) -> Path:
    """Return an interpreter of this version that has `awslambdaric`, in `.venv-runtime-VERSION`.

    The first call makes that environment, which needs the network.

    Raises:
        PythonMissing: no such Python, or the environment cannot be made; the text says what to do.
    """
    directory = directory or ROOT / f".venv-runtime-{version}"
    python = directory / "bin" / "python"
    if not _answers(python, "import awslambdaric"):
        _make_environment(find_python(version, "ensurepip, venv", os.environ), directory)
    return python


def _answers(python: Path, code: str) -> bool:
    if not python.exists():
        return False
    command = [str(python), "-c", code]
    return (
        subprocess.run(command, capture_output=True, check=False, timeout=_ANSWER_TIMEOUT_S).returncode == 0
    )


def _make_environment(python: Path, directory: Path) -> None:
    pins = re.findall(
        r"^(?:awslambdaric|simplejson|snapshot-restore-py)==\S+", _REQUIREMENTS.read_text(), re.MULTILINE
    )
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        *pins,
    ]
    for command in (
        [str(python), "-m", "venv", "--clear", str(directory)],
        [str(directory / "bin" / "python"), *install],
    ):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_INSTALL_TIMEOUT_S
        )
        if done.returncode != 0:
            what = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PythonMissing(f"{directory.name} with Lambda's runtime client could not be made: {what}")
