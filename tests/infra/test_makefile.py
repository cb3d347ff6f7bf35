"""The Makefile on a machine that is not ready: one sentence from every target, wherever the checkout lies."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.build import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = sorted(set(re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.MULTILINE)) - {"help", "clean"})


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout in a folder with a space in its name, without any environment."""
    checkout = tmp_path / "my checkout"
    shutil.copytree(ROOT / "requirements", checkout / "requirements")
    for name in (
        "Makefile",
        "pyproject.toml",
        "functions/send_events/requirements.in",
        "bench/peers/package.json",
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    return checkout


def make(checkout: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run make with the environment that every machine has."""
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(checkout)}
    command = ["make", "-C", str(checkout), *arguments]
    return subprocess.run(command, env=clean, capture_output=True, text=True, check=False)  # noqa: S603


def make_python(checkout: Path, script: str) -> str:
    """Put a stand-in for Python into the checkout and return its name."""
    python = checkout / "old-python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return "./old-python"


@pytest.mark.parametrize("target", TARGETS)
def test_a_python_that_is_too_old_gets_one_sentence(bare: Path, target: str) -> None:
    """It says which version is needed and how to name another; nothing is begun."""
    python = make_python(bare, "exit 1")

    done = make(bare, target, f"PYTHON={python}")

    assert done.returncode != 0
    assert done.stderr.count("This needs Python 3.11 or newer") == 1, done.stderr
    assert not list(bare.glob(".venv*"))


@pytest.mark.parametrize("target", ["demo", "build", "template"])
def test_a_python_without_venv_is_told_which_package_to_install(bare: Path, target: str) -> None:
    """As on Debian, where venv is a package of its own."""
    python = make_python(bare, "case $2 in *ensurepip*) exit 1;; esac")

    done = make(bare, target, f"PYTHON={python}")

    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr


def test_help_lists_every_target_that_people_call(bare: Path) -> None:
    """Also on a machine without Python."""
    done = make(bare, "help", "PYTHON=missing")

    assert done.returncode == 0
    assert set(re.findall(r"^  make ([a-z0-9-]+) ", done.stdout, re.MULTILINE)) == {*TARGETS, "help", "clean"}
