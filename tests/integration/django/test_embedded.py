"""The relay in a sub-interpreter, as under mod_wsgi: an embedding program of a few lines of C."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import django
import pytest

from tests.integration.django.relay_project import PRELUDE, RelayProject

PROGRAM = """
#include <Python.h>
#include <stdlib.h>
int main(void) {
  Py_Initialize();
  PyThreadState *main_state = PyThreadState_Get();
  PyThreadState *sub = Py_NewInterpreter();
  int failed = PyRun_SimpleString(getenv("SCRIPT"));
  Py_EndInterpreter(sub);
  PyThreadState_Swap(main_state);
  return failed ? 3 : Py_FinalizeEx();
}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program, made by this machine's compiler for the Python that runs the tests."""
    compiler, library = shutil.which("cc"), sysconfig.get_config_var("LIBDIR")
    version = sysconfig.get_config_var("LDVERSION")
    if not compiler or not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("there is no C compiler, or this Python has no shared library")
    source, made = tmp_path / "embed.c", tmp_path / "embed"
    source.write_text(PROGRAM)
    command = [compiler, str(source), "-o", str(made), f"-I{sysconfig.get_path('include')}"]
    command += [f"-L{library}", f"-Wl,-rpath,{library}", f"-lpython{version}"]
    subprocess.run(command, check=True, timeout=60)  # noqa: S603  (the test's own program)
    return made


def test_a_sub_interpreter_with_a_relay_ends_well(program: Path, tmp_path: Path) -> None:
    """A daemon thread that outlived it would abort the process: the relay is joined, and has published."""
    options = {"transaction_mode": "IMMEDIATE"}
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db"), "OPTIONS": options}
    project = RelayProject(tmp_path, database)
    project.run("-m", "django", "migrate", "--verbosity=0")
    paths = [project.environment["PYTHONPATH"], str(Path(django.__file__).parents[1])]
    environment = project.environment | {
        "PYTHONHOME": sys.base_prefix,
        "PYTHONPATH": os.pathsep.join(paths),
        "SCRIPT": f"{PRELUDE}\nimport threading\nassert send(1)\nassert threading.active_count() == 2\n",
    }

    done = subprocess.run(  # noqa: S603  (as above)
        [str(program)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert project.published() == ["1"]
