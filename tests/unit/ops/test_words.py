"""The texts of the command line use the field's words: fix, matched, inspected, dead letter."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[3] / "whyness_ops"
UNWANTED = re.compile(
    r"\b(meant|mend(s|ed)?|put(s|ting)? right|look(s|ed|ing)? at|(is|are) no|whole number|nobody)\b"
    r"|(?<!dead )(?<!dead-)\bletters?\b",
    re.IGNORECASE,
)


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text of more than a word, with its place; docstrings and DynamoDB's expressions left out."""
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text())
        docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or node in docstrings or not isinstance(node.value, str):
                continue
            if " " in node.value and "#" not in node.value.partition("examples:")[0]:
                yield f"{path.name}:{node.lineno}", node.value


def test_texts_use_the_words_of_the_field() -> None:
    """None of the words that a reader has to translate."""
    found = [f"{place}: {match[0]}" for place, text in texts() if (match := UNWANTED.search(text))]

    assert found == []


def test_the_walk_finds_the_texts() -> None:
    """Help, errors and results are among them."""
    all_texts = "\n".join(text for _, text in texts())

    for text in ("Nothing selected.", "came back", "inspect the dead-letter queue", "AWS cannot find"):
        assert text in all_texts
