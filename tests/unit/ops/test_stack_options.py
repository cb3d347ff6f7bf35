"""Options, a stack's outputs, the environment, the demo: which of them names the stack."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from whyness_ops import stack_options
from whyness_ops.aws import Aws
from whyness_ops.stack import Stack
from whyness_ops.stack_options import add_connection, connect

OUTPUTS = {"QueueUrl": "of-outputs", "DeadLetterQueueUrl": "dead-of-outputs"}
VARIABLES = ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "LOG_TABLE_NAME", "AWS_REGION", "AWS_ENDPOINT_URL")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable, no file: a directory of one's own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    pairs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
    monkeypatch.setattr(stack_options, "described", lambda _, name: {"StackName": name, "Outputs": pairs})
    monkeypatch.setattr(Aws, "cloudformation", None)


def connected(*arguments: str) -> tuple[Aws, Stack]:
    """Return what these options lead to."""
    parser = ArgumentParser()
    add_connection(parser)
    return connect(parser.parse_args(arguments))


def test_a_stack_is_found_by_its_name_or_environment(tmp_path: Path) -> None:
    """Its outputs name the parts; the region is that of samconfig.toml."""
    (tmp_path / "samconfig.toml").write_text(
        '[prod.global.parameters]\nstack_name = "s"\nregion = "eu-west-1"\n'
    )

    by_name, by_environment = connected("--stack", "s")[1], connected("--env", "prod")

    assert (by_name.name, by_name.queue_url, by_name.log_table) == ("s", "of-outputs", "")
    assert by_environment[1] == by_name


@pytest.mark.parametrize(
    ("arguments", "queue_url"),
    [
        ((), "of-variable"),
        (("--queue-url", "given"), "given"),
        (("--queue-url", ""), ""),
        (("--stack", "s"), "of-outputs"),
        (("--stack", "s", "--queue-url", "given"), "given"),
    ],
)
def test_an_option_goes_before_a_stack_and_a_stack_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], queue_url: str
) -> None:
    """Also an empty one."""
    monkeypatch.setenv("QUEUE_URL", "of-variable")

    assert connected(*arguments)[1].queue_url == queue_url


def test_the_demo_is_used_where_nothing_else_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """And it is said. Its endpoint and credentials hold for this process."""
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/demo.env").write_text("export QUEUE_URL=demo\nexport AWS_ENDPOINT_URL=http://here\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")

    stack = connected()[1]

    assert (stack.queue_url, stack.is_local) == ("demo", True)
    assert "Using the demo that is up here" in capsys.readouterr().err
    assert connected("--queue-url", "given")[1] == Stack(queue_url="given")
    assert connected("--region", "eu-west-1")[1] == Stack()
