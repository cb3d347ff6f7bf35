from pathlib import Path

import pytest

from infra.pythons import PythonMissing
from local.python import built_version, runtime_python
from local.template import Template


@pytest.fixture
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no Python but the one that runs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    return tmp_path


def test_version_is_the_one_that_is_deployed() -> None:
    """The template says for which Python the function is built."""
    assert built_version(Template.read()) == "3.13"


def test_environment_that_cannot_be_made_says_what_failed(empty_machine: Path) -> None:
    """The last words of the command that failed are passed on."""
    path = empty_machine / "python3.99"
    path.write_text("#!/bin/sh\ntest $1 = -c || { echo no ensurepip >&2; exit 1; }\necho 3.99\n")
    path.chmod(0o755)

    with pytest.raises(
        PythonMissing, match="venv with Lambda's runtime client could not be made: no ensurepip"
    ):
        runtime_python("3.99", empty_machine / "venv")
