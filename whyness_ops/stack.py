"""Which stack a command works on: a stack's outputs, the environment, or the demo that is up here."""

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import ClientError

from whyness_ops.aws import error_code, explained
from whyness_ops.errors import NotFound, SetupFault, UsageFault

SAM_CONFIG = Path("samconfig.toml")
DEMO_FILE = Path(".cache/demo.env")
# What names a part of a stack: the field of Stack, the stack's output, and the environment variable.
NAMES = (
    ("queue_url", "QueueUrl", "QUEUE_URL"),
    ("dead_letter_queue_url", "DeadLetterQueueUrl", "DEAD_LETTER_QUEUE_URL"),
    ("log_table", "LogTableName", "LOG_TABLE_NAME"),
    ("function", "FunctionName", "FUNCTION_NAME"),
    ("log_group", "LogGroupName", "LOG_GROUP_NAME"),
    ("mapping_id", "EventSourceMappingId", "EVENT_SOURCE_MAPPING_ID"),
    ("secret_arn", "SecretArn", "SECRET_ARN"),
    ("alarm_topic_arn", "AlarmTopicArn", ""),
    ("dashboard_url", "DashboardUrl", ""),
)


@dataclass(frozen=True, slots=True)
class Stack:
    """The parts of a stack; `""` where one is not known.

    Args:
        name: of the CloudFormation stack; `""` where the parts were named one by one.
        mapping_id: of the event source mapping between queue and function.
        environment: `dev` or `prod`, where the stack's parameters are known.
        is_local: it is the demo's, on this machine, which has no alarms, metrics and deployments.
    """

    queue_url: str = ""
    dead_letter_queue_url: str = ""
    log_table: str = ""
    function: str = ""
    log_group: str = ""
    mapping_id: str = ""
    secret_arn: str = ""
    alarm_topic_arn: str = ""
    dashboard_url: str = ""
    name: str = ""
    environment: str = ""
    is_local: bool = False

    @classmethod
    def of_outputs(cls, name: str, description: Mapping[str, Any]) -> Self:
        """Return the stack that CloudFormation describes so (an element of `Stacks`).

        Raises:
            NotFound: it has no queue yet, or none any more.
        """
        outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", ())}
        if "QueueUrl" not in outputs:
            raise NotFound(
                f"Stack {name} has no queue ({description.get('StackStatus', 'no status')}). "
                "Wait until it is deployed, or give the name of another stack."
            )
        parts: dict[str, Any] = {field: outputs.get(output, "") for field, output, _ in NAMES}
        parameters = {
            p["ParameterKey"]: p.get("ParameterValue", "") for p in description.get("Parameters", ())
        }
        return cls(name=name, environment=parameters.get("EnvironmentName", ""), **parts)

    @classmethod
    def of_variables(cls, variables: Mapping[str, str]) -> Self:
        """Return the stack whose parts environment variables name."""
        parts: dict[str, Any] = {
            field: variables.get(variable, "") for field, _, variable in NAMES if variable
        }
        return cls(**parts)

    def need(self, field: str) -> str:
        """Return one part, which must be known.

        Raises:
            SetupFault: it is not.
        """
        if found := getattr(self, field):
            return str(found)
        output, variable = next((output, variable) for name, output, variable in NAMES if name == field)
        if self.name:
            raise SetupFault(f"Stack {self.name} has no output {output}. Deploy it again: make deploy.")
        raise SetupFault(f"{output} is not known. Give --stack or --env, or set {variable}.")


def described(cloudformation: Any, name: str) -> Mapping[str, Any]:
    """Return what CloudFormation says of the stack of this name.

    Raises:
        NotFound: there is none.
        SetupFault: AWS refuses or cannot be reached.
    """
    try:
        with explained(f"stack {name}"):
            answer = cloudformation.describe_stacks(StackName=name)
    except SetupFault as fault:
        # The only validation that a name from the command line can fail.
        if isinstance(fault.__cause__, ClientError) and error_code(fault.__cause__) == "ValidationError":
            region = cloudformation.meta.region_name
            raise NotFound(
                f"Stack {name} does not exist in {region}. Check the name, --region and --profile."
            ) from fault
        raise
    for description in answer.get("Stacks", ()):
        return dict(description)
    raise NotFound(f"AWS says nothing of stack {name}. Check the name, --region and --profile.")


def of_environment(name: str, file: Path = SAM_CONFIG) -> tuple[str, str | None]:
    """Return stack name and region of an environment in samconfig.toml, `dev` or `prod`.

    Raises:
        UsageFault: the file is missing, is not TOML, or names no stack for it.
    """
    try:
        config = tomllib.loads(file.read_text())
    except OSError as error:
        raise UsageFault(
            f"Cannot read {file}: {error.strerror}. "
            "Run the command in the project's directory, or give --stack."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageFault(f"{file} cannot be read as TOML: {error}. Correct it, or give --stack.") from error
    sections = [_section(config, name, command) for command in ("deploy", "global")]
    parameters = {key: value for section in reversed(sections) for key, value in section.items()}
    if not isinstance(parameters.get("stack_name"), str):
        raise UsageFault(f"{file} names no stack for {name}. Give --stack, or one of its environments.")
    region = parameters.get("region")
    return parameters["stack_name"], region if isinstance(region, str) else None


def demo_variables(file: Path = DEMO_FILE) -> dict[str, str]:
    """Return the variables of a demo that is up in this directory (`make demo KEEP=1`); none if none is."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    words = [shlex.split(line.removeprefix("export ")) for line in lines]
    pairs = [word[0].partition("=") for word in words if word]
    return {name: value for name, is_set, value in pairs if is_set}


def _section(config: Mapping[str, Any], name: str, command: str) -> Mapping[str, Any]:
    found: Any = config
    for key in (name, command, "parameters"):
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}
