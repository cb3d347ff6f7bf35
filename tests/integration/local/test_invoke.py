import subprocess
import sys
from pathlib import Path

import pytest

from infra.pythons import PythonMissing
from local.emulator import MINISTACK
from local.invoke import BUILD_DIR
from local.python import built_version, runtime_python
from local.template import Template

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.usefixtures("rie_path"),
    pytest.mark.skipif(not MINISTACK.exists(), reason=f"{MINISTACK} is missing: `make demo` installs it"),
]


def invoke(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as `make invoke` does."""
    command = [sys.executable, "-m", "local.invoke", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)  # noqa: S603  (our own)


def test_source_handles_the_sample() -> None:
    """The events of the sample reach Mixpanel, and the log and the answer are shown."""
    done = invoke("--source")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "REPORT RequestId" in done.stdout
    assert "Events at Mixpanel: 4" in done.stdout
    assert 'Answer: {"batchItemFailures": []}' in done.stdout
    assert "Acknowledged 3 of 3 records." in done.stdout


def test_dead_letters_are_shown_with_their_reason() -> None:
    """An unreadable record is acknowledged, because the dead-letter queue has it."""
    done = invoke("--source", "events/unreadable.json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "unreadable: body: found" in done.stdout


def test_event_that_is_handed_back_makes_the_command_fail(tmp_path: Path) -> None:
    """A message of a later version stays in the queue, and the exit status is 1."""
    path = tmp_path / "event.json"
    path.write_text(
        '{"Records": [{"messageId": "m", "body": "{\\"schema_version\\": 999, \\"events\\": []}"}]}'
    )

    done = invoke("--source", str(path))

    assert done.returncode == 1
    assert "Acknowledged 0 of 1 records." in done.stdout


@pytest.mark.build
def test_built_function_handles_the_sample() -> None:
    """The built function runs on the Python it is deployed for."""
    if not (BUILD_DIR / "handler.py").exists():
        pytest.skip(f"{BUILD_DIR} is missing: `make build` makes it")
    try:
        runtime_python(built_version(Template.read()))
    except PythonMissing as error:
        pytest.skip(str(error))

    done = invoke()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Acknowledged 3 of 3 records." in done.stdout
