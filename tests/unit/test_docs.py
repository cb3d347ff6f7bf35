"""Parts of the docs are made from the code; `python -m tests.unit.test_docs` writes them anew."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reference import checks, commands, python_api, settings, telemetry

ROOT = Path(__file__).parents[2]
# Page, mark, and what stands between the marks.
PARTS: list[tuple[str, str, Callable[[], str]]] = [
    ("settings", "django settings", settings.django_settings),
    ("settings", "lambda settings", settings.lambda_settings),
    ("checks", "checks", checks.system_checks),
    ("metrics", "metrics", telemetry.metrics),
    ("metrics", "log fields", telemetry.log_fields),
    ("alarms", "alarms", telemetry.alarms),
    ("command-line", "whyness-mixpanel", commands.operator_commands),
    ("command-line", "manage.py", commands.site_commands),
    ("python", "api", python_api.python_api),
]


def _path(page: str) -> Path:
    return ROOT / f"docs/reference/{page}.md"


@pytest.mark.parametrize(("page", "mark", "part"), PARTS, ids=[mark for _, mark, _ in PARTS])
def test_generated_part_is_what_the_code_says(page: str, mark: str, part: Callable[[], str]) -> None:
    """Each generated part stands in the docs as the code would write it today."""
    pattern = f"(?<=<!-- {mark} -->\n).*?(?=<!-- /{mark} -->)"
    written = re.findall(pattern, _path(page).read_text(), re.DOTALL)

    assert written == [part() + "\n"], "run: .venv/bin/python -m tests.unit.test_docs"


def write_parts() -> None:
    """Write the generated parts anew: `python -m tests.unit.test_docs`."""
    for page, mark, part in PARTS:
        before, rest = _path(page).read_text().split(f"<!-- {mark} -->\n")
        after = rest[rest.index(f"<!-- /{mark} -->") :]
        _path(page).write_text(f"{before}<!-- {mark} -->\n{part()}\n{after}")


if __name__ == "__main__":
    write_parts()
