"""Parts of the docs are made from the code; `python -m tests.unit.test_docs` writes them anew."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reference import checks, commands, in_mixpanel, python_api, settings, telemetry

ROOT = Path(__file__).parents[2]
# Page, mark, and what stands between the marks.
PARTS: list[tuple[str, str, Callable[[], str]]] = [
    ("reference/settings", "django settings", settings.django_settings),
    ("reference/settings", "lambda settings", settings.lambda_settings),
    ("reference/checks", "checks", checks.system_checks),
    ("reference/metrics", "metrics", telemetry.metrics),
    ("reference/metrics", "log fields", telemetry.log_fields),
    ("reference/alarms", "alarms", telemetry.alarms),
    ("reference/command-line", "whyness-mixpanel", commands.operator_commands),
    ("reference/command-line", "manage.py", commands.site_commands),
    ("reference/python", "api", python_api.python_api),
    ("in-mixpanel", "properties", in_mixpanel.properties),
    ("in-mixpanel", "callers", in_mixpanel.callers),
    ("in-mixpanel", "browsers", in_mixpanel.browsers),
]


def _path(page: str) -> Path:
    return ROOT / f"docs/{page}.md"


@pytest.mark.parametrize(("page", "mark", "part"), PARTS, ids=[mark for _, mark, _ in PARTS])
def test_generated_part_is_what_the_code_says(page: str, mark: str, part: Callable[[], str]) -> None:
    """Each generated part stands in the docs as the code would write it today."""
    assert _written(page, mark) == part() + "\n", "run: .venv/bin/python -m tests.unit.test_docs"


def test_every_property_that_can_arrive_is_explained() -> None:
    """docs/in-mixpanel.md has a row for each property that translation or the context sets, and no other."""
    assert sorted(in_mixpanel.explained()) == sorted(in_mixpanel.possible())


def test_every_explained_property_has_a_value_and_a_text() -> None:
    """A property that only one kind of names has is marked in the column of the other."""
    rows = [line.split(" | ") for line in _written("in-mixpanel", "properties").splitlines()[2:]]

    assert {len(row) for row in rows} == {5}
    assert [row[0] for row in rows if row[3] == "-"] == []
    assert {row[0].strip("| `") for row in rows if row[4] == "- |"} == {"$os_version", "$brand", "$model"}
    assert [row[0] for row in rows if not row[1].endswith(".")] == []


def _written(page: str, mark: str) -> str:
    pattern = f"(?<=<!-- {mark} -->\n).*?(?=<!-- /{mark} -->)"
    [text] = re.findall(pattern, _path(page).read_text(), re.DOTALL)
    return str(text)


def write_parts() -> None:
    """Write the generated parts anew: `python -m tests.unit.test_docs`."""
    for page, mark, part in PARTS:
        before, rest = _path(page).read_text().split(f"<!-- {mark} -->\n")
        after = rest[rest.index(f"<!-- /{mark} -->") :]
        _path(page).write_text(f"{before}<!-- {mark} -->\n{part()}\n{after}")


if __name__ == "__main__":
    write_parts()
