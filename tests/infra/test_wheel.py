"""The wheel that the app installs: what is in it, and that it works without the rest of the repository."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What a fresh project does: settings, set-up, one event, checked and encoded.
USE = """
import sys
sys.path.insert(0, sys.argv[1])
import django
from django.conf import settings
memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(
    INSTALLED_APPS=["whyness_mixpanel"],
    USE_TZ=True,
    DATABASES={"default": memory},
    WHYNESS_MIXPANEL={"BACKEND": "locmem"},
)
django.setup()
from django.core.management import call_command
from whyness_mixpanel.backends import locmem
from whyness_mixpanel.models import Event
call_command("check")
call_command("migrate", verbosity=0)
assert Event(event="Home", user=7).send() and '"user":"7"' in locmem.messages[0]
print(Event.__module__, sys.modules["whyness_events"].__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built afresh."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(directory),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=100)  # noqa: S603  (our own command)
    (found,) = directory.glob("*.whl")
    return found


def test_wheel_holds_the_app_and_the_contract_and_nothing_of_the_lambda(wheel: Path) -> None:
    """Django installs the app, its migrations and the contract; the Lambda's own work stays in the Lambda."""
    names = set(zipfile.ZipFile(wheel).namelist())

    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"whyness_mixpanel", "whyness_events", "whyness_ops"}
    assert {"whyness_mixpanel/py.typed", "whyness_events/py.typed", "whyness_events/event.py"} <= names
    assert "whyness_mixpanel/migrations/0001_initial.py" in names
    assert any(name.endswith("entry_points.txt") for name in names)
    assert not any("/delivery/" in name or name.endswith("handler.py") for name in names)


def test_installed_wheel_sends_an_event(wheel: Path, tmp_path: Path) -> None:
    """In a project that has nothing but the wheel and its dependencies, an event is checked and published."""
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(tmp_path),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True, timeout=100)  # noqa: S603  (our own command)

    command = [sys.executable, "-I", "-c", USE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)  # noqa: S603  (our own)

    assert (done.returncode, done.stderr) == (0, "")
    assert str(tmp_path) in done.stdout
