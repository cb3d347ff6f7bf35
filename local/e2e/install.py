"""Make `.venv-e2e`: LocalStack, the runtime client and the plug-in, on the function's Python."""

import os
import subprocess
import sys

from infra.build import PYTHON
from infra.pythons import PythonMissing, find_python
from local.e2e.localstack import PYTHON as OURS
from local.e2e.localstack import ROOT

PLUGIN = ROOT / "local/e2e/plugin"
_PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def main() -> int:
    """Return 2 where no such Python is here, pip's status where it fails; each has said why."""
    try:
        python = find_python(PYTHON, "ensurepip, venv", os.environ)
    except PythonMissing as error:
        print(error, file=sys.stderr)
        return 2
    commands = (
        [str(python), "-m", "venv", "--clear", str(OURS.parents[1])],
        [str(OURS), *_PIP, "--no-deps", "-r", str(ROOT / "requirements/e2e.txt")],
        [str(OURS), *_PIP, "--no-deps", str(PLUGIN)],
    )
    try:
        for command in commands:
            subprocess.run(command, check=True)
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
