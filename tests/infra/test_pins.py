"""What is pinned, that it is pinned to one thing, and that something proposes newer ones."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.build import ROOT

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
UPDATES = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
# What each tool of Dependabot reads in its directory.
MANIFESTS = {
    "pip": "*.t*",
    "uv": "requirements.in",
    "npm": "package.json",
    "github-actions": ".github/workflows/*.yml",
    "pre-commit": ".pre-commit-config.yaml",
}


def directories(update: dict[str, Any]) -> list[Path]:
    """Return the directories of an entry of dependabot.yml."""
    named = update.get("directories") or [update["directory"]]
    return [ROOT / name.removeprefix("/") for name in named]


@pytest.mark.parametrize(
    "path",
    [*ROOT.glob("requirements/*.txt"), ROOT / "functions/send_events/requirements.in"],
    ids=lambda p: p.name,
)
def test_each_requirement_is_one_version(path: Path) -> None:
    """A range would be another program tomorrow."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "-r "))]

    assert [line for line in lines if not re.fullmatch(r"[\w.\[\],-]+==[\w.]+", line)] == []


def test_each_action_and_each_hook_is_a_commit_with_its_version_beside_it() -> None:
    """A tag can be moved to other code; the version is what people and Dependabot compare."""
    workflows = [path.read_text() for path in ROOT.glob(".github/workflows/*.yml")]
    lines = "\n".join([*workflows, (ROOT / ".pre-commit-config.yaml").read_text()]).splitlines()
    pins = [line for line in lines if re.match(r"\s*(- uses|rev):", line)]

    assert len(pins) >= len([hook for hook in HOOKS if hook["repo"] != "local"]) > 0
    assert [pin for pin in pins if not re.search(r"[@ ][0-9a-f]{40} # (frozen: )?v\d[\d.]*$", pin)] == []


def test_what_comes_from_npm_is_one_version() -> None:
    """As with pip: no `^`, no `~`."""
    named = json.loads((ROOT / "bench/peers/package.json").read_text())["dependencies"]

    assert [version for version in named.values() if not re.fullmatch(r"[\d.]+", version)] == []


def test_newer_versions_are_proposed_for_every_ecosystem_where_its_pins_lie() -> None:
    """A directory without a manifest would make Dependabot fail, or see nothing."""
    empty = [
        (update["package-ecosystem"], str(directory))
        for update in UPDATES
        for directory in directories(update)
        if not list(directory.glob(MANIFESTS[update["package-ecosystem"]]))
    ]

    assert {update["package-ecosystem"] for update in UPDATES} == set(MANIFESTS)
    assert empty == []
    watched = {directory for update in UPDATES for directory in directories(update)}
    manifests = [
        *ROOT.glob("requirements/*.txt"),
        *ROOT.glob("functions/*/requirements.*"),
        *ROOT.glob("bench/*/package.json"),
    ]
    assert {path.parent for path in manifests} <= watched


def test_the_hooks_run_the_tools_of_the_checkout() -> None:
    """Lint and types before a commit are those of `make check`, in the same version."""
    local = [hook["entry"] for repo in HOOKS if repo["repo"] == "local" for hook in repo["hooks"]]
    pinned = (ROOT / "requirements/dev.txt").read_text()
    modules = [re.match(r"\.venv/bin/python -m (\w+)", entry) for entry in local]

    assert len(local) > 0
    assert [entry for entry, found in zip(local, modules, strict=True) if found is None] == []
    assert [found[1] for found in modules if found and f"\n{found[1]}==" not in pinned] == []
