"""No parser takes an abbreviated option: its meaning would change once another option begins like it."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def abbreviating(source: str) -> list[int]:
    """Return the line of each parser of argparse's own class that takes abbreviations."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    parsers = [call for call in calls if ast.unparse(call.func) == "argparse.ArgumentParser"]
    return [call.lineno for call in parsers if "allow_abbrev=False" not in map(ast.unparse, call.keywords)]


def test_each_parser_takes_whole_options_only() -> None:
    """The parsers of whyness-mixpanel and manage.py, of classes of their own, are walked by other tests."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    sources = {name: (ROOT / name).read_text() for name in listed.stdout.splitlines()}

    assert [f"{name}:{line}" for name, source in sources.items() for line in abbreviating(source)] == []


@pytest.mark.parametrize("arguments", ["", "prog='x'", "allow_abbrev=True"])
def test_parser_that_takes_abbreviations_is_found(arguments: str) -> None:
    """It is argparse's default."""
    assert abbreviating(f"argparse.ArgumentParser({arguments})") == [1]
