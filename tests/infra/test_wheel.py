"""The wheel that the app installs: what is in it, and that it works without the rest of the repository."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from whyness_events.version import __version__

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


# What a site without AWS does: the app, the backend mixpanel, an event for an address where nobody listens.
USE_DIRECT = """
import sys
sys.path.insert(0, sys.argv[1])
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["whyness_mixpanel"],
    WHYNESS_MIXPANEL={
        "BACKEND": "mixpanel",
        "MIXPANEL_URL": "http://127.0.0.1:9",
        "PROJECT_ID": 5,
        "SERVICE_ACCOUNT": "account",
        "SERVICE_PASSWORD": "password",
    },
)
django.setup()
from django.core.management import call_command
import whyness_mixpanel.backends.mixpanel as direct
from whyness_mixpanel.publishing import publisher
call_command("check", "--deploy")
direct.DELIVERY_S = 4.0
done = publisher.publish_each(['{"insert_id":"1","event":"a","user":"7","time":1763900000000}'])
print(done.fault, file=sys.stderr)
print(done.confirmed, sys.modules["whyness_events.delivery"].__file__)
"""


def test_wheel_holds_the_app_the_contract_and_the_delivery(wheel: Path) -> None:
    """Django installs the app, its migrations, the contract and what delivers; Lambda keeps the handler."""
    names = set(zipfile.ZipFile(wheel).namelist())

    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"whyness_mixpanel", "whyness_events", "whyness_ops"}
    assert {"whyness_mixpanel/py.typed", "whyness_events/py.typed", "whyness_events/event.py"} <= names
    assert "whyness_mixpanel/migrations/0001_initial.py" in names
    assert any(name.endswith("entry_points.txt") for name in names)
    assert "whyness_events/delivery/deliver.py" in names
    assert not any(name.endswith("handler.py") for name in names)
    page = {path.name for path in (ROOT / "whyness_ops/live/page").iterdir()}
    assert page == {name.rpartition("/")[2] for name in names if name.startswith("whyness_ops/live/page/")}
    assert "live.html" in page


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory in which the wheel is installed; what it depends on is this environment's."""
    directory = tmp_path_factory.mktemp("site")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(directory),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True, timeout=100)  # noqa: S603  (our own command)
    return directory


def run(script: str, site: Path) -> subprocess.CompletedProcess[str]:
    """Run a script that has nothing of this repository but the wheel."""
    command = [sys.executable, "-I", "-c", script, str(site)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=site)  # noqa: S603  (our own)


def test_installed_wheel_sends_an_event(site: Path) -> None:
    """In a project that has nothing but the wheel and its dependencies, an event is checked and published."""
    done = run(USE, site)

    assert (done.returncode, done.stderr) == (0, "")
    assert str(site) in done.stdout


def test_installed_wheel_delivers_by_itself(site: Path) -> None:
    """With the libraries of the extra the backend mixpanel posts: here to a port that refuses."""
    done = run(USE_DIRECT, site)

    assert "connection failed" in done.stderr
    assert "whyness_mixpanel.W" not in done.stderr
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"[False] {site / 'whyness_events/delivery/__init__.py'}"


def test_wheel_has_the_version_and_says_that_it_is_private(wheel: Path) -> None:
    """An index refuses to take it, and nobody takes it for free software."""
    (metadata,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA"))
    lines = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()

    assert f"Version: {__version__}" in lines
    assert "Classifier: Private :: Do Not Upload" in lines
    assert "Classifier: License :: Other/Proprietary License" in lines


def test_extra_has_what_the_function_pins_beside_aws(wheel: Path) -> None:
    """The delivery code is tested with the function's versions: the extra asks for those or newer ones."""
    (metadata,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA"))
    lines = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()
    extra = re.compile(r"Requires-Dist: ([a-z-]+)>=([0-9.]+); extra == 'direct'")
    asked = {found[1]: found[2] for line in lines if (found := extra.fullmatch(line))}

    text = (ROOT / "functions/send_events/requirements.in").read_text().split("# pulled in")[0]
    pinned = dict(re.findall(r"^([a-z-]+)==([0-9.]+)$", text, re.MULTILINE))
    assert asked.keys() == pinned.keys() - {"aws-lambda-powertools", "boto3"}
    assert all(pinned[name].startswith(version) for name, version in asked.items())
