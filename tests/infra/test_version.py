"""One version: of the wheel, of what Mixpanel is told, of the changelog and of all that names the wheel."""

import re
import subprocess

import pytest

from infra.build import ROOT
from tests.builders import make_event, translated
from whyness_events.version import __version__

# A name on PyPI that anybody could register.
BY_NAME = re.compile(r"pip install [^\n]*\bwhyness-mixpanel\b")
WHEEL = re.compile(r"whyness_mixpanel-([^{}]+?)-py3-none-any\.whl")


def texts() -> dict[str, str]:
    """Return what is in the repository and people read or run, without the tests."""
    command = ["git", "ls-files", "*.md", "*.py", "*.toml", "*.txt", "Makefile", ":!tests"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
    return {name: (ROOT / name).read_text() for name in names}


def test_mixpanel_is_told_the_version() -> None:
    """Its reports can tell the events of one version from those of another."""
    sent, _ = translated(make_event(), "distinct_id", lambda _: {})

    assert sent["properties"]["$lib_version"] == __version__


def test_the_changelog_begins_with_the_version() -> None:
    """Its topmost section is about what is built."""
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert heading is not None
    assert heading[1] == __version__


def test_every_text_names_the_wheel_that_is_built() -> None:
    """A page or a hint with another version would name a file that is not there."""
    named = {(name, version) for name, text in texts().items() for version in WHEEL.findall(text)}

    assert {version for _, version in named} == {__version__}
    assert ("README.md", __version__) in named


@pytest.mark.parametrize(
    "text",
    [
        "pip install whyness-mixpanel",
        "pip install 'whyness-mixpanel[direct]'",
        "pip install -U whyness-mixpanel",
    ],
)
def test_the_name_that_anybody_could_register_is_known(text: str) -> None:
    """The pattern of the next test finds each way to write it."""
    assert BY_NAME.search(text)


def test_nothing_says_to_install_by_name() -> None:
    """The wheel is on no index, so a command with the bare name would install a stranger's code."""
    assert [name for name, text in texts().items() if BY_NAME.search(text)] == []
