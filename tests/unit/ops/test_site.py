"""`redrive --site`: what the Django site's command is given."""

import os
import sys

import pytest

from whyness_ops.cli import main


class ReplacedError(Exception):
    """Raised where the process would become another program."""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Collect the programs that this process would become."""
    collected: list[list[str]] = []

    def become(path: str, command: list[str]) -> None:
        assert path == sys.executable
        collected.append(command[3:])
        raise ReplacedError

    monkeypatch.setattr(os, "execv", become)
    for name in ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "LOG_TABLE_NAME", "WHYNESS_MIXPANEL_SITE"):
        monkeypatch.delenv(name, raising=False)
    return collected


@pytest.mark.parametrize(
    ("arguments", "environment", "forwarded"),
    [
        (["--all", "--site", "a.b"], {}, ["--all"]),
        (["--site=a.b", "--since", "2026-11-23", "--json"], {}, ["--since", "2026-11-23", "--json"]),
        (["--limit", "3"], {"WHYNESS_MIXPANEL_SITE": "a.b"}, ["--limit", "3"]),
        (["--site", "x", "--site", "a.b", "--all"], {"WHYNESS_MIXPANEL_SITE": "y"}, ["--all"]),
        (
            ["--all", "--site", "a.b", "--log-table", "Log"],
            {"QUEUE_URL": "q", "DEAD_LETTER_QUEUE_URL": "-d"},
            ["--all", "--log-table", "Log", "--queue-url=q", "--dead-letter-queue-url=-d", "--log-table=Log"],
        ),
    ],
)
def test_sites_command_gets_the_options_and_the_stack(
    commands: list[list[str]],
    arguments: list[str],
    environment: dict[str, str],
    forwarded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As given, without --site, and with what the environment says."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ReplacedError):
        main(["redrive", *arguments])

    assert commands == [["whyness_mixpanel.management.redrive_site", "a.b", *forwarded]]


@pytest.mark.usefixtures("commands")
def test_warning_names_the_new_command(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, where it does not disturb --json."""
    with pytest.raises(ReplacedError):
        main(["redrive", "--all", "--site", "a.b"])

    out, err = capsys.readouterr()
    assert (out, "manage.py mixpanel_redrive" in err) == ("", True)
