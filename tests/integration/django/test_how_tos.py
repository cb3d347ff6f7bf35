"""The code of docs/how-to: one shop made of all of it, and what each page promises of its part."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from tests.django_support import override
from tests.shipped.collect import ROOT
from tests.shipped.pages import blocks, how_tos, python_in

SETTINGS = """
SECRET_KEY = "x"
ALLOWED_HOSTS = ["localhost"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "whyness_mixpanel", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
WHYNESS_MIXPANEL = {"BACKEND": "locmem"}
"""
MODELS = """
from django.conf import settings
from django.db import models


class Plan(models.Model):
    title = models.TextField()


class Payment(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE)
    create_date = models.DateTimeField(auto_now_add=True)


class Click(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    create_date = models.DateTimeField(auto_now_add=True)


class OptOut(models.Model):
    person = models.TextField()
"""
# A second source, beside the one that a page shows.
CLICKS = """
        from whyness_mixpanel.models import Event

        register(Source(name="clicks", model="shop.Click", build=lambda row: Event(event="Click")))
"""
# The site has no worker: its tasks are called.
CELERY = "def shared_task(function):\n    return function\n"
# Pages whose code stands by itself, and the test that runs it.
ELSEWHERE = {
    "how-to/install.md": "below",
    "how-to/redrive.md": "tests/integration/ops/test_shipped_commands.py",
    "how-to/run-without-aws.md": "below",
    "how-to/test-your-site.md": "tests/unit/django_app/test_testcases.py",
    "how-to/upgrade.md": "below",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What came of each page, in a site with the code of all."""
    directory = tmp_path_factory.mktemp("site")
    (directory / "shop").mkdir()
    (directory / "settings.py").write_text(SETTINGS)
    (directory / "shop/models.py").write_text(MODELS)
    (directory / "celery.py").write_text(CELERY)
    for page in how_tos():
        for block in blocks(page):
            if block.path:
                with (directory / block.path).open("a") as file:
                    file.write(block.text)
    with (directory / "shop/apps.py").open("a") as file:
        file.write(CLICKS)
    return run(directory)


def run(directory: Path) -> dict[str, str]:
    """Run the site's own script."""
    paths = [directory, ROOT, ROOT / "functions/send_events"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "DJANGO_SETTINGS_MODULE": "settings",
    }
    command = [sys.executable, "-W", "error", str(Path(__file__).with_name("how_to_site.py"))]
    done = subprocess.run(  # noqa: S603  (the test's own script)
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


WITH_FILES = [page for page in how_tos() if any(block.path for block in blocks(page))]


@pytest.mark.parametrize("page", WITH_FILES)
def test_the_code_of_a_page_does_what_the_page_says(page: str, told: dict[str, str]) -> None:
    """In one site with the code of all other pages, so that none contradicts another."""
    assert told[page] == ""


@pytest.mark.parametrize("page", [page for page, test in ELSEWHERE.items() if test == "below"])
def test_settings_that_stand_alone_are_whole(page: str) -> None:
    """A site that takes them passes the system checks, but for what the environment has yet to give."""
    [shown] = python_in(page)
    given: dict[str, Any] = {}
    exec(shown, given)  # noqa: S102  (our own page)

    with override(**given["WHYNESS_MIXPANEL"]):
        ids = {found.id for found in run_checks() if str(found.id).startswith("whyness_mixpanel.")}

    assert given.get("INSTALLED_APPS") in (None, [..., "whyness_mixpanel"])
    assert ids <= {"whyness_mixpanel.W004", "whyness_mixpanel.W007"}


def test_no_code_of_a_how_to_is_left_out() -> None:
    """Each block of Python is a part of the site, or is run by the test that `ELSEWHERE` names."""
    alone = {
        page for page in how_tos() for block in blocks(page) if block.language == "python" and not block.path
    }

    assert alone == set(ELSEWHERE)
