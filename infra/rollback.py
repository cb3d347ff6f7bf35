"""Deploy a revision again that was deployed before, without a build: its template and code are in S3.

    make rollback CONFIG_ENV=prod REVISION=v0.1.0-12-g1a2b3c4

It takes about a minute. Nothing is lost meanwhile: records that are being sent are finished or come again.
Parameters keep their values. Tested against a stub; not tried on AWS.
"""

import argparse
import os
import sys
from typing import Any

import boto3

from infra.build import ROOT
from infra.change_set import ChangeSet
from infra.console import ask, run
from infra.releases import Releases
from infra.samconfig import read_environment


def rollback(cloudformation: Any, releases: Releases, change_set: ChangeSet, revision: str) -> bool:
    """Return whether the stack is at `revision`; False where a person said no.

    Raises:
        ChangeError: CloudFormation could not do it.
        ReleaseError: that revision was not deployed to this stack.
    """
    url = releases.find(revision)
    summary = cloudformation.get_template_summary(TemplateURL=url)
    wanted = {parameter["ParameterKey"] for parameter in summary["Parameters"]}
    (stack,) = cloudformation.describe_stacks(StackName=releases.stack)["Stacks"]
    present = {parameter["ParameterKey"] for parameter in stack.get("Parameters", [])}
    parameters = [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(wanted & present)]
    named = [{"ParameterKey": "Revision", "ParameterValue": revision}] if "Revision" in wanted else []
    kept = [entry for entry in parameters if entry["ParameterKey"] != "Revision"]
    tags = [tag for tag in stack.get("Tags", []) if tag["Key"] != "revision"]
    return change_set.run(
        TemplateURL=url, Parameters=[*kept, *named], Tags=[*tags, {"Key": "revision", "Value": revision}]
    )


def main() -> int:
    """Roll an environment back; 1 where a person said no, 2 where it could not be done."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="make rollback", description=__doc__)
    parser.add_argument("environment", help="dev or prod of samconfig.toml")
    parser.add_argument("revision", help="as whyness-mixpanel status and git describe name it")
    parser.add_argument("--yes", action="store_true", default=bool(os.environ.get("YES")), help="ask nothing")
    options = parser.parse_args()

    def do() -> bool:
        environment = read_environment((ROOT / "samconfig.toml").read_text(), options.environment)
        session = boto3.Session(region_name=environment.region)
        cloudformation = session.client("cloudformation")
        releases = Releases(session.client("s3"), cloudformation, environment.stack)
        question = f"Deploy {options.revision} to {environment.stack}?"
        change_set = ChangeSet(
            cloudformation, environment.stack, confirm=lambda: options.yes or ask(question)
        )
        return rollback(cloudformation, releases, change_set, options.revision)

    return run("make rollback", do)


if __name__ == "__main__":
    sys.exit(main())
