"""Revert what was changed by hand in a stack: show each property before and after, ask, execute.

A plain deployment compares templates only, and does not revert changes made in the console. A drift-aware
change set compares the template with the actual resources. Tested with a stub, not on AWS.

Source: CloudFormation User Guide, "Using drift-aware change sets", 2026-11-26.
"""

import argparse
import sys

import boto3

from infra.build import ROOT
from infra.change_set import ChangeSet
from infra.console import ask, run
from infra.samconfig import read_environment


def undrift(change_set: ChangeSet, parameter_names: list[str]) -> bool:
    """Return whether the stack is as its template says; False where a person said no."""
    return change_set.run(
        DeploymentMode="REVERT_DRIFT",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": name, "UsePreviousValue": True} for name in parameter_names],
    )


def main() -> int:
    """Run it for an environment of samconfig.toml; 1 where a person said no, 2 where it could not be done."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="make undrift", description=__doc__)
    parser.add_argument("environment", help="dev or prod of samconfig.toml")
    options = parser.parse_args()

    def do() -> bool:
        environment = read_environment((ROOT / "samconfig.toml").read_text(), options.environment)
        client = boto3.client("cloudformation", region_name=environment.region)
        (stack,) = client.describe_stacks(StackName=environment.stack)["Stacks"]
        names = [parameter["ParameterKey"] for parameter in stack.get("Parameters", [])]
        confirm = lambda: ask("Put these back as the template says?")  # noqa: E731
        return undrift(ChangeSet(client, environment.stack, confirm=confirm), names)

    return run("make undrift", do)


if __name__ == "__main__":
    sys.exit(main())
