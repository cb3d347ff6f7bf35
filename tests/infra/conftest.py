"""The template as data, expanded as AWS would."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-sam/bin/python"


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """Return infra/template.yaml as plain CloudFormation."""
    if not PYTHON.exists():
        pytest.skip(
            "no .venv-sam: the template cannot be expanded without sam's libraries (make check has them)"
        )
    command = [PYTHON, ROOT / "infra/transform.py"]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603  (both are ours)
    expanded: dict[str, Any] = json.loads(output)
    return expanded


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of each resource, by logical id."""
    return {name: resource["Properties"] for name, resource in template["Resources"].items()}
