"""infra/build.py: which Python, which processor, and the bytecode."""

import importlib.util
import marshal
import sys
from pathlib import Path
from types import CodeType

import pytest
import yaml

from infra.build import (
    BuildError,
    allow_only,
    compile_bytecode,
    deployed_architecture,
    find_python,
    host_architecture,
)

ROOT = Path(__file__).resolve().parents[2]


def make_python(path: Path, script: str) -> Path:
    """Put a stand-in for an interpreter at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_python_that_exists_but_does_not_work_is_passed_over(tmp_path: Path) -> None:
    """A version manager's shim of a version that is not switched on is no Python."""
    make_python(tmp_path / "shims/python3.13", "echo 'not switched on' >&2; exit 127")
    good = make_python(tmp_path / "bin/python3.13", "echo 3.13")

    found = find_python({"PATH": f"{tmp_path}/missing:{tmp_path}/shims:{tmp_path}/bin"})

    assert found == good


def test_a_python_of_the_runtimes_version_may_have_a_plain_name(tmp_path: Path) -> None:
    """In a container the only interpreter is often python3."""
    make_python(tmp_path / "old/python3", "echo 3.12")
    good = make_python(tmp_path / "new/python3", "echo 3.13")

    assert find_python({"PATH": f"{tmp_path}/old:{tmp_path}/new"}) == good


def test_pyenvs_python_is_found_without_being_switched_on(tmp_path: Path) -> None:
    """What pyenv has installed is good enough, though it is not on the PATH."""
    good = make_python(tmp_path / ".pyenv/versions/3.13.9/bin/python3.13", "echo 3.13")

    assert find_python({"PATH": "", "HOME": str(tmp_path)}) == good


def test_without_the_runtimes_python_the_error_says_what_to_do(tmp_path: Path) -> None:
    """Another version is not taken instead; the text names the version and a way to get it."""
    make_python(tmp_path / "python3", "echo 3.12")

    with pytest.raises(BuildError, match=r"Python 3\.13.*pyenv install 3\.13"):
        find_python({"PATH": str(tmp_path), "HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64")],
)
def test_a_local_build_is_for_this_machine(machine: str, architecture: str) -> None:
    """Each name that systems have for Lambda's two processors is known."""
    assert host_architecture(machine) == architecture


def test_a_machine_that_lambda_lacks_is_named() -> None:
    """The error says which machine it is, and what can be built nevertheless."""
    with pytest.raises(BuildError, match=r"riscv64.*--deploy"):
        host_architecture("riscv64")


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_deployed_build_is_for_what_samconfig_names(environment: str) -> None:
    """Both environments name their processor: what is left out would keep its last value."""
    samconfig = (ROOT / "samconfig.toml").read_text()

    assert deployed_architecture(samconfig, environment) == "arm64"


def test_an_unknown_environment_is_an_error_that_names_the_known() -> None:
    """A mistyped environment builds nothing."""
    with pytest.raises(BuildError, match=r"stage.*dev and prod"):
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
