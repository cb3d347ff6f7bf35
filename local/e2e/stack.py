"""The stack in the emulator: the command line on it, and what it holds."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from infra.destroy import Clients
from local.e2e.localstack import ROOT
from local.mixpanel_simulator import MixpanelSimulator

_COMMAND_S = 200


class CommandFailed(RuntimeError):
    """A command printed no result; the text is what it said instead."""


class Answer(NamedTuple):
    """How a command ended: its status, what it printed, and what it said on the other stream."""

    status: int
    printed: str
    said: str

    @property
    def found(self) -> Any:
        """What it printed, read as JSON.

        Raises:
            CommandFailed: it printed nothing of that kind.
        """
        try:
            return json.loads(self.printed)
        except ValueError:
            raise CommandFailed(f"status {self.status}: {self.said.strip() or self.printed}") from None


@dataclass(frozen=True, slots=True)
class Stack:
    """The stack `name`, whose function sends to `mixpanel`.

    Args:
        work_dir: for small files.
    """

    name: str
    mixpanel: MixpanelSimulator
    work_dir: Path

    def whyness_mixpanel(self, *words: str) -> Answer:
        """Run `whyness-mixpanel WORDS --stack NAME --json`, as an operator does."""
        command = [sys.executable, "-m", "whyness_ops", *words, "--stack", self.name, "--json"]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_COMMAND_S
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        make: Any = boto3.client
        return make(service)

    @property
    def clients(self) -> Clients:
        """Those that `make destroy` uses."""
        return Clients(*map(self.client, ("cloudformation", "sqs", "dynamodb")))

    def description(self) -> Mapping[str, Any]:
        """Return what CloudFormation says of it."""
        (found,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return dict(found)

    def output(self, key: str) -> str:
        """Return one of its outputs."""
        outputs = {each["OutputKey"]: each["OutputValue"] for each in self.description()["Outputs"]}
        return str(outputs[key])

    def message_count(self, output: str) -> int:
        """Return how many messages a queue holds, visible or not."""
        names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
        answer = self.client("sqs").get_queue_attributes(QueueUrl=self.output(output), AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))

    def arrived_ids(self) -> set[str]:
        """Return the insert ids of the events at Mixpanel."""
        return {event["properties"]["$insert_id"] for event in self.mixpanel.events()}

    def write_events(self, name: str, *insert_ids: str) -> str:
        """Write a file for `whyness-mixpanel send` and return its name."""
        path = self.work_dir / name
        lines = [json.dumps({"insert_id": id_, "event": "Proof", "user": "1"}) for id_ in insert_ids]
        path.write_text("\n".join([*lines, ""]))
        return str(path)
