import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest

from local.mixpanel_simulator import Fault, cli
from local.mixpanel_simulator.settings import DEFAULTS

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "mixpanel-simulator.md").read_text()
FENCES = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SHELL = [line for language, block in FENCES if language == "sh" for line in block.splitlines()]
HELP = [line.strip() for line in cli.EPILOG.splitlines() if re.match(r"  (curl|\.venv)", line)]
STARTS = [line for line in dict.fromkeys([*SHELL, *HELP]) if line.startswith(".venv/bin/python ")]
EXAMPLE = r"(?:faults -d '|\| `)([\[{].*?[\]}])(?:'|`)"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@contextmanager
def started(command: str, directory: Path) -> Iterator[str]:
    """Run a command of the page that starts a server, and yield the URL it prints."""
    words = command.replace("secret.txt", str(directory / "secret.txt")).split()
    with subprocess.Popen([sys.executable, *words[1:]], cwd=ROOT, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout
        try:
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()
    assert process.returncode == 0


def shell(line: str, directory: Path, url: str) -> str:
    """Run a command as it stands, and return what it prints; an answer that is not a success fails."""
    strict = re.sub(r"^curl ", "curl --fail --silent --show-error ", line)
    command = ["bash", "-c", strict]
    done = subprocess.run(  # noqa: S603
        command,
        cwd=directory,
        env={"URL": url, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"
    return done.stdout


def test_every_fence_is_run_below() -> None:
    """A fence in another language, or a command of another kind, would be run by nobody."""
    known = ("curl ", ".venv/bin/python -m local.mixpanel_simulator ", "echo pw > secret.txt", "URL=http://")

    assert {language for language, _ in FENCES} == {"sh", "python"}
    assert [line for line in SHELL if not line.startswith(known)] == []
    assert len(HELP) > len([line for line in HELP if line in STARTS]) > 0


@needs_curl
@pytest.mark.parametrize(("start", "lines"), [(SHELL[1], SHELL), (SHELL[1], HELP)])
def test_commands_run_in_their_order(start: str, lines: list[str], tmp_path: Path) -> None:
    """Those of the page, and those of --help, each succeed against the simulator that the page starts."""
    shell(SHELL[0], tmp_path, "")

    with started(start, tmp_path) as url:
        printed = {line: shell(line, tmp_path, url) for line in lines if line.startswith("curl ")}

    if lines is SHELL:
        assert '"num_records_imported":1' in "".join(printed.values())
        assert '"$insert_id":"id-1"' in printed["curl $URL/_simulator/events"]


@pytest.mark.parametrize("start", STARTS)
def test_each_way_to_start_it_works(start: str, tmp_path: Path) -> None:
    """It prints its URL, and ends with status 0."""
    shell(SHELL[0], tmp_path, "")

    with started(start, tmp_path) as url:
        assert url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("code", [block for language, block in FENCES if language == "python"])
def test_each_python_example_runs(code: str) -> None:
    """As it stands; its own assertions hold."""
    exec(compile(code, "docs/mixpanel-simulator.md", "exec"), {})  # noqa: S102  (our own page)


@pytest.mark.parametrize("name", [field.name for field in fields(Fault)] + list(DEFAULTS))
def test_each_field_of_a_fault_and_each_setting_is_documented(name: str) -> None:
    """By its name."""
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize(
    "name", [name for name, default in DEFAULTS.items() if isinstance(default, (int, str))]
)
def test_documented_default_is_the_real_one(name: str) -> None:
    """In the table of settings."""
    row = re.search(rf"^\| `{name}` \| (\S+) \|", TEXT, re.MULTILINE)

    assert row
    default = "none" if DEFAULTS[name] == "" else str(DEFAULTS[name])
    assert row[1].strip("`") == default.replace("True", "true")


@pytest.mark.parametrize("example", re.findall(EXAMPLE, TEXT))
def test_each_example_of_a_fault_is_one(example: str) -> None:
    """It can be sent as it stands."""
    value = msgspec.json.decode(example)

    assert all(Fault.from_json(fault) for fault in (value if isinstance(value, list) else [value]))


def test_examples_are_found() -> None:
    """The test above has something to do."""
    assert len(re.findall(EXAMPLE, TEXT)) == 22
