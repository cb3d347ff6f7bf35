"""Tables in the docs are made from the code; `python -m tests.unit.test_docs` writes them anew."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from whyness_events.delivery.settings import SETTINGS
from whyness_events.delivery.telemetry import LOG_FIELDS, METRICS

ROOT = Path(__file__).parents[2]


def settings_table() -> str:
    """Return the README's table of the Lambda's environment."""
    rows = [f"| `{s.name}` | {s.meaning} | {s.allowed} | {_default(s.default)} |" for s in SETTINGS]
    return "\n".join(["| variable | meaning | allowed | default |", "|---|---|---|---|", *rows])


def _default(default: str | None) -> str:
    return "required" if default is None else f"`{default}`" if default else "-"


def metrics_table() -> str:
    """Return the table of metrics."""
    rows = [f"| `{m.name}` | {m.unit.value} | {m.meaning} |" for m in METRICS]
    return "\n".join(["| metric | unit | meaning |", "|---|---|---|", *rows])


def log_fields_table() -> str:
    """Return the table of the fields of the line `invocation`."""
    rows = [f"| `{field.name}` | {field.meaning} |" for field in LOG_FIELDS]
    return "\n".join(["| field | meaning |", "|---|---|", *rows])


TABLES = [
    ("README.md", "settings", settings_table),
    ("docs/reference/metrics.md", "metrics", metrics_table),
    ("docs/reference/metrics.md", "log fields", log_fields_table),
]


def _pattern(mark: str) -> re.Pattern[str]:
    return re.compile(f"(?<=<!-- {mark} -->\n).*?(?=<!-- /{mark} -->)", re.DOTALL)


@pytest.mark.parametrize(("page", "mark", "table"), TABLES)
def test_table_in_the_docs_is_what_the_code_says(page: str, mark: str, table: Callable[[], str]) -> None:
    """Each generated table stands in the docs as the code would write it today."""
    found = _pattern(mark).search((ROOT / page).read_text())

    assert found is not None
    assert found[0] == table() + "\n"


def test_every_link_in_the_docs_leads_somewhere() -> None:
    """A relative link in README or docs names a file of the repository."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("example/*.md")]

    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text())
    ]
    broken = [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()]

    assert broken == []
    assert len(links) > 5


def write_tables() -> None:
    """Write the tables anew: `python -m tests.unit.test_docs`."""
    for page, mark, table in TABLES:
        before, rest = (ROOT / page).read_text().split(f"<!-- {mark} -->\n")
        after = rest[rest.index(f"<!-- /{mark} -->") :]
        (ROOT / page).write_text(f"{before}<!-- {mark} -->\n{table()}\n{after}")


if __name__ == "__main__":
    write_tables()
