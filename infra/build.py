"""Build the function from hash-checked wheels with `sam build`, and compile it for the runtime's Python.

`make build` builds for this machine, so that the result runs here. `make deploy` builds for the processor in
samconfig.toml, and deploys.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from infra.pythons import PythonMissing, find_python

ROOT = Path(__file__).resolve().parent.parent
SAM = ROOT / ".venv-sam/bin/sam"
BUILT = ROOT / ".aws-sam/build"
FUNCTION = BUILT / "SendEventsFunction"
REQUIREMENTS = ROOT / "functions/send_events/requirements.txt"
WHEELS = ROOT / ".aws-sam/wheels"
# The Runtime of infra/template.yaml: `sam build` and the bytecode need exactly this minor version.
PYTHON = "3.13"
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
# The runtime's glibc is 2.34 (Amazon Linux 2023); wheels for arm64 need 2.17 or newer.
_GLIBC_MINORS = range(34, 16, -1)


class BuildError(Exception):
    """The build failed; the text says what to do."""


def host_architecture(machine: str) -> str:
    """Return Lambda's name for `machine`, the output of `uname -m`.

    Raises:
        BuildError: Lambda does not have this processor.
    """
    try:
        return ARCHITECTURES[machine.lower()]
    except KeyError:
        raise BuildError(
            f"Lambda does not run on {machine}. Build for a stack's processor: make deploy CONFIG_ENV=dev"
        ) from None


def deployed_architecture(samconfig: str, environment: str) -> str:
    """Return the processor of an environment, from the text of samconfig.toml.

    Raises:
        BuildError: there is no such environment, or it does not name a processor.
    """
    deploy = tomllib.loads(samconfig).get(environment, {}).get("deploy", {}).get("parameters", {})
    overrides = dict(entry.split("=", 1) for entry in deploy.get("parameter_overrides", []))
    try:
        return str(overrides["Architecture"])
    except KeyError:
        raise BuildError(
            f"samconfig.toml has no Architecture=... in [{environment}.deploy.parameters]. "
            "Add it, or use one of its environments: dev, prod."
        ) from None


def build(architecture: str, python: Path) -> None:
    """Build the function in .aws-sam/build.

    Raises:
        BuildError: sam is not installed.
        subprocess.CalledProcessError: a step failed, and printed the reason.
    """
    if not SAM.exists():
        raise BuildError("The SAM CLI is not installed. Run `make build` or `make deploy`, which install it.")
    shutil.rmtree(WHEELS, ignore_errors=True)
    fetch_wheels(architecture, python, REQUIREMENTS, WHEELS)
    environ = os.environ | {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": WHEELS.as_uri(),
    }
    overrides = f"Architecture={architecture}"
    subprocess.run([SAM, "build", "--parameter-overrides", overrides], cwd=ROOT, env=environ, check=True)
    allow_only(architecture, BUILT / "template.yaml")
    compile_bytecode(python, FUNCTION)
    size_mb = sum(file.stat().st_size for file in FUNCTION.rglob("*") if file.is_file()) / 1e6
    print(f"built {FUNCTION.relative_to(ROOT)}: {size_mb:.0f} MB for {architecture}", flush=True)


def fetch_wheels(architecture: str, python: Path, requirements: Path, folder: Path) -> None:
    """Download the wheels of `requirements` into `folder`, and check their hashes.

    `sam build` checks hashes only for this machine's processor. For another one it asks pip for a name and a
    version, so that these wheels come from this folder too, and nothing from an index.

    Raises:
        subprocess.CalledProcessError: a hash is missing or wrong; pip printed which.
    """
    machine = {"arm64": "aarch64"}.get(architecture, architecture)
    tags = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in _GLIBC_MINORS)]
    target = [
        "--implementation=cp",
        f"--python-version={PYTHON}",
        *(f"--platform={tag}_{machine}" for tag in tags),
    ]
    command = [str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    checked = ["--require-hashes", "--only-binary=:all:", "--dest", str(folder), "-r", str(requirements)]
    subprocess.run([*command, *checked], check=True)
    subprocess.run([*command, *target, *checked], check=True)


def allow_only(architecture: str, template: Path) -> None:
    """Restrict the built template's Architecture to the one that was built.

    CloudFormation then refuses to deploy it for another processor, for which the compiled libraries cannot be
    imported.
    """
    document = yaml.safe_load(template.read_text())
    document["Parameters"]["Architecture"] |= {"Default": architecture, "AllowedValues": [architecture]}
    template.write_text(yaml.safe_dump(document, sort_keys=False))


def compile_bytecode(python: Path, folder: Path) -> None:
    """Compile all of `folder`: `sam build` does not, and INIT time is billed.

    unchecked-hash, because the archive changes the modification times that ordinary bytecode is checked by.
    The file names in it are those in Lambda, for its tracebacks.
    """
    how = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/var/task"]
    subprocess.run([python, "-m", "compileall", *how, folder], check=True)


def main() -> int:
    """Run the command line; return 2 if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--deploy",
        metavar="ENV",
        help="build for this environment of samconfig.toml (dev or prod), and deploy",
    )
    environment = parser.parse_args().deploy
    try:
        if environment:
            architecture = deployed_architecture((ROOT / "samconfig.toml").read_text(), environment)
        else:
            architecture = host_architecture(platform.machine())
        python = find_python(PYTHON, "pip", os.environ)
        print(f"building for {architecture} with {python}", flush=True)
        build(architecture, python)
        if environment:
            # Deploys the built template, because samconfig.toml does not name another.
            subprocess.run([SAM, "deploy", "--config-env", environment], cwd=ROOT, check=True)
    except (BuildError, PythonMissing) as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
