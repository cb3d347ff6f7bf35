"""What people read uses the field's words: fix, matched, inspected, dead letter, positive integer."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Files, or folders, whose texts are still being rewritten.
NOT_YET: tuple[str, ...] = ()

UNWANTED = re.compile(
    r"""
    \b(
        meant | mend(s|ed|ing)? | put(s|ting)?\ right | set\ to\ rights   # intended, selected; fix
      | look(s|ed|ing)\ at                                               # inspect, check
      | nobody | whole\ numbers?                                          # no user; integer
      | in\ vain | anew | afresh | thereby | wherein | henceforth         # unsuccessfully; again
      | (it|that|what|which|who)\ (is|are)\ none | of\ none
      | (is|are|was|were|be)\ no(?=\ \w)(?!\ (longer|more|less|later|different|matter)\b)  # is not a
    )\b
    | (?<!dead[ ])(?<!dead-)(?<!\ba\ small\ )\bletters?\b(?!(,|\ and|\ or)\ (digit|number|figure))
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Where the words are right: "there is no", and letters of the alphabet.
FINE = re.compile(r"\bthere (is|are|was|were) no\b|\b(capital|lower-case|with a) letters?\b", re.IGNORECASE)
CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1|`[^`]*`|<!--.*?-->|\]\([^)]*\)", re.DOTALL | re.MULTILINE)
TEMPLATE_TAGS = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)


def unwanted_in(text: str) -> list[str]:
    """Return the words that a reader has to translate."""
    return [match[0] for match in UNWANTED.finditer(FINE.sub(" ", text))]


def constants(source: str) -> Iterator[str]:
    """Yield each text of more than a word; docstrings and DynamoDB's expressions left out."""
    tree = ast.parse(source)
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in docstrings and isinstance(node.value, str):
            is_expression = "#" in node.value.partition("examples:")[0]
            if " " in node.value and not is_expression:
                yield node.value


def texts_of(path: Path) -> Iterator[str]:
    """Yield what people read of a module, a template or a page."""
    content = path.read_text()
    if path.suffix == ".py":
        yield from constants(content)
    else:
        yield from (CODE if path.suffix == ".md" else TEMPLATE_TAGS).sub(" ", content).split("\n")


def paths() -> Iterator[Path]:
    """Yield the files that people read."""
    yield from (ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"))
    for package in ("whyness_ops", "whyness_mixpanel"):
        yield from (path for suffix in ("py", "html") for path in ROOT.glob(f"{package}/**/*.{suffix}"))


def name_of(path: Path) -> str:
    """Return a path as the list has it."""
    return str(path.relative_to(ROOT))


def test_texts_use_the_words_of_the_field() -> None:
    """In modules, templates and pages, but for those that are still being rewritten."""
    faults = [
        f"{name_of(path)}: {words} in {text.strip()[:100]!r}"
        for path in sorted(paths())
        if not name_of(path).startswith(NOT_YET)
        for text in texts_of(path)
        if (words := unwanted_in(text))
    ]

    assert faults == []


def test_what_is_not_yet_rewritten_exists() -> None:
    """So that the list holds no name that has moved."""
    names = [name_of(path) for path in paths()]

    assert [entry for entry in NOT_YET if not any(name.startswith(entry) for name in names)] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the rows meant: mend the row, then put right", ["meant", "mend", "put right"]),
        ("It is no dictionary. There is no queue; it is no longer there.", ["is no"]),
        (
            "a letter in the dead-letter queue, two dead letters, letters and digits, letters, digits",
            ["letter"],
        ),
        ("Nobody can be named; must be a whole number", ["Nobody", "whole number"]),
        ("3 looked at, it looks at 2; look at the log", ["looked at", "looks at"]),
        (
            "asked in vain, then made anew; what is none; the default is none",
            ["in vain", "anew", "what is none"],
        ),
        ("A name must start with a letter. This is not a URL.", []),
    ],
)
def test_the_list_knows_the_words(text: str, words: list[str]) -> None:
    """It finds each, and leaves idiomatic neighbours alone."""
    assert unwanted_in(text) == words


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("whyness_ops/options.py", "inspect the dead-letter queue"),
        ("whyness_mixpanel/management/commands/mixpanel_outbox.py", "delete parked events permanently"),
        ("whyness_mixpanel/diagnosis/queue.py", "The queue does not exist."),
        ("whyness_mixpanel/templates/admin/whyness_mixpanel/failures/confirm.html", "Fix the cause"),
        ("docs/runbook.md", "dead-letter queue"),
    ],
)
def test_the_walk_finds_the_texts(name: str, text: str) -> None:
    """Help, results, findings, templates and pages are among them."""
    assert ROOT / name in set(paths())
    assert any(text in found for found in texts_of(ROOT / name))


def test_code_in_a_page_is_not_read() -> None:
    """Fenced blocks, inline code, comments and addresses of links are quotations."""
    page = "Fix it with `mend` or\n\n```\nmend nobody\n```\n<!-- nobody -->\n[how](mend.md) it is fixed.\n"

    assert unwanted_in(CODE.sub(" ", page)) == []
