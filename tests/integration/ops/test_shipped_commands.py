"""The commands of `whyness-mixpanel` in docs and help texts, run in their order on an emulated stack."""

import shlex
from pathlib import Path

import pytest

from tests.builders import make_event
from tests.integration.ops.conftest import Desk
from tests.shipped.collect import commands
from tests.shipped.kinds import Kind, kind_of

TEXTS = sorted({command.text for command in commands() if kind_of(command.text) is Kind.PIPELINE})
_SITE = "mysite.settings"


@pytest.mark.parametrize("text", [text for text in TEXTS if _SITE not in text])
def test_a_command_of_the_tool_succeeds(
    text: str, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dead letters in the queue, and the files that the pages speak of beside it."""
    if " completion " in text:
        pytest.importorskip("shtab", reason="completion needs the wheel's extra `cli`")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fixes.py").write_text("def shorten_names(event):\n    return event\n")
    (tmp_path / "mine.toml").write_text("sqs_request = 0.0000005\n")
    events = [make_event() for _ in range(3)]
    letters = [desk.bury(event) for event in events]
    words = shlex.split(text.replace("MESSAGE_ID", letters[0]).replace("INSERT_ID", events[0].insert_id))

    assert desk.run(*words[1:]) == 0
