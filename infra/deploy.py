"""Build and deploy a stack: show where it goes and ask, build, deploy, keep the template for a rollback.

    make deploy CONFIG_ENV=prod
    make deploy CONFIG_ENV=prod YES=1     # without questions, in CI

Production takes a clean tree only, so that what is deployed is a revision that can be found again.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping

import boto3

from infra.build import PYTHON, ROOT, SAM, build
from infra.console import Refused, ask, run
from infra.pythons import find_python
from infra.releases import Releases
from infra.samconfig import Environment, read_environment

_PROD = "prod"
_DIRTY = "-dirty"


def revision() -> str:
    """Return what is checked out, as `git describe` names it.

    Raises:
        Refused: this is no checkout.
    """
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"git cannot name the revision: {done.stderr.strip()}")
    return done.stdout.strip()


def check_tree(environment: Environment, revision: str) -> None:
    """Refuse to deploy what is in no commit to production.

    Raises:
        Refused: the tree has changes.
    """
    if environment.name == _PROD and revision.endswith(_DIRTY):
        raise Refused(
            f"The tree has changes that are in no commit ({revision}). Commit or stash them: "
            "production gets a revision that can be found again."
        )


def destination(environment: Environment, account: str, revision: str) -> str:
    """Return what a person reads before it goes on."""
    rows = {
        "Account": account,
        "Region": environment.region,
        "Stack": environment.stack,
        "Project": environment.overrides.get("MixpanelProjectId", "(the template's default)"),
        "Revision": revision,
    }
    return "\n".join(f"  {name:<9} {value}" for name, value in rows.items())


def deploy_command(
    environment: Environment, tags: Mapping[str, str], revision: str, *, yes: bool
) -> list[str]:
    """Return the command; what is given there replaces the lists of samconfig.toml, so both are whole."""
    overrides = {**environment.overrides, "Revision": revision}
    command = [str(SAM), "deploy", "--config-env", environment.name]
    command += ["--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())]
    command += ["--tags", *(f"{name}={value}" for name, value in {**environment.tags, **tags}.items())]
    return [*command, "--no-confirm-changeset"] if yes else command


def deploy(environment: Environment, *, yes: bool) -> bool:
    """Deploy; return False where a person said no.

    Raises:
        Refused: the tree has changes, and this is production.
    """
    now = revision()
    check_tree(environment, now)
    session = boto3.Session(region_name=environment.region)
    caller = session.client("sts").get_caller_identity()
    print(f"This deploys to\n{destination(environment, caller['Account'], now)}", flush=True)
    if not (yes or ask("Build and deploy?")):
        print("Nothing was deployed.")
        return False
    build(environment.architecture, find_python(PYTHON, "pip", os.environ))
    tags = {"revision": now, "deployed-by": caller["Arn"]}
    environ = os.environ | {"SAM_CLI_TELEMETRY": "0"}
    subprocess.run(deploy_command(environment, tags, now, yes=yes), cwd=ROOT, env=environ, check=True)
    cloudformation = session.client("cloudformation")
    if environment.name == _PROD:
        cloudformation.update_termination_protection(
            EnableTerminationProtection=True, StackName=environment.stack
        )
    place = Releases(session.client("s3"), cloudformation, environment.stack).store(now)
    print(f"Deployed {now}. Its template is kept at {place}, for make rollback REVISION={now}.")
    return True


def main() -> int:
    """Deploy an environment of samconfig.toml; 1 where a person said no, 2 where it could not be done."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="make deploy", description=__doc__)
    parser.add_argument("environment", help="dev or prod of samconfig.toml")
    parser.add_argument("--yes", action="store_true", default=bool(os.environ.get("YES")), help="ask nothing")
    options = parser.parse_args()
    samconfig = (ROOT / "samconfig.toml").read_text()
    return run(
        "make deploy", lambda: deploy(read_environment(samconfig, options.environment), yes=options.yes)
    )


if __name__ == "__main__":
    sys.exit(main())
