"""Check the template: sam's own validation, its lint, and cfn-lint and checkov on the expanded template.

Four tools, because each is blind where another sees: `sam validate` alone knows misspelt SAM properties, only
cfn-lint on the expanded template knows ranges, and only checkov asks what a security reviewer would.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAM_ENV = ROOT / ".venv-sam/bin"
CHECKOV_ENV = ROOT / ".venv-checkov/bin"


def passes(title: str, command: Sequence[str | Path]) -> bool:
    """Run one check; show what it says only if it fails."""
    environ = os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    print(f"{'ok    ' if result.returncode == 0 else 'FAILED'} {title}", flush=True)
    if result.returncode:
        print(result.stdout, result.stderr, sep="\n", file=sys.stderr)
    return result.returncode == 0


def expanded_template(folder: Path) -> Path:
    """Write the template, expanded to plain CloudFormation, into `folder`.

    Raises:
        subprocess.CalledProcessError: it cannot be expanded; the reason has been shown.
    """
    expanded = folder / "template.json"
    with expanded.open("wb") as file:
        subprocess.run([SAM_ENV / "python", ROOT / "infra/transform.py"], stdout=file, check=True)
    return expanded


def missing_tools() -> list[str]:
    """Return the commands that install what is missing."""
    tools = {SAM_ENV / "sam": "sam", SAM_ENV / "cfn-lint": "sam", CHECKOV_ENV / "checkov": "checkov"}
    return sorted(
        {
            f"python3 -m venv .venv-{name} && .venv-{name}/bin/pip install -r requirements/{name}.txt"
            for tool, name in tools.items()
            if not tool.exists()
        }
    )


def main() -> int:
    """Run all checks, also after a failure."""
    if missing := missing_tools():
        print("the checks of the template need:", *missing, sep="\n  ", file=sys.stderr)
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
        # Without --skip-download it asks its maker for the text of its rules.
        # Its script would not start from a folder with a space in its name.
        checkov = [CHECKOV_ENV / "python", "-m", "checkov.main"]
        options = ["--framework", "cloudformation", "--compact", "--quiet", "--skip-download"]
        results.append(passes("checkov, expanded", [*checkov, "-f", expanded, *options]))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
