"""The app under gunicorn, with forked workers and threads."""

import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.django.test_outbox_processes import Project

# The parent publishes while it loads the application: with --preload that is before the fork.
SITE = """
import django
django.setup()
from urllib.parse import parse_qs
from django.db import connection, transaction
from whyness_mixpanel.models import Event
Event(event="A", insert_id=1).send()
connection.close()
def application(environ, start_response):
    number = int(parse_qs(environ["QUERY_STRING"])["n"][0])
    try:
        with transaction.atomic():
            said = Event(event="A", insert_id=number).send()
            if number % 4 == 1:
                raise KeyError
    except KeyError:
        pass
    connection.close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(said).encode()]
"""
GUNICORN = ["--worker-class=gthread", "--workers=2", "--threads=8", "--bind=127.0.0.1:0"]


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["gthread", "preload"])
def test_gunicorn_publishes_what_committed_once(tmp_path: Path, options: list[str]) -> None:
    """From both workers and all of their threads, also where the parent has published before the fork."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed: `make test` installs it")
    (tmp_path / "site_of_test.py").write_text(SITE)
    choices = {"transaction_mode": "IMMEDIATE", "timeout": 30, "init_command": "PRAGMA journal_mode=WAL"}
    project = Project(
        tmp_path,
        {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db"), "OPTIONS": choices},
    )
    project.run("-m", "django", "migrate", "--verbosity=0")

    server = project.start("-m", "gunicorn", *GUNICORN, *options, "site_of_test:application")
    try:
        assert server.stdout
        log = iter(server.stdout.readline, "")
        port = next(found[1] for line in log if (found := re.search(r"http://127\.0\.0\.1:(\d+)", line)))

        def ask(number: int) -> str:
            url = f"http://127.0.0.1:{port}/?n={number}"
            with urllib.request.urlopen(url, timeout=30) as answer:
                return str(answer.read(), "ascii")

        with ThreadPoolExecutor(16) as threads:
            said = set(threads.map(ask, range(100, 180)))
    finally:
        server.terminate()
        server.communicate(timeout=30)
    project.run("-m", "django", "mixpanel_outbox", "drain")

    published = [number for number in project.published() if number != "1"]
    assert said == {"True"}
    assert sorted(published) == [str(number) for number in range(100, 180) if number % 4 != 1]
    assert "1" in project.published()
