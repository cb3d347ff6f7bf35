"""Each command has a kind; of those that cannot be run here, all that can be checked is."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from tests.shipped.collect import ROOT, Command, commands, lines_of
from tests.shipped.kinds import Kind, kind_of
from whyness_events.version import __version__
from whyness_ops.options import make_parser

COMMANDS = commands()
MAKEFILE = (ROOT / "Makefile").read_text()
# The AWS CLI's own commands: not an operation of the service.
_CLI_ONLY = {
    ("logs", "tail"): {"since", "format", "filter-pattern"},
    ("cloudformation", "deploy"): {"template-file", "stack-name", "capabilities", "parameter-overrides"},
}
_AWS_GLOBAL = {"region", "query", "output", "profile"}


def of(pattern: str, *kinds: Kind) -> list[str]:
    """Return the commands that match, each once."""
    found = {
        c.text for c in COMMANDS if re.match(pattern, c.text) and (not kinds or kind_of(c.text) in kinds)
    }
    return sorted(found)


def test_every_command_is_of_a_kind() -> None:
    """A new command in a page, sample, help text or workflow needs a place here, or fails."""
    assert [command for command in COMMANDS if kind_of(command.text) is None] == []
    assert {kind_of(command.text) for command in COMMANDS} == set(Kind), "a kind without a command"


@pytest.mark.parametrize("text", ["rm -rf /", "make demo", "whyness-mixpanel dlq drop"])
def test_a_command_that_nobody_thought_of_has_no_kind(text: str) -> None:
    """The table is no catch-all: only known programs are in it."""
    assert (kind_of(text) is None) is text.startswith("rm")


def test_the_collector_sees_each_place_that_has_commands() -> None:
    """A place that fell silent would pass every other test."""
    places = {command.place for command in COMMANDS}

    assert {"README.md", "Makefile", "docs/runbook.md", ".github/workflows/ci.yml"} <= places
    assert {f"docs/samples/mixpanel-outbox.{kind}" for kind in ("cron", "service", "compose.yaml")} <= places
    assert {"bench/__main__.py", "whyness_mixpanel/management/commands/mixpanel_outbox.py"} <= places
    assert Command("docs/runbook.md", "make undrift CONFIG_ENV=prod") in COMMANDS


def test_scripts_are_split_as_a_shell_would() -> None:
    """Continued lines, quotations over lines, here-documents, functions and assignments."""
    script = "a \\\n  b 'c\nd'\ncat > f <<'END'\nx\nEND\nwhy() { aws logs tail; }\nX=$(aws sts y)\n"

    assert list(lines_of(script)) == [
        "a b 'c\nd'",
        "cat > f <<'END'\nx\nEND",
        "aws logs tail",
        "aws sts y",
    ]


@pytest.mark.parametrize("text", of("make "))
def test_a_make_command_names_a_target_and_variables_that_exist(text: str) -> None:
    """`make -n` finds the target; each variable is read somewhere."""
    _, target, *variables = shlex.split(text)
    names = [variable.partition("=")[0] for variable in variables]

    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607

    assert done.returncode == 0, done.stderr
    assert re.search(rf"^{target}:.*## ", MAKEFILE, re.MULTILINE), f"make help does not list {target}"
    assert [name for name in names if name not in MAKEFILE and name not in demo_variables()] == []


def demo_variables() -> str:
    """Return the source that reads the demo's own variables."""
    return (ROOT / "local/demo.py").read_text()


@pytest.mark.parametrize("text", of("aws "))
def test_an_aws_command_is_one_of_the_cli(text: str) -> None:
    """Service, operation and each option exist in the API; and the region is named."""
    words = shlex.split(text)
    if words[1:] in (["--version"], ["logs", "tail"]):
        return  # what the page calls version 2 by
    options = {word.removeprefix("--") for word in words if word.startswith("--")}
    service, operation = words[3], words[4]

    assert "region" in options, "it would ask the shell's own region"
    known = _CLI_ONLY.get((service, operation)) or members(service, operation)
    assert {option.removeprefix("no-") for option in options} - _AWS_GLOBAL - known == set()


def members(service: str, operation: str) -> set[str]:
    """Return the options of an operation."""
    model: Any = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(names[operation]).input_shape
    return {xform_name(name, "-") for name in (shape.members if shape else {})}


@pytest.mark.parametrize("text", of("whyness-mixpanel ", Kind.AWS, Kind.PIPELINE, Kind.STACK, Kind.MIXPANEL))
def test_a_command_of_the_tool_is_taken_by_its_parser(text: str) -> None:
    """Also those that only AWS or Mixpanel can answer."""
    make_parser().parse_args(shlex.split(text.partition(" < ")[0])[1:])  # the shell takes what comes after


@pytest.mark.parametrize("text", of("sam "))
def test_a_sam_command_names_what_is_there(text: str) -> None:
    """The function, the event's file, the environments of samconfig.toml."""
    words = shlex.split(text)

    for word in words:
        if word.startswith("events/"):
            assert (ROOT / word).exists()
        if word.endswith("Function"):
            assert f"  {word}:" in (ROOT / "infra/template.yaml").read_text()
    if "--config-env" in words:
        environment = words[words.index("--config-env") + 1]
        assert f"[{environment}.deploy.parameters]" in (ROOT / "samconfig.toml").read_text()


@pytest.mark.parametrize("text", of(r".*-m (bench|local|tests)", Kind.MINUTES))
def test_a_command_that_takes_minutes_takes_its_options(text: str) -> None:
    """The module is there, and its own help names each option that the command gives."""
    words = shlex.split(text)
    module = words[words.index("-m") + 1]
    given = [word for word in words if word.startswith("--")]

    assert importlib.util.find_spec(module) is not None
    if given:
        done = run([sys.executable, "-m", module, "--help"])
        assert [option for option in given if option not in done.stdout] == []


@pytest.mark.parametrize("text", of("pip install "))
def test_what_pip_installs_is_what_is_built(text: str) -> None:
    """The wheel's name has today's version, a requirements file is there."""
    what = shlex.split(text)[2:]
    wheel = f"whyness_mixpanel-{__version__}-py3-none-any.whl"

    if what[0] == "-r":
        assert (ROOT / what[1]).exists()
    else:
        assert what[0] in (wheel, f"{wheel}[direct]")


@pytest.mark.parametrize("text", [text for text in of(".*", Kind.SHORT) if text != "make clean"])
def test_a_short_command_runs(text: str, tmp_path: Path) -> None:
    """As it stands, from the root; what it writes goes elsewhere."""
    run(
        shlex.split(re.sub(r"^(\.venv/bin/)?python ", f"{shlex.quote(sys.executable)} ", text)),
        HOME=str(tmp_path),
    )


def run(command: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command that must succeed, without the developer's own settings."""
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environment}
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done
