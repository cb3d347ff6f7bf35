"""Build the function from checked wheels with `sam build`, then compile it for the runtime's Python.

`make build` builds for this machine, so that what was built can run here; `make deploy` for the processor
that samconfig.toml names.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from infra.pythons import PythonMissing, find_python

ROOT = Path(__file__).resolve().parent.parent
SAM = ROOT / ".venv-sam/bin/sam"
BUILT = ROOT / ".aws-sam/build"
FUNCTION = BUILT / "SendEventsFunction"
REQUIREMENTS = ROOT / "functions/send_events/requirements.txt"
WHEELS = ROOT / ".aws-sam/wheels"
# The Runtime of infra/template.yaml: `sam build` needs this minor version, and bytecode is good for no other.
PYTHON = "3.13"
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
# The runtime's glibc is 2.34 (Amazon Linux 2023); no wheel for arm64 asks for one older than 2.17.
_GLIBC_MINORS = range(34, 16, -1)


class BuildError(Exception):
    """The build cannot go on; the text says what to do."""


def host_architecture(machine: str) -> str:
    """Return Lambda's name for `machine`, which is what `uname -m` says.

    Raises:
        BuildError: Lambda has no such processor.
    """
    try:
        return ARCHITECTURES[machine.lower()]
    except KeyError:
        raise BuildError(
            f"Lambda has no {machine} processors; make deploy CONFIG_ENV=dev builds for another"
        ) from None


def build(architecture: str, python: Path) -> None:
    """Leave the function, ready to run or to deploy, in .aws-sam/build.

    Raises:
        BuildError: sam is not installed.
        subprocess.CalledProcessError: a step failed; it has said why.
    """
    if not SAM.exists():
        raise BuildError("sam is not installed. `make build` and `make deploy` install it; run one of them.")
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
    """Put the wheels of `requirements` into `folder`, each checked against its hashes.

    `sam build` reads the hashes only while it resolves for this machine. It asks for the wheels of another
    processor by name and version, so those come from this folder too, and nothing comes from an index.

    Raises:
        subprocess.CalledProcessError: a wheel has no recorded hash, or not that one; pip has said which.
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
    """Narrow the built template's Architecture to what was built.

    A deployment that asks for another is then refused by CloudFormation; otherwise each import of the
    deployed function would fail, for its compiled libraries fit one processor only.
    """
    document = yaml.safe_load(template.read_text())
    document["Parameters"]["Architecture"] |= {"Default": architecture, "AllowedValues": [architecture]}
    template.write_text(yaml.safe_dump(document, sort_keys=False))


def compile_bytecode(python: Path, folder: Path) -> None:
    """Compile all of `folder`, for `sam build` ships none and INIT time is billed.

    unchecked-hash: the archive changes the sources' times, by which ordinary bytecode is judged stale. The
    names inside are those in Lambda, so that its tracebacks read right.
    """
    how = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/var/task"]
    subprocess.run([python, "-m", "compileall", *how, folder], check=True)


def main() -> int:
    """Build for this machine; 2 where something is missing."""
    argparse.ArgumentParser(prog="make build", description=__doc__).parse_args()
    try:
        architecture = host_architecture(platform.machine())
        python = find_python(PYTHON, "pip", os.environ)
        print(f"building for {architecture} with {python}", flush=True)
        build(architecture, python)
    except (BuildError, PythonMissing) as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
