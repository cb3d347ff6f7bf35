"""The stack deployed, changed, taken back, deleted: by the code of `make deploy`, `rollback`, `destroy`."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.build import FUNCTION, host_architecture
from infra.change_set import ChangeSet
from infra.console import Refused
from infra.deploy import deploy, deploy_command
from infra.destroy import destroy
from infra.releases import Releases
from infra.rollback import rollback
from infra.samconfig import Environment, read_environment
from local.e2e.localstack import ROOT
from local.e2e.stack import Stack
from local.e2e.steps import Steps
from whyness_ops.errors import NotFound

PROJECT_ID = "1"  # of the simulator
NEXT = "e2e-next"
_CHANGED = ("MemorySize", "1024")
_MARK = FUNCTION / "e2e.txt"


def environment(mixpanel_url: str) -> Environment:
    """Return the environment of samconfig.toml, with what leads to the simulator.

    Its name is dev, for a tree with changes can be proved, too; but it has all that prod has.
    """
    found = read_environment((ROOT / "samconfig.toml").read_text(), "dev")
    ours = {
        "EnvironmentName": "prod",
        "MixpanelProjectId": PROJECT_ID,
        "MixpanelApiUrl": mixpanel_url,
        "AlarmEmail": "nobody@example.com",
        # All alarms that there can be: without them the emulator cannot update the dashboard that names them.
        "SilenceAlarmHours": "24",
        "VolumeAlarmEventsPerHour": "100000",
        "Architecture": host_architecture(platform.machine()),
    }
    return replace(found, overrides={**found.overrides, **ours})


def first_deployment(steps: Steps, stack: Stack, wanted: Environment) -> str:
    """Build and deploy; return the revision."""
    steps.begin("make deploy: sam build, sam deploy (a minute)")
    with _output_to(stack.work_dir / "deploy.log"):
        deploy(wanted, yes=True)
    description = stack.description()
    steps.see(
        "the stack is complete", is_so=description["StackStatus"] == "CREATE_COMPLETE", found=description
    )
    outputs = {output["OutputKey"] for output in description["Outputs"]}
    named = set(_template_outputs())
    steps.see(
        f"it has the {len(named)} outputs of the template", is_so=outputs == named, found=outputs ^ named
    )
    return _tags(stack)["revision"]


def next_deployment(steps: Steps, stack: Stack, wanted: Environment) -> str:
    """Change a parameter and the code, deploy; return the hash of the code that was there before."""
    steps.begin(f"another revision, with {'='.join(_CHANGED)}")
    before = _code_hash(stack)
    changed = replace(wanted, overrides={**wanted.overrides, _CHANGED[0]: _CHANGED[1]})
    _MARK.write_text("another revision\n")
    try:
        with _output_to(stack.work_dir / "deploy.log"):
            command = deploy_command(changed, {"revision": NEXT}, NEXT, yes=True)
            subprocess.run(command, cwd=ROOT, check=True)
    finally:
        _MARK.unlink()
    _releases(stack).store(NEXT)
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack.description()["Parameters"]}
    steps.see("the parameter is changed", is_so=parameters[_CHANGED[0]] == _CHANGED[1], found=parameters)
    memory_mb = _function(stack)["MemorySize"]
    steps.see("so is the function", is_so=str(memory_mb) == _CHANGED[1], found=memory_mb)
    steps.see("the code is another", is_so=_code_hash(stack) != before)
    return before


def go_back(steps: Steps, stack: Stack, first: str, code_hash: str) -> None:
    """Roll back to the first revision, without a build."""
    steps.begin(f"make rollback REVISION={first}")
    cloudformation = stack.client("cloudformation")
    change_set = ChangeSet(cloudformation, stack.name, confirm=lambda: True, say=lambda _: None)
    with _output_to(stack.work_dir / "rollback.log"):
        is_done = rollback(cloudformation, _releases(stack), change_set, first)
    steps.see("it is done", is_so=is_done)
    steps.see("the code is that of before", is_so=_code_hash(stack) == code_hash)
    tags = _tags(stack)
    steps.see("the stack's tag says so", is_so=tags.get("revision") == first, found=tags)


def refused_to_destroy(steps: Steps, stack: Stack, *held: str) -> None:
    """Ask for the end while the stack holds something."""
    steps.begin("make destroy, while something is there")
    text = ""
    try:
        destroy(stack.clients, stack.name, typed=lambda: stack.name)
    except Refused as refused:
        text = str(refused)
    missing = [what for what in held if f"- {what} holds" not in text and f"- {what} " not in text]
    steps.see(f"it is refused, and names {', '.join(held)}", is_so=bool(text) and not missing, found=text)


def empty(steps: Steps, stack: Stack) -> None:
    """Purge the queues and delete the rows."""
    steps.begin("queues and table are emptied")
    for output in ("QueueUrl", "DeadLetterQueueUrl"):
        stack.client("sqs").purge_queue(QueueUrl=stack.output(output))
    dynamodb, table = stack.client("dynamodb"), stack.output("LogTableName")
    for item in dynamodb.scan(TableName=table)["Items"]:
        dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
    left = [stack.message_count("QueueUrl"), stack.message_count("DeadLetterQueueUrl")]
    steps.see("they are empty", is_so=left == [0, 0], found=left)


def end(steps: Steps, stack: Stack) -> None:
    """Delete the stack; not where a person does not type its name."""
    steps.begin("make destroy")
    with _output_to(stack.work_dir / "destroy.log"):
        is_gone = destroy(stack.clients, stack.name, typed=lambda: "")
    steps.see("another name than the stack's deletes nothing", is_so=not is_gone)
    with _output_to(stack.work_dir / "destroy.log"):
        is_gone = destroy(stack.clients, stack.name, typed=lambda: stack.name)
    steps.see("its name deletes it", is_so=is_gone and not _exists(stack))
    gone = stack.whyness_mixpanel("status")
    steps.see(
        "status says in a sentence that it is gone", is_so=gone.status == NotFound.exit_code, found=gone
    )


def _template_outputs() -> Iterator[str]:
    text = (ROOT / "infra/template.yaml").read_text().partition("\nOutputs:\n")[2]
    return (line.strip(" :") for line in text.splitlines() if line.startswith("  ") and line[2] not in " #")


def _tags(stack: Stack) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in stack.description()["Tags"]}


def _releases(stack: Stack) -> Releases:
    return Releases(stack.client("s3"), stack.client("cloudformation"), stack.name)


def _function(stack: Stack) -> Any:
    return stack.client("lambda").get_function_configuration(FunctionName=stack.output("FunctionName"))


def _code_hash(stack: Stack) -> str:
    return str(_function(stack)["CodeSha256"])


def _exists(stack: Stack) -> bool:
    try:
        return bool(stack.description()["StackStatus"] != "DELETE_COMPLETE")
    except ClientError:
        return False


@contextmanager
def _output_to(path: Path) -> Iterator[Any]:
    """Let this process and what it starts print to a file."""
    sys.stdout.flush()
    saved = os.dup(1), os.dup(2)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            for kept, number in zip(saved, (1, 2), strict=True):
                os.dup2(kept, number)
                os.close(kept)
