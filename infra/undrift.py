"""Revert what was changed by hand in a stack: show each property before and after, ask, execute.

A plain deployment compares templates only, and does not revert changes made in the console. A drift-aware
change set compares the template with the actual resources. Tested with a stub, not on AWS.

Source: CloudFormation User Guide, "Using drift-aware change sets", 2026-11-26.
"""

import argparse
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parent.parent
_POLL_S = 5.0
_SECRET = "AWS::SecretsManager::Secret"  # noqa: S105  (a resource type)
_NOTHING = "didn't contain changes"


class UndriftError(Exception):
    """The changes could not be reverted; the text says why and what to do."""


class Change(NamedTuple):
    """One property that differs from the template."""

    resource: str
    type: str
    property: str
    before: str
    after: str


def stack_of(samconfig: str, environment: str) -> tuple[str, str]:
    """Return name and region of an environment's stack, from the text of samconfig.toml.

    Raises:
        UndriftError: there is no such environment.
    """
    parameters = tomllib.loads(samconfig).get(environment, {}).get("global", {}).get("parameters", {})
    try:
        return str(parameters["stack_name"]), str(parameters["region"])
    except KeyError:
        raise UndriftError(
            f"samconfig.toml has no stack {environment!r}. Use CONFIG_ENV=dev or CONFIG_ENV=prod."
        ) from None


def changes(answer: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the properties that a change set would change, from one page of DescribeChangeSet."""
    for entry in answer.get("Changes", []):
        resource = entry.get("ResourceChange", {})
        who = resource.get("LogicalResourceId", "?"), resource.get("ResourceType", "?")
        details = resource.get("Details") or [{}]
        for target in (detail.get("Target", {}) for detail in details):
            name = target.get("Path") or target.get("Name") or f"({resource.get('Action', 'changed')})"
            yield Change(*who, name, _shown(target, "BeforeValue"), _shown(target, "AfterValue"))


def _shown(target: Mapping[str, Any], name: str) -> str:
    drift = target.get("Drift", {}).get("ActualValue") if name == "BeforeValue" else None
    return str(drift or target.get(name) or "-")


class Undrift:
    """One run.

    Args:
        cloudformation: a boto3 client.
        stack: the stack's name.
        confirm: asks the operator; False cancels.
        say: prints a line.
        sleep: waits between two polls, in seconds.
    """

    def __init__(
        self,
        cloudformation: Any,
        stack: str,
        *,
        confirm: Callable[[], bool],
        say: Callable[[str], None] = print,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cloudformation = cloudformation
        self._stack = stack
        self._confirm, self._say, self._sleep = confirm, say, sleep
        self._names = {"StackName": stack, "ChangeSetName": f"undrift-{time.time_ns()}"}
        self._is_begun = False

    def run(self) -> bool:
        """Return whether the stack now matches its template; False if the operator said no.

        Raises:
            UndriftError: the changes cannot be reverted, or must not be.
        """
        self._create()
        try:
            return self._revert(self._wait_for_changes())
        finally:
            if not self._is_begun:
                self._cloudformation.delete_change_set(**self._names)

    def _revert(self, drifted: list[Change]) -> bool:
        if not drifted:
            self._say(f"{self._stack} matches its template. There is nothing to revert.")
            return True
        self._show(drifted)
        if not self._confirm():
            self._say("Nothing was changed.")
            return False
        self._execute()
        return True

    def _create(self) -> None:
        (stack,) = self._cloudformation.describe_stacks(StackName=self._stack)["Stacks"]
        names = [parameter["ParameterKey"] for parameter in stack.get("Parameters", [])]
        self._cloudformation.create_change_set(
            **self._names,
            ChangeSetType="UPDATE",
            DeploymentMode="REVERT_DRIFT",
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": name, "UsePreviousValue": True} for name in names],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

    def _wait_for_changes(self) -> list[Change]:
        while (answer := self._describe())["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            self._sleep(_POLL_S)
        if answer["Status"] == "FAILED":
            reason = answer.get("StatusReason", "no reason given")
            if _NOTHING in reason or "No updates" in reason:
                return []
            raise UndriftError(f"CloudFormation could not compare {self._stack} with its template: {reason}")
        drifted = list(changes(answer))
        while token := answer.get("NextToken"):
            answer = self._describe(NextToken=token)
            drifted += changes(answer)
        return drifted

    def _describe(self, **arguments: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._cloudformation.describe_change_set(
            **self._names, IncludePropertyValues=True, **arguments
        )
        return answer

    def _show(self, drifted: list[Change]) -> None:
        for change in drifted:
            is_secret = change.type == _SECRET
            self._say(f"{change.resource} ({change.type}) {change.property}")
            self._say(f"  now     {'(not shown)' if is_secret else change.before}")
            self._say(f"  becomes {'(not shown)' if is_secret else change.after}")
        if any(change.type == _SECRET for change in drifted):
            raise UndriftError(
                "Nothing was changed. The secret is among these changes; reverting it could overwrite the "
                "credentials in use. Restore the secret's settings by hand, and run this again."
            )

    def _execute(self) -> None:
        self._is_begun = True
        self._cloudformation.execute_change_set(**self._names)
        self._say("CloudFormation reverts the changes. Ctrl-C ends this command, not the update.")
        while (answer := self._describe())["ExecutionStatus"] not in ("EXECUTE_COMPLETE", "EXECUTE_FAILED"):
            self._sleep(_POLL_S)
        if answer["ExecutionStatus"] == "EXECUTE_FAILED":
            raise UndriftError(
                f"CloudFormation failed to revert the changes, and rolled {self._stack} back. The reason: "
                f"`aws --region {self._cloudformation.meta.region_name} cloudformation describe-stack-events "
                f"--stack-name {self._stack}`"
            )
        self._say(f"{self._stack} matches its template.")


def _ask() -> bool:
    return input("Revert these to the template? [y/N] ").strip().lower() in ("y", "yes")


def main() -> int:
    """Run the command line; return 1 if the operator said no, 2 after an error."""
    parser = argparse.ArgumentParser(prog="make undrift", description=__doc__)
    parser.add_argument("environment", help="environment in samconfig.toml: dev or prod")
    try:
        stack, region = stack_of((ROOT / "samconfig.toml").read_text(), parser.parse_args().environment)
        client = boto3.client("cloudformation", region_name=region)
        return 0 if Undrift(client, stack, confirm=_ask).run() else 1
    except (UndriftError, BotoCoreError, ClientError) as error:
        print(f"make undrift: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, EOFError):
        print("make undrift: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
