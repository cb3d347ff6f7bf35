"""A site's own tests, as the documentation shows them, under Django's test runner in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shipped.pages import python_in

ROOT = Path(__file__).parents[3]
GUIDE = "how-to/test-your-site.md"

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["whyness_mixpanel"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
ROOT_URLCONF = "pages"
USE_TZ = True
"""
# A page that sends an event in a transaction, which is rolled back where it is asked for.
PAGES = """
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from whyness_mixpanel.models import Event

def upload(request):
    with transaction.atomic():
        Event(event="Audio upload", user=7).send()
        if "undo" in request.GET:
            transaction.set_rollback(True)
    return HttpResponse("done")

urlpatterns = [path("upload/", upload)]
"""
# After what the documentation shows.
TESTS = """
from django.test import TransactionTestCase
from whyness_mixpanel.models import Event, Outbox

def names(events):
    return [event["event"] for event in events]

class InTestCase(TestCase):
    @classmethod
    def setUpTestData(cls):
        Event(event="Of all tests").send()

    def setUp(self):
        testing.clear()

    def test_nothing_commits(self):
        self.client.post("/upload/")
        self.assertEqual(names(testing.sent_events()), [SENT])
        self.assertEqual(testing.published_events(), [])

    def test_what_is_captured_is_published_once(self):
        self.client.post("/upload/")
        with self.captureOnCommitCallbacks(execute=True):
            Event(event="A").send()
            Event(event="B").send()
        with self.captureOnCommitCallbacks(execute=True):
            Event(event="C").send()
        self.assertEqual(names(testing.published_events()), ["A", "B", "C"])

    def test_what_is_rolled_back_is_not_published(self):
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post("/upload/?undo")
        self.assertEqual(names(testing.sent_events()), ["Audio upload"])
        self.assertEqual(testing.published_events(), [])

class InTransactionTestCase(TransactionTestCase):
    def setUp(self):
        testing.clear()

    def test_what_commits_is_published(self):
        self.client.post("/upload/")
        Event(event="Outside").send()
        self.assertEqual(names(testing.published_events()), [PUBLISHED, "Outside"])
        self.assertFalse(Outbox.objects.exists())

    def test_what_is_rolled_back_is_not_published(self):
        self.client.post("/upload/?undo")
        self.assertEqual(testing.published_events(), [])
        self.assertFalse(Outbox.objects.exists())
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A site in `tmp_path`: its settings are the documentation's."""
    settings, _, *_ = python_in(GUIDE)
    (tmp_path / "settings_of_site.py").write_text(SETTINGS + settings)
    (tmp_path / "pages.py").write_text(PAGES)
    paths = [tmp_path, ROOT, ROOT / "functions" / "send_events"]
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "DJANGO_SETTINGS_MODULE": "settings_of_site",
    }


def run_tests(directory: Path, environment: dict[str, str], *, sent: str, published: str) -> tuple[int, str]:
    """Run the site's tests, which expect these names; return the exit code and what was printed."""
    _, shown, *_ = python_in(GUIDE)
    expected = f"SENT, PUBLISHED = {sent!r}, {published!r}\n"
    (directory / "test_site.py").write_text(f"{shown}\n{expected}{TESTS}")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr


def test_the_tests_of_a_site_pass(tmp_path: Path, environment: dict[str, str]) -> None:
    """In TestCase and in TransactionTestCase."""
    code, printed = run_tests(tmp_path, environment, sent="Audio upload", published="Audio upload")

    assert code == 0, printed
    assert "Ran 6 tests" in printed


def test_a_wrong_expectation_of_a_site_fails(tmp_path: Path, environment: dict[str, str]) -> None:
    """The helpers tell what was sent, not what is expected: one test of each class fails."""
    code, printed = run_tests(tmp_path, environment, sent="Video upload", published="Video upload")

    failed = re.findall(r"^FAIL: (\w+) .*\.(\w+)\.", printed, re.MULTILINE)
    sending, publishing = "test_nothing_commits", "test_what_commits_is_published"
    assert code == 1
    assert sorted(failed) == [
        (sending, "InTestCase"),
        (publishing, "InTransactionTestCase"),
    ]
