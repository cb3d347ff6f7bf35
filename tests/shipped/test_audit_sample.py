"""The samples that audit each morning: run by sh, with a `python` that says what it was told."""

import argparse
import os
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.shipped.collect import ROOT
from whyness_ops.audit import audit_command

CRON = (ROOT / "docs/samples/mixpanel-audit.cron").read_text()
SERVICE = yaml.safe_load((ROOT / "docs/samples/mixpanel-audit.compose.yaml").read_text())["services"][
    "mixpanel-audit"
]
PYTHON = '#!/bin/sh\necho "$AUDIT_ACCOUNT" "$@"\nexit {code}\n'
DAY_S, AT_S = 86_400, 9 * 3600 + 15 * 60


def program(path: Path, text: str) -> None:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o700)


def run_cron(directory: Path, code: int) -> str:
    """Run the line as cron does, in `directory` instead of /srv/whyness; return what cron would mail."""
    [line] = [line for line in CRON.splitlines() if not line.startswith("#")]
    _, command = line.replace("\\%", "%").split(" whyness ", 1)
    command = command.replace("/srv/whyness", shlex.quote(str(directory)))
    program(directory / "venv/bin/python", PYTHON.format(code=code))
    (directory / "audit.env").write_text("export AUDIT_ACCOUNT=auditor\n")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout + done.stderr


def run_container(directory: Path, code: int, now_s: int) -> tuple[int, str]:
    """Run the service's command as compose does; return its exit code and what it printed."""
    program(directory / "bin/date", f'#!/bin/sh\n[ "$*" = +%s ] && echo {now_s}\n')
    program(directory / "bin/sleep", f'#!/bin/sh\necho "$@" > {shlex.quote(str(directory / "slept"))}\n')
    program(directory / "bin/python", PYTHON.format(code=code))
    environment = {"PATH": f"{directory / 'bin'}:{os.environ['PATH']}", "AUDIT_ACCOUNT": "auditor"}
    command = [word.replace("$$", "$") for word in SERVICE["command"]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode, done.stdout + done.stderr


def assert_audits_yesterday(printed: str) -> None:
    """Fail unless the command takes what it was told: the whole day before this one, with the line."""
    account, *words = printed.split()
    parser = argparse.ArgumentParser(allow_abbrev=False)
    audit_command.add_rules(parser, has_settings=True)
    audit_command.add_results(parser)
    before = datetime.now(UTC)
    options = parser.parse_args(words[2:])
    midnights = {
        int(moment.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
        for moment in (before, datetime.now(UTC))
    }

    assert (account, words[:2]) == ("auditor", ["manage.py", "mixpanel_audit"])
    assert options.until in midnights
    assert options.until - options.since == DAY_S * 1000
    assert options.line


@pytest.mark.parametrize(("code", "mailed"), [(0, False), (1, True), (2, True)])
def test_cron_audits_yesterday_and_mails_only_a_fault(tmp_path: Path, code: int, mailed: bool) -> None:  # noqa: FBT001
    """The report is in the file that the mail names."""
    mail = run_cron(tmp_path, code)

    assert_audits_yesterday((tmp_path / "audit.log").read_text())
    assert ("audit.log" in mail) is mailed
    assert mail == "" or mailed


@pytest.mark.parametrize("code", [0, 1, 2])
def test_container_audits_yesterday_and_begins_again(tmp_path: Path, code: int) -> None:
    """Whatever it found: compose starts the container again, which waits for the next morning."""
    returned, printed = run_container(tmp_path, code, 5 * DAY_S)

    assert_audits_yesterday(printed)
    assert (returned, SERVICE["restart"], SERVICE["init"]) == (code, "always", True)


@pytest.mark.parametrize("of_day_s", [0, 1, AT_S - 1, AT_S, AT_S + 1, DAY_S - 1])
def test_container_waits_until_the_next_morning(tmp_path: Path, of_day_s: int) -> None:
    """Never 0 s, so that an audit that ends at once is not run twice."""
    now_s = 20_000 * DAY_S + of_day_s

    run_container(tmp_path, 0, now_s)

    wait_s = int((tmp_path / "slept").read_text())
    assert 0 < wait_s <= DAY_S
    assert (now_s + wait_s) % DAY_S == AT_S


def test_yesterday_has_settled_by_then() -> None:
    """Its last event is older than `--settled` when either audit begins."""
    minute, hour = CRON.splitlines()[-1].split()[:2]

    assert int(hour) * 3600 + int(minute) * 60 == AT_S
    assert AT_S / 3600 > audit_command.SETTLED_HOURS
