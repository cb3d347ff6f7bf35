"""The sample that audits each morning: its line run by sh, with a `python` that says what it was told."""

import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.shipped.collect import ROOT
from whyness_ops.audit import audit_command
from whyness_ops.option_types import moment

SAMPLE = (ROOT / "docs/samples/mixpanel-audit.cron").read_text()
PYTHON = '#!/bin/sh\necho "$AUDIT_ACCOUNT" "$@"\nexit {code}\n'


def run(directory: Path, code: int) -> str:
    """Run the line as cron does, in `directory` instead of /srv/whyness; return what cron would mail."""
    [line] = [line for line in SAMPLE.splitlines() if not line.startswith("#")]
    _, command = line.replace("\\%", "%").split(" whyness ", 1)
    command = command.replace("/srv/whyness", shlex.quote(str(directory)))
    (directory / "venv/bin").mkdir(parents=True)
    (directory / "venv/bin/python").write_text(PYTHON.format(code=code))
    (directory / "venv/bin/python").chmod(0o700)
    (directory / "audit.env").write_text("export AUDIT_ACCOUNT=auditor\n")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout + done.stderr


@pytest.mark.parametrize(("code", "mailed"), [(0, False), (1, True), (2, True)])
def test_it_audits_yesterday_and_mails_only_a_fault(tmp_path: Path, code: int, mailed: bool) -> None:  # noqa: FBT001
    """Whole days, as the command takes them; the report is in the file that the mail names."""
    before = datetime.now(UTC).date()
    mail = run(tmp_path, code)
    days = {before, datetime.now(UTC).date()}

    account, *words = (tmp_path / "audit.log").read_text().split()
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert (account, words[:2]) == ("auditor", ["manage.py", "mixpanel_audit"])
    assert {moment(options["--until"])} <= {moment(str(day)) for day in days}
    assert moment(options["--until"]) - moment(options["--since"]) == 86_400_000
    assert ("audit.log" in mail) is mailed
    assert mail == "" or mailed


def test_yesterday_has_settled_by_then() -> None:
    """Its last event is older than `--settled` when the audit begins."""
    minute, hour = SAMPLE.splitlines()[-1].split()[:2]

    assert int(hour) + int(minute) / 60 > audit_command.SETTLED_HOURS
