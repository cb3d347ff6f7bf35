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
