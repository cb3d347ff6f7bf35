"""`sam local invoke`: the built function in the image that AWS gives for its runtime."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.build import BUILT, ROOT, SAM, host_architecture

# The first run makes an image.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

SAMPLE = ROOT / "events/sample.json"


def require(condition: object, reason: str) -> None:
    """Skip unless the machine has it."""
    if not condition:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def architecture() -> str:
    """Return this machine's processor, where Docker answers and the function is built for it."""
    docker = shutil.which("docker")
    require(docker, "no docker command")
    info = subprocess.run([str(docker), "info"], capture_output=True, check=False)  # noqa: S603  (found)
    require(info.returncode == 0, "no Docker engine answers `docker info`")
    require(SAM.exists(), "no .venv-sam: `make build` makes it")
    template = BUILT / "template.yaml"
    require(template.exists(), "the function is not built: run `make build`")
    built_for: list[str] = yaml.safe_load(template.read_text())["Parameters"]["Architecture"]["AllowedValues"]
    require(
        built_for == [host_architecture(platform.machine())],
        "the build is for another processor: run `make build`",
    )
    return built_for[0]


def has_image(architecture: str) -> bool:
    """Whether the runtime's image is here already, so that no registry need be asked."""
    command = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]
    images = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603  (ours)
    return any(image.endswith(f"/lambda/python:3.13-{architecture}") for image in images)


def test_without_credentials_every_record_comes_back(architecture: str, tmp_path: Path) -> None:
    """In Lambda's image the function starts, reports what is missing, and acknowledges nothing."""
    variables = tmp_path / "env.json"
    variables.write_text(json.dumps({"SendEventsFunction": {"MIXPANEL_SECRET_ARN": ""}}))
    what = ["SendEventsFunction", "-e", str(SAMPLE), "--env-vars", str(variables)]
    command = [str(SAM), "local", "invoke", *what]
    command += ["--skip-pull-image"] if has_image(architecture) else []
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}

    result = subprocess.run(  # noqa: S603  (ours)
        command,
        cwd=ROOT,
        env=environ | {"AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
    )

    message_ids = [record["messageId"] for record in json.loads(SAMPLE.read_text())["Records"]]
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]
    }
    assert "MIXPANEL_SERVICE_ACCOUNT" in result.stderr
