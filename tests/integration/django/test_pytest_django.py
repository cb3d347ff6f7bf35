"""A site's own tests, as the documentation shows them, under pytest-django in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shipped.pages import python_in
from tests.unit.django_app.test_testcases import GUIDE, PAGES, ROOT, SETTINGS

PYTEST_DJANGO = ROOT / ".venv" / "lib-pytest-django"

# After what the documentation shows: each turn leaves events behind, and so does the test before them.
TESTS = """
import pytest
from whyness_mixpanel.models import Event

def nothing_yet(mixpanel):
    return mixpanel.sent_events() == mixpanel.published_events() == []

def test_without_the_fixture(db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert Event(event="Left behind", user=7).send() is True

@pytest.mark.parametrize("turn", [1, 2])
def test_nothing_commits(turn, db, mixpanel, client):
    assert nothing_yet(mixpanel)
    client.post("/upload/")
    assert [event["event"] for event in mixpanel.sent_events()] == ["Audio upload"]
    assert mixpanel.published_events() == []

@pytest.mark.parametrize("turn", [1, 2])
def test_what_is_captured_is_published(turn, db, mixpanel, client, django_capture_on_commit_callbacks):
    assert nothing_yet(mixpanel)
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/upload/")
        client.post("/upload/?undo")
    assert [event["event"] for event in mixpanel.published_events()] == ["Audio upload"]

@pytest.mark.parametrize("turn", [1, 2])
def test_what_commits_is_published(turn, transactional_db, mixpanel, client):
    assert nothing_yet(mixpanel)
    client.post("/upload/")
    client.post("/upload/?undo")
    assert [event["event"] for event in mixpanel.published_events()] == ["Audio upload"]
"""


def run_tests(directory: Path, *, backend: str = "locmem", pages: str = PAGES) -> tuple[int, str]:
    """Run the tests of a site with `pages`; return pytest's exit code and what it printed."""
    settings, _, conftest, shown = python_in(GUIDE)
    (directory / "settings_of_site.py").write_text(SETTINGS + settings.replace("locmem", backend))
    (directory / "pages.py").write_text(pages)
    (directory / "conftest.py").write_text(conftest)
    (directory / "test_site.py").write_text(shown + TESTS)
    (directory / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    paths = [PYTEST_DJANGO, directory, ROOT, ROOT / "functions" / "send_events"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--no-header", "-rf"],
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "DJANGO_SETTINGS_MODULE": "settings_of_site",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


pytestmark = pytest.mark.skipif(
    not PYTEST_DJANGO.exists(), reason=f"no {PYTEST_DJANGO.relative_to(ROOT)}: `make test` installs it"
)


@pytest.mark.parametrize("backend", ["locmem", "dummy"])
def test_the_tests_of_a_site_pass(tmp_path: Path, backend: str) -> None:
    """The fixture shows what was sent, and nothing of other tests, whatever backend the settings name."""
    code, printed = run_tests(tmp_path, backend=backend)

    assert code == 0, printed
    assert " 9 passed in " in printed


def test_a_wrong_expectation_of_a_site_fails(tmp_path: Path) -> None:
    """If the page sends another event, each test that checks the events fails."""
    code, printed = run_tests(tmp_path, pages=PAGES.replace("Audio upload", "Video upload"))

    assert code == 1
    assert " 8 failed, 1 passed in " in printed
