"""The simulator imports nothing of the project: a mistake must not be on both sides of the wire."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "local" / "mixpanel_simulator"
# The standard library, and what docs/mixpanel-simulator.md says it needs.
ALLOWED = {*sys.stdlib_module_names, "msgspec", "isal"}
# The only modules that know of sockets, threads and processes.
EDGES = {"server.py", "http1.py", "running.py", "cli.py", "__init__.py", "__main__.py"}


def imports_of(source: str) -> set[str]:
    """Return the modules that a source imports; a relative import keeps its dots."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


def foreign_imports(source: str) -> list[str]:
    """Return the imports from outside the package, the standard library and the two libraries."""
    return [
        name
        for name in imports_of(source)
        if (name.partition(".")[0] not in ALLOWED if name[0] != "." else name.startswith(".."))
    ]


def test_nothing_of_the_project_is_imported() -> None:
    """Nor any library but the two on its page."""
    modules = {path.name: foreign_imports(path.read_text()) for path in PACKAGE.rglob("*.py")}

    assert len(modules) > 15
    assert {name: foreign for name, foreign in modules.items() if foreign} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import local.loopback",
        "from local.mixpanel_simulator import Fault",
        "from .. import loopback",
        "from ..loopback import LOOPBACK",
        "def late():\n    from whyness_events import limits",
        "import whyness_ops",
        "import requests",
    ],
)
def test_import_from_outside_is_found(source: str) -> None:
    """Absolute, relative or late."""
    assert len(foreign_imports(source)) == 1


def test_it_runs_from_a_copy_of_its_directory(tmp_path: Path) -> None:
    """Under another name, where there is nothing else of the project."""
    shutil.copytree(PACKAGE, tmp_path / "copied")
    command = [sys.executable, "-P", "-m", "copied", "--help"]

    done = subprocess.run(  # noqa: S603  (our own)
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_core_uses_no_sockets_and_no_threads_of_its_own() -> None:
    """A simulation in virtual time runs it as it is."""
    core = {
        path.name: imports_of(path.read_text()) for path in PACKAGE.glob("*.py") if path.name not in EDGES
    }

    impure = {"asyncio", "socket", "http.server", "signal"}
    assert {name: names & impure for name, names in core.items() if names & impure} == {}
