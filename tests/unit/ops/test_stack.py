"""Which stack a command works on."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from whyness_ops.errors import NotFound, SetupFault, UsageFault
from whyness_ops.stack import NAMES, Stack, demo_variables, described, of_environment

OUTPUTS = {"QueueUrl": "https://q", "DeadLetterQueueUrl": "https://d", "LogTableName": "Log"}
CONFIG = """
[prod.global.parameters]
stack_name = "s-prod"
region = "eu-west-1"
[dev.deploy.parameters]
stack_name = "s-dev"
[odd.global]
parameters = 5
"""


def description(outputs: dict[str, str], status: str = "CREATE_COMPLETE") -> dict[str, Any]:
    """Return what CloudFormation says of a stack."""
    pairs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    return {"StackStatus": status, "Outputs": pairs}


class FakeCloudFormation:
    """Answers with `answer`, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.meta = SimpleNamespace(region_name="eu-west-1")

    def describe_stacks(self, **_: str) -> Any:
        """As boto3's client."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def refusal(code: str) -> ClientError:
    """Return AWS's error of that code."""
    return ClientError({"Error": {"Code": code, "Message": "words"}}, "DescribeStacks")


def test_outputs_become_parts() -> None:
    """Each by the name that the template gives it; those of a newer template stay unknown."""
    every = {output: f"value of {output}" for _, output, _ in NAMES}

    stack = Stack.of_outputs("s", description(every | {"Unknown": "x"}))

    assert {getattr(stack, field) for field, _, _ in NAMES} == set(every.values())
    assert Stack.of_outputs("s", description(OUTPUTS)).function == ""


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_IN_PROGRESS"])
def test_half_a_stack_is_a_sentence(status: str) -> None:
    """One that has no queue yet, or none any more, says its status."""
    with pytest.raises(NotFound, match=f"Stack s has no queue .{status}."):
        Stack.of_outputs("s", description({}, status))


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (refusal("ValidationError"), NotFound, "Stack s does not exist in eu-west-1"),
        (refusal("AccessDenied"), SetupFault, "AWS denied DescribeStacks on stack s"),
        (refusal("Throttling"), SetupFault, "DescribeStacks failed on stack s: Throttling"),
        ({"Stacks": []}, NotFound, "AWS says nothing of stack s"),
        ({}, NotFound, "AWS says nothing of stack s"),
    ],
)
def test_a_stack_that_cannot_be_described_is_a_sentence(
    answer: object, error: type[Exception], text: str
) -> None:
    """Missing, denied, throttled, empty."""
    with pytest.raises(error, match=text):
        described(FakeCloudFormation(answer), "s")


def test_a_part_that_is_needed_and_not_known_says_how_to_get_it() -> None:
    """By a new deployment where the stack is older than the output; by an option or a variable otherwise."""
    with pytest.raises(SetupFault, match=r"Stack s has no output FunctionName. Deploy it again"):
        Stack(name="s").need("function")
    with pytest.raises(SetupFault, match=r"Give --stack or --env, or set FUNCTION_NAME"):
        Stack().need("function")


def test_environments_of_samconfig(tmp_path: Path) -> None:
    """Stack name and region stand under global or deploy; an environment without a name is a sentence."""
    file = tmp_path / "samconfig.toml"
    file.write_text(CONFIG)

    assert of_environment("prod", file) == ("s-prod", "eu-west-1")
    assert of_environment("dev", file) == ("s-dev", None)
    for name in ("odd", "none"):
        with pytest.raises(UsageFault, match=f"names no stack for {name}"):
            of_environment(name, file)


def test_a_samconfig_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """Missing, a directory, no TOML, no text."""
    broken, binary = tmp_path / "broken", tmp_path / "binary"
    broken.write_text("[")
    binary.write_bytes(b"\xff")

    for file in (tmp_path / "missing", tmp_path, broken, binary):
        with pytest.raises(UsageFault, match="give --stack"):
            of_environment("prod", file)


def test_the_demo_that_is_up_names_its_parts(tmp_path: Path) -> None:
    """As `make demo KEEP=1` writes them; no file, no demo."""
    file = tmp_path / "demo.env"
    assert demo_variables(file) == {}

    file.write_text("export QUEUE_URL='http://127.0.0.1:1/a b'\n\nexport AWS_REGION=us-east-1\n")

    assert demo_variables(file) == {"QUEUE_URL": "http://127.0.0.1:1/a b", "AWS_REGION": "us-east-1"}
    assert Stack.of_variables(demo_variables(file)) == Stack(queue_url="http://127.0.0.1:1/a b")
