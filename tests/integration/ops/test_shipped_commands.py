"""Commands for operators in docs and help texts, run in their order on an emulated stack."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import make_event
from tests.integration.ops.conftest import Desk
from tests.shipped.collect import commands
from tests.shipped.kinds import Kind, kind_of
from tests.shipped.pages import python_in

TEXTS = sorted({command.text for command in commands() if kind_of(command.text) is Kind.PIPELINE})
_OF_SITE = [text for text in TEXTS if "manage.py" in text]
_ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("text", [text for text in TEXTS if text not in _OF_SITE])
def test_a_command_of_the_tool_succeeds(
    text: str, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dead letters in the queue, and the files that the pages speak of beside it."""
    if " completion " in text:
        pytest.importorskip("shtab", reason="completion needs the wheel's extra `cli`")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fixes.py").write_text(*python_in("how-to/redrive.md"))
    (tmp_path / "mine.toml").write_text("sqs_request = 0.0000005\n")
    events = [make_event() for _ in range(3)]
    dead_letters = [desk.bury(event) for event in events]
    words = shlex.split(text.replace("MESSAGE_ID", dead_letters[0]).replace("INSERT_ID", events[0].insert_id))

    assert desk.run(*words[1:]) == 0


@pytest.mark.parametrize("text", _OF_SITE)
def test_command_of_the_site_succeeds(text: str, desk: Desk, tmp_path: Path) -> None:
    """By a site whose settings name the stack."""
    (tmp_path / "fixes.py").write_text(*python_in("how-to/redrive.md"))
    event = make_event()
    desk.bury(event)
    named = ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "LOG_TABLE_NAME")
    environment = {
        **os.environ,
        **{f"WHYNESS_MIXPANEL_{name}": os.environ[name] for name in named},
        "DJANGO_SETTINGS_MODULE": "tests.integration.ops.suppressing",
        "SUPPRESSING_DATABASE": str(tmp_path / "site.sqlite3"),
        "PYTHONPATH": os.pathsep.join([str(_ROOT), str(_ROOT / "functions/send_events")]),
    }
    _, _, arguments = text.partition("manage.py ")

    done = subprocess.run(  # noqa: S603  (our own)
        [sys.executable, "-m", "django", *shlex.split(arguments)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert "1 matched, 1 " in done.stdout
