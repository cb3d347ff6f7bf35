"""The environment with Lambda's Python: made once, and made again for other requirements."""

import os
import subprocess
from pathlib import Path

import pytest

from bench import runtime
from bench.programs import SOURCES
from infra.pythons import PythonMissing


def _ready(environment: Path, *, age_s: float) -> None:
    environment.mkdir(exist_ok=True)
    stamp = environment / "stamp"
    stamp.touch()
    requirements_s = (SOURCES / "requirements.txt").stat().st_mtime
    os.utime(stamp, (requirements_s - age_s, requirements_s - age_s))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the commands that were run; none runs really."""
    ran: list[list[str]] = []
    monkeypatch.setattr(runtime, "find_python", lambda *_: Path("/found/python"))
    monkeypatch.setattr(subprocess, "run", lambda command, **_: ran.append(command))
    return ran


def test_environment_that_is_there_is_used(tmp_path: Path, commands: list[list[str]]) -> None:
    """Nothing is run."""
    _ready(tmp_path, age_s=-1)

    assert runtime.runtime_python(tmp_path) == tmp_path / "bin/python"
    assert commands == []


@pytest.mark.parametrize("is_there", [False, True])
def test_missing_or_old_environment_is_made(
    tmp_path: Path, commands: list[list[str]], *, is_there: bool
) -> None:
    """From the Python that was found, with what is deployed; the next call uses it."""
    if is_there:
        _ready(tmp_path, age_s=1)

    assert runtime.runtime_python(tmp_path) == tmp_path / "bin/python"
    assert [command[0] for command in commands] == ["/found/python", str(tmp_path / "bin/python")]
    assert commands[1][-1] == str(SOURCES / "requirements.txt")
    runtime.runtime_python(tmp_path)
    assert len(commands) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (PythonMissing("No Python 3.13 was found."), "No Python 3.13 was found."),
        (subprocess.CalledProcessError(1, "pip"), "could not be made"),
    ],
)
def test_machine_without_it_measures_the_rest(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Exception,
    said: str,
) -> None:
    """It says why, and leaves no stamp."""

    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(runtime, "find_python", fail)

    assert runtime.runtime_python(tmp_path) is None
    assert said in capsys.readouterr().out
    assert not (tmp_path / "stamp").exists()
