import sys
from pathlib import Path

import pytest

from local import python
from local.python import PythonMissing, built_version, find_python, runtime_python
from local.template import Template

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no Python but the one that runs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(python, "_PYENV_VERSIONS", tmp_path)
    return tmp_path


def test_version_is_the_one_that_is_deployed() -> None:
    """The template says for which Python the function is built."""
    assert built_version(Template.read()) == "3.13"


@pytest.mark.usefixtures("empty_machine")
def test_this_python_is_taken_where_it_is_the_right_one() -> None:
    """No search goes on where the interpreter at hand will do."""
    assert find_python(HERE) == Path(sys.executable)


def test_python_that_does_not_run_is_passed_over(empty_machine: Path) -> None:
    """A shim without a version behind it, or another version under the name, is not taken."""
    for name, status in (("python3.99", 127), ("3.99.1/bin/python3.99", 1), ("3.99.0/bin/python3.99", 0)):
        path = empty_machine / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nexit {status}\n")
        path.chmod(0o755)

    assert find_python("3.99") == empty_machine / "3.99.0/bin/python3.99"


def test_missing_python_is_named_with_what_to_do(empty_machine: Path) -> None:
    """The error names the version, where it was looked for, and the two ways on."""
    with pytest.raises(PythonMissing, match=r"(?s)Python 3\.98.*pyenv install 3\.98.*--source"):
        runtime_python("3.98", empty_machine / "venv")


def test_environment_that_cannot_be_made_says_what_failed(empty_machine: Path) -> None:
    """The last words of the command that failed are passed on."""
    path = empty_machine / "python3.99"
    path.write_text("#!/bin/sh\ntest $1 = -c || { echo no ensurepip >&2; exit 1; }\n")
    path.chmod(0o755)

    with pytest.raises(PythonMissing, match="could not make venv with Lambda's runtime client: no ensurepip"):
        runtime_python("3.99", empty_machine / "venv")
