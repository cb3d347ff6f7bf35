"""docs/how-to/upgrade.md on a real site: from the old app to this version, back, and forward again."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.django import postgres
from tests.shipped.collect import ROOT
from tests.shipped.kinds import Kind, kind_of

PAGE = (ROOT / "docs/how-to/upgrade.md").read_text()
MIGRATIONS = sorted(path.stem for path in (ROOT / "whyness_mixpanel/migrations").glob("0*.py"))


def commands_by_heading() -> dict[str, list[str]]:
    """Return the commands in the page's fences, by the headings they stand under."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return {
        heading: [
            line
            for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            for line in block.splitlines()
        ]
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lived(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """What came of each step, on each database."""
    directory = tmp_path_factory.mktemp("site")
    if request.param == "sqlite":
        options = {"transaction_mode": "IMMEDIATE"}
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "db"), "OPTIONS": options}
        yield live_through(directory, database)
        return
    pytest.importorskip("psycopg", reason="psycopg is not installed: it is Django's way to PostgreSQL")
    try:
        with postgres.server() as port:
            server = {"NAME": "postgres", "USER": "postgres", "HOST": "127.0.0.1", "PORT": port}
            yield live_through(directory, {"ENGINE": "django.db.backends.postgresql", **server})
    except postgres.PostgresMissing as missing:
        pytest.skip(str(missing))


def live_through(directory: Path, database: dict[str, Any]) -> dict[str, Any]:
    """Return what the site says of itself."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "functions/send_events")]),
        "DATABASE": json.dumps(database),
        "STATIC": str(directory / "static"),
        "COMMANDS": json.dumps(commands_by_heading()),
    }
    script = Path(__file__).with_name("upgrade_site.py")
    done = subprocess.run(  # noqa: S603  (the test's own script)
        [sys.executable, str(script)], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_way_forward_touches_no_row(lived: dict[str, Any]) -> None:
    """Every row of the site and of the old log is as it was; the admin's files are collected."""
    assert lived["first"]["migrations"] == ["0001_initial"]
    assert lived["kept"]
    assert lived["static"] == ["admin.css", "admin.js"]


def test_call_sites_written_for_the_old_app_send_what_they_always_sent(lived: dict[str, Any]) -> None:
    """Each kind once, after the first and the second upgrade; user 1 is the anonymous user."""
    for got, expected in (lived["events"], lived["events again"]):
        assert got == expected
        assert len(got) == 6


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("while one waits", "1 unpublished events"),
        ("while one is parked", "1 unpublished events"),
        ("while one is suppressed", "1 users are suppressed"),
    ],
)
def test_the_way_back_is_refused_before_anything_is_undone(
    state: str, says: str, lived: dict[str, Any]
) -> None:
    """Tables, rows and migrations are the same after it (the site compares them)."""
    assert lived[state].startswith("Nothing was reversed. ")
    assert says in lived[state]


def test_the_way_back_ends_at_the_old_apps_tables(lived: dict[str, Any]) -> None:
    """What waited is published, the old log has its rows, and forward again works."""
    assert lived["drained when back"] == ["Waits"]
    assert lived["back"] == {"tables": ["whyness_mixpanel_log"], "migrations": ["0001_initial"], "rows": {}}
    assert lived["kept when back"]
    assert lived["again"]["migrations"] == MIGRATIONS
    assert lived["kept again"]


def test_each_command_of_an_upgrade_is_run_here() -> None:
    """A command of the page that no other test runs stands under a heading that this one runs."""
    found = commands_by_heading()
    run = [*found["4. Migrate and collect"], *found["6. See that events leave"], *found["Roll back"]]

    assert [text for texts in found.values() for text in texts if kind_of(text) is Kind.UPGRADE] == [
        text for text in run if kind_of(text) is Kind.UPGRADE
    ]
