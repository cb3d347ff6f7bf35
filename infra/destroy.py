"""Delete a stack that holds nothing any more.

    make destroy CONFIG_ENV=dev

It refuses while a queue or the Log table holds anything, and asks for the stack's name before it deletes one.
The Log table itself is kept by CloudFormation.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3

from infra.build import ROOT
from infra.console import Refused, run
from infra.samconfig import read_environment

_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_QUEUES = {"QueueUrl": "the queue", "DeadLetterQueueUrl": "the dead-letter queue"}
_DRAIN = {
    "QueueUrl": "Wait until the function has sent them (whyness-mixpanel status).",
    "DeadLetterQueueUrl": "Redrive them, or save them with whyness-mixpanel dlq export and purge the queue.",
}


class Clients(NamedTuple):
    """boto3's clients."""

    cloudformation: Any
    sqs: Any
    dynamodb: Any


def contents(clients: Clients, outputs: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each thing that still holds something."""
    for output, name in _QUEUES.items():
        if url := outputs.get(output):
            answer = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[*_COUNTS])["Attributes"]
            if count := sum(int(answer.get(attribute, 0)) for attribute in _COUNTS):
                yield f"{name} holds {count} messages. {_DRAIN[output]}"
    table = outputs.get("LogTableName")
    if table and clients.dynamodb.scan(TableName=table, Limit=1, Select="COUNT")["Count"]:
        yield f"the Log table {table} holds rows. Export what you need, and delete them."


def destroy(clients: Clients, stack: str, *, typed: Callable[[], str]) -> bool:
    """Delete the stack; return False where a person did not type its name.

    Args:
        clients: boto3's.
        stack: its name.
        typed: asks a person for the stack's name.

    Raises:
        Refused: it holds something.
    """
    (found,) = clients.cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    if held := list(contents(clients, outputs)):
        raise Refused(
            "\n".join([f"{stack} is not empty, and was not deleted:", *(f"- {text}" for text in held)])
        )
    if typed() != stack:
        print("Nothing was deleted.")
        return False
    if found.get("EnableTerminationProtection"):
        clients.cloudformation.update_termination_protection(
            EnableTerminationProtection=False, StackName=stack
        )
    clients.cloudformation.delete_stack(StackName=stack)
    clients.cloudformation.get_waiter("stack_delete_complete").wait(StackName=found["StackId"])
    print(f"{stack} is deleted; its Log table is kept.")
    return True


def main() -> int:
    """Delete an environment's stack; 1 where a person said no, 2 where it could not be done."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="make destroy", description=__doc__)
    parser.add_argument("environment", help="dev or prod of samconfig.toml")
    options = parser.parse_args()

    def do() -> bool:
        environment = read_environment((ROOT / "samconfig.toml").read_text(), options.environment)
        session = boto3.Session(region_name=environment.region)
        clients = Clients(*map(session.client, ("cloudformation", "sqs", "dynamodb")))
        question = f"This deletes {environment.stack} in {environment.region}. Type its name: "
        return destroy(clients, environment.stack, typed=lambda: input(question).strip())

    return run("make destroy", do)


if __name__ == "__main__":
    sys.exit(main())
