"""Check the template with sam's validation and lint, and with cfn-lint, checkov and parliament once expanded.

Each finds what the others miss: only `sam validate` finds misspelt SAM properties, only cfn-lint on the
expanded template checks ranges, only checkov looks for security problems, and only parliament knows each
service's actions and the resources that they take. The samples are checked too.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-not-found]  # comes with aws-sam-cli

from infra.policies import write_policies

ROOT = Path(__file__).resolve().parent.parent
SAM_ENV = ROOT / ".venv-sam/bin"
CHECKOV_ENV = ROOT / ".venv-checkov/bin"
DEPLOY_ROLE = ROOT / "docs/samples/deploy-role.yaml"
SAMPLES = (DEPLOY_ROLE, ROOT / "docs/samples/mixpanel-audit.alarms.yaml")


def passes(title: str, command: Sequence[str | Path]) -> bool:
    """Run one check; print its output only if it fails."""
    environ = os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    print(f"{'ok    ' if result.returncode == 0 else 'FAILED'} {title}", flush=True)
    if result.returncode:
        print(result.stdout, result.stderr, sep="\n", file=sys.stderr)
    return result.returncode == 0


def expanded_template(folder: Path) -> Path:
    """Write the template, expanded to plain CloudFormation, into `folder`.

    Raises:
        subprocess.CalledProcessError: it cannot be expanded; the reason was printed.
    """
    expanded = folder / "template.json"
    with expanded.open("wb") as file:
        subprocess.run([SAM_ENV / "python", ROOT / "infra/transform.py"], stdout=file, check=True)
    return expanded


def parliament(expanded: Path, folder: Path) -> list[str | Path]:
    """Write the policies of template and sample into `folder`; return the command that checks them."""
    folder.mkdir()
    write_policies(json.loads(expanded.read_text()), folder)
    write_policies(yaml_parse(DEPLOY_ROLE.read_text()), folder)
    # Below MEDIUM it objects to "*" for what needs it; tests/infra/test_policies.py says what may have that.
    command: list[str | Path] = [CHECKOV_ENV / "python", "-W", "ignore", "-m", "parliament.cli"]
    return [*command, "--minimum_severity", "MEDIUM", "--directory", folder]


def missing_tools() -> list[str]:
    """Return the commands that install the missing tools."""
    tools = {
        SAM_ENV / "sam": "sam",
        SAM_ENV / "cfn-lint": "sam",
        CHECKOV_ENV / "checkov": "checkov",
        CHECKOV_ENV / "parliament": "checkov",
    }
    return sorted(
        {
            f"python3 -m venv .venv-{name} && .venv-{name}/bin/pip install -r requirements/{name}.txt"
            for tool, name in tools.items()
            if not tool.exists()
        }
    )


def main() -> int:
    """Run all checks, even after a failure."""
    if missing := missing_tools():
        print(
            "Tools for the template's checks are missing. Install them with:",
            *missing,
            sep="\n  ",
            file=sys.stderr,
        )
        return 2
    results = [
        passes("sam validate", [SAM_ENV / "sam", "validate"]),
        passes("sam validate --lint", [SAM_ENV / "sam", "validate", "--lint"]),
    ]
    with tempfile.TemporaryDirectory() as folder:
        try:
            expanded = expanded_template(Path(folder))
        except subprocess.CalledProcessError:
            return 1
        results.append(passes("cfn-lint, expanded", [SAM_ENV / "cfn-lint", expanded]))
        results += [passes(f"cfn-lint, {sample.name}", [SAM_ENV / "cfn-lint", sample]) for sample in SAMPLES]
        # Without --skip-download checkov downloads the texts of its rules.
        options = ["--framework", "cloudformation", "--compact", "--quiet", "--skip-download"]
        # As a module: its script does not start if the directory's name has a space.
        command: list[str | Path] = [CHECKOV_ENV / "python", "-m", "checkov.main", "-f", expanded, *options]
        results.append(passes("checkov, expanded", command))
        results.append(passes("parliament, policies", parliament(expanded, Path(folder) / "policies")))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
