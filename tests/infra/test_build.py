"""infra/build.py: which Python, which processor, and the bytecode."""

import hashlib
import importlib.util
import marshal
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import CodeType

import pytest
import yaml

from infra import build as infra_build
from infra.build import (
    PYTHON,
    REQUIREMENTS,
    BuildError,
    allow_only,
    compile_bytecode,
    deployed_architecture,
    fetch_wheels,
    host_architecture,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64")],
)
def test_a_local_build_is_for_this_machine(machine: str, architecture: str) -> None:
    """Each name that systems have for Lambda's two processors is known."""
    assert host_architecture(machine) == architecture


def test_a_machine_that_lambda_lacks_is_named() -> None:
    """The error says which machine it is, and what can be built nevertheless."""
    with pytest.raises(BuildError, match=r"riscv64.*make deploy"):
        host_architecture("riscv64")


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_deployed_build_is_for_what_samconfig_names(environment: str) -> None:
    """Both environments name their processor: what is left out would keep its last value."""
    samconfig = (ROOT / "samconfig.toml").read_text()

    assert deployed_architecture(samconfig, environment) == "arm64"


def test_an_unknown_environment_is_an_error_that_names_the_known() -> None:
    """A mistyped environment builds nothing."""
    with pytest.raises(BuildError, match=r"stage.*dev, prod"):
        deployed_architecture((ROOT / "samconfig.toml").read_text(), "stage")


def test_what_was_built_for_one_processor_deploys_to_no_other(tmp_path: Path) -> None:
    """The built template takes only the architecture it was built for, and is otherwise as it was."""
    built = tmp_path / "template.yaml"
    built.write_text(
        "Parameters:\n  Architecture: {Type: String, AllowedValues: [arm64, x86_64], Default: arm64}\n"
        "Outputs: {X: {Value: {'Fn::Sub': '${Y}'}}}\n"
    )

    allow_only("x86_64", built)

    assert yaml.safe_load(built.read_text()) == {
        "Parameters": {"Architecture": {"Type": "String", "AllowedValues": ["x86_64"], "Default": "x86_64"}},
        "Outputs": {"X": {"Value": {"Fn::Sub": "${Y}"}}},
    }


def test_bytecode_is_taken_unchecked_and_names_the_place_in_lambda(tmp_path: Path) -> None:
    """The archive changes times, so bytecode must not depend on them; tracebacks show Lambda's paths."""
    source = tmp_path / "package" / "module.py"
    source.parent.mkdir()
    source.write_text("x = 1\n")

    compile_bytecode(Path(sys.executable), tmp_path)

    compiled = Path(importlib.util.cache_from_source(str(source))).read_bytes()
    code = marshal.loads(compiled[16:])  # noqa: S302  (made a line ago)
    assert int.from_bytes(compiled[4:8], "little") == 0b01  # PEP 552: by hash, source not looked at
    assert isinstance(code, CodeType)
    assert code.co_filename == "/var/task/package/module.py"


TAGS = {"arm64": "cp313-cp313-manylinux_2_17_aarch64", "x86_64": "cp313-cp313-manylinux_2_34_x86_64"}


def make_wheel(folder: Path, tags: str) -> str:
    """Put a wheel of `thing` 1.0 into `folder`, and return its hash."""
    wheel = folder / f"thing-1.0-{tags}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            "thing-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n# {tags}"
        )
        archive.writestr(
            "thing-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tags}\n"
        )
        archive.writestr("thing-1.0.dist-info/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder from which pip takes wheels."""
    folder = tmp_path / "an index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    return folder


@pytest.mark.parametrize(("architecture", "tags"), TAGS.items())
def test_wheels_of_both_processors_are_checked_against_their_hashes(
    architecture: str, tags: str, index: Path, tmp_path: Path
) -> None:
    """This machine's wheel, with which sam resolves, and the one that is deployed."""
    hashes = {make_wheel(index, "py3-none-any"), make_wheel(index, tags)}
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(" ".join(["thing==1.0", *(f"--hash=sha256:{each}" for each in hashes)]))

    fetch_wheels(architecture, Path(sys.executable), requirements, tmp_path / "wheels")

    assert f"thing-1.0-{tags}.whl" in {wheel.name for wheel in (tmp_path / "wheels").iterdir()}


@pytest.mark.parametrize(
    ("tags", "hashed"),
    [
        ("py3-none-any", ""),
        *((tags, f"--hash=sha256:{'0' * 64}") for tags in ("py3-none-any", *TAGS.values())),
    ],
)
def test_a_wheel_without_its_hash_ends_the_build(tags: str, hashed: str, index: Path, tmp_path: Path) -> None:
    """Whether it is this machine's or the other processor's, and whether the hash is missing or another."""
    good = {kind: make_wheel(index, kind) for kind in ("py3-none-any", tags)}
    del good[tags]
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(
        " ".join(["thing==1.0", hashed, *(f"--hash=sha256:{each}" for each in good.values())])
    )
    architecture = next((name for name, own in TAGS.items() if own == tags), "arm64")

    with pytest.raises(subprocess.CalledProcessError):
        fetch_wheels(architecture, Path(sys.executable), requirements, tmp_path / "wheels")


def test_sam_gets_the_checked_wheels_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a build before has left is gone, and sam's pip asks no index."""
    wheels, sam, seen = tmp_path / "the wheels", tmp_path / "sam", tmp_path / "seen"
    sam.write_text(f'#!/bin/sh\necho "$PIP_NO_INDEX $PIP_FIND_LINKS" > "{seen}"\nexit 1\n')
    sam.chmod(0o755)
    wheels.mkdir()
    (wheels / "stale-1.0-py3-none-any.whl").touch()
    monkeypatch.setattr(infra_build, "SAM", sam)
    monkeypatch.setattr(infra_build, "WHEELS", wheels)
    monkeypatch.setattr(infra_build, "fetch_wheels", lambda *_: wheels.mkdir())

    with pytest.raises(subprocess.CalledProcessError):
        infra_build.build("arm64", Path(sys.executable))

    assert seen.read_text().split() == ["1", wheels.as_uri()]
    assert list(wheels.iterdir()) == []


def test_what_is_deployed_has_hashes_for_exactly_what_is_pinned() -> None:
    """`make lock` ran after each change of requirements.in: same names, same versions, each hashed."""
    pinned = set(re.findall(r"^[\w-]+==\S+$", REQUIREMENTS.with_suffix(".in").read_text(), re.MULTILINE))
    locked = re.findall(
        r"^([\w-]+==\S+) \\\n    --hash=sha256:[0-9a-f]{64}", REQUIREMENTS.read_text(), re.MULTILINE
    )

    assert {entry.replace("_", "-") for entry in locked} == {entry.replace("_", "-") for entry in pinned}
    assert len(re.findall("==", REQUIREMENTS.read_text())) == len(locked)


def test_the_hashes_are_for_the_runtimes_python_and_name_no_index() -> None:
    """The file's head is the command that made it; it holds nothing of the machine it was made on."""
    text = REQUIREMENTS.read_text()

    assert f"uv pip compile --universal --python-version {PYTHON} --generate-hashes" in text.splitlines()[1]
    assert f"uv pip compile --quiet --universal --python-version {PYTHON} " in (ROOT / "Makefile").read_text()
    assert "://" not in text
