"""Test the Django app on each Django with each Python, each pair in its own environment.

`make matrix` runs all pairs, and skips those whose Python is not here. `make matrix-newest` runs the newest
Django on the newest Python that is here; `make test` the oldest Django on the default Python.
"""

import os
from collections.abc import Mapping
from contextlib import suppress

import nox

from infra.pythons import PythonMissing, find_python

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Oldest first, with the Pythons it supports: https://docs.djangoproject.com/en/6.1/faq/install/ (2026-11-24).
DJANGOS = {"5.2.19": PYTHONS, "6.0.10": PYTHONS[1:], "6.1.3": PYTHONS[1:]}
TESTS = ("tests/unit/django_app", "tests/integration/django")

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.envdir = ".venv-matrix"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False


def pythons_here(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the folder of each Python that is here and can make environments, by its version."""
    folders = {}
    for version in PYTHONS:
        with suppress(PythonMissing):
            folders[version] = str(find_python(version, "ensurepip, venv", environ).parent)
    return folders


def pairs(here: Mapping[str, str]) -> list[nox.param]:
    """Return each Python with each Django that supports it; tag the newest of those that are `here`."""
    *_, (newest, supported) = DJANGOS.items()
    python = next((version for version in reversed(supported) if version in here), supported[-1])
    return [
        nox.param(version, django, tags=["newest"] if (version, django) == (python, newest) else [])
        for django, versions in DJANGOS.items()
        for version in versions
    ]


HERE = pythons_here(os.environ)
# nox looks for them on the PATH only.
os.environ["PATH"] = os.pathsep.join([*HERE.values(), os.environ["PATH"]])


@nox.session
@nox.parametrize("python,django", pairs(HERE))
def app(session: nox.Session, django: str) -> None:
    """Test the app with this Django."""
    session.install("-q", "-r", "requirements/dev.txt", f"Django=={django}")
    session.run("pytest", "-q", "-n", "4", "--dist", "worksteal", "-p", "no:cacheprovider", *TESTS)
