"""The fenced blocks of a page, in order: what its test writes, runs and compares."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.shipped.collect import FENCE, ROOT


class Block(NamedTuple):
    """One fenced block: `language` is what stands behind the fence."""

    language: str
    text: str

    @property
    def path(self) -> str:
        """The file that the block is, or is added to, from its first line (`# shop/views.py`); else `""`."""
        named = re.match(r"# ([\w/]+\.py)\n", self.text)
        return named[1] if named else ""


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page of `docs/`."""
    return [Block(*fence) for fence in FENCE.findall((ROOT / "docs" / page).read_text())]


def python_in(page: str) -> list[str]:
    """Return the page's blocks of Python."""
    return [block.text for block in blocks(page) if block.language == "python"]


def how_tos() -> Iterator[str]:
    """Yield each how-to that there is."""
    return (f"how-to/{path.name}" for path in sorted((ROOT / "docs/how-to").glob("*.md")))
