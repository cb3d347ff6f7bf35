"""Markdown: tables, and texts that have no markup of their own."""

import re
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar in a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def plain(text: str) -> str:
    """Return a text in one line, in which nothing but backticks is markup."""
    return re.sub(r"([\\*<>\[\]])", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return a text as inline code."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{' '.join(text.split())}{fence}"


def block(text: str) -> str:
    """Return lines as a block that nobody takes for commands to run."""
    return f"```text\n{text.strip()}\n```"
