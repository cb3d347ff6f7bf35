"""The function as `make build` leaves it, run by the runtime's Python and nothing of this environment."""

import json
import os
import platform
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.build import BUILT, FUNCTION, PYTHON, host_architecture
from infra.pythons import PythonMissing, find_python

pytestmark = pytest.mark.build

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "events/sample.json"
SOURCE = ROOT / "functions/send_events"
IMPORT = "import sys; sys.path.insert(0, sys.argv[1]); import handler; "
INVOKE = (
    IMPORT
    + """
import json, types
names = {"aws_request_id": "r-1", "function_name": "f"}
context = types.SimpleNamespace(**names, get_remaining_time_in_millis=lambda: 60_000)
answer = handler.handler(json.load(open(sys.argv[2])), context)
print(json.dumps(answer))
"""
)


def sources() -> list[Path]:
    """Return our own modules, as they are in the repository."""
    return sorted(SOURCE.rglob("*.py"))


def content(path: Path) -> bytes | None:
    """Return what a file holds, None where there is none."""
    return path.read_bytes() if path.exists() else None


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the runtime's Python, where the function is built for this machine."""
    template = BUILT / "template.yaml"
    if not template.exists():
        pytest.skip("the function is not built: run `make build`")
    built_for = yaml.safe_load(template.read_text())["Parameters"]["Architecture"]["AllowedValues"]
    if built_for != [host_architecture(platform.machine())]:
        pytest.skip(f"the function was built for {built_for[0]}: run `make build` for this machine")
    if any(content(FUNCTION / path.relative_to(SOURCE)) != content(path) for path in sources()):
        pytest.skip("the build is older than the function's source: run `make build`")
    try:
        return find_python(PYTHON, "pip", os.environ)
    except PythonMissing as error:
        pytest.skip(str(error))


def run(python: Path, code: str, *arguments: Path) -> str:
    """Run `code` with nothing but the built function to import, and return what it prints."""
    command: list[str | Path] = [python, "-I", "-c", code, FUNCTION, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={})  # noqa: S603  (ours)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_built_function_can_be_imported(python: Path) -> None:
    """All that the handler needs lies in the archive, and the handler is the archive's."""
    printed = run(python, IMPORT + "print(handler.__file__, callable(handler.handler))")

    assert printed.strip() == f"{FUNCTION / 'handler.py'} True"


def test_every_module_of_ours_is_in_the_archive_and_imports(python: Path) -> None:
    """Also what the handler imports only when something fails."""
    names = [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for path in sources()
    ]

    run(python, f"{IMPORT}import importlib; [importlib.import_module(name) for name in {names!r}]")

    assert "whyness_events.delivery.deliver" in names


def test_the_archive_holds_bytecode_for_every_module() -> None:
    """INIT time is billed, and compiling is most of it."""
    if not FUNCTION.exists():
        pytest.skip("the function is not built: run `make build`")
    sources = list(FUNCTION.rglob("*.py"))

    missing = [s for s in sources if not (s.parent / "__pycache__" / f"{s.stem}.cpython-313.pyc").exists()]

    assert len(sources) > 100
    assert missing == []


def test_the_built_function_answers_an_event(python: Path) -> None:
    """Without any setting it acknowledges nothing: each record of the sample comes back."""
    printed = run(python, INVOKE, SAMPLE)

    answer = json.loads(printed.splitlines()[-1])
    message_ids = [record["messageId"] for record in json.loads(SAMPLE.read_text())["Records"]]
    assert answer == {"batchItemFailures": [{"itemIdentifier": found} for found in message_ids]}
