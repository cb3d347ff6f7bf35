"""Nothing is decided by the words of a message: they are for people, and may change at any time."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Attributes, variables and keys that hold a sentence.
SENTENCES = {"why", "detail", "failure", "fault", "faults", "error", "args"}
ASKING = {"startswith", "endswith", "find", "index", "count", "removeprefix", "removesuffix", "partition"}
ASKING |= {"rpartition", "split", "replace", "match", "fullmatch", "search"}


def decisions(source: str) -> Iterator[int]:
    """Yield the line of each place that looks into a sentence."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKING:
            if any(map(_is_sentence, [node.func.value, *node.args])):
                yield node.lineno
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            has_text = any(isinstance(side, ast.Constant) and side.value for side in sides)
            if any(map(_is_sentence, sides)) and (has_text or any(map(_is_membership, node.ops))):
                yield node.lineno


def _is_membership(operator: ast.cmpop) -> bool:
    return isinstance(operator, ast.In | ast.NotIn)


def _is_sentence(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "repr"):
        return any(isinstance(inner, ast.Name) and inner.id in SENTENCES for inner in ast.walk(node))
    if isinstance(node, ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return key in SENTENCES or _is_sentence(node.value)
    return isinstance(node, ast.Attribute) and node.attr in SENTENCES


@pytest.mark.parametrize("package", ["whyness_ops", "whyness_mixpanel"])
def test_no_decision_reads_a_message(package: str) -> None:
    """What a caller must tell apart is a field, a type or a code."""
    paths = sorted((ROOT / package).rglob("*.py"))

    assert [f"{path.name}:{line}" for path in paths for line in decisions(path.read_text())] == []


@pytest.mark.parametrize(
    "source",
    [
        'next(text for says, text in WHY if left.why.startswith("the edit function raised"))',
        'left.why.replace("not valid after the edit", "not valid")',
        '"AccessDenied" in str(error)',
        'if row["detail"] == "moved by SQS": pass',
        're.search("No such table", str(fault))',
        'error.args[0].partition(":")',
        "says in left.why",
    ],
)
def test_decision_by_a_message_is_found(source: str) -> None:
    """Among them the ones that were in the admin."""
    assert [*decisions(source)] == [1]
