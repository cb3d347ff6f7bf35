"""When there are buttons, what the command says, and what it needs."""

import json
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from whyness_ops.cli import main
from whyness_ops.live import live_command as command
from whyness_ops.live.live_command import live, simulator_url
from whyness_ops.options import make_parser
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

HERE, THERE = "http://127.0.0.1:9/1/q", "https://sqs.eu-west-1.amazonaws.com/1/q"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a demo, and with credentials that lead nowhere."""
    monkeypatch.chdir(tmp_path)
    for name in ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "MIXPANEL_SIMULATOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.mark.parametrize(
    ("queue_url", "simulator", "there_are_buttons"),
    [
        (HERE, "http://127.0.0.1:8", True),
        (HERE, "", False),
        (THERE, "http://127.0.0.1:8", False),
        (HERE, "https://api.mixpanel.com", False),
        ("", "http://127.0.0.1:8", False),
    ],
)
def test_buttons_are_for_a_stack_and_a_simulator_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
    queue_url: str,
    simulator: str,
    there_are_buttons: bool,  # noqa: FBT001  (a table)
) -> None:
    """Variables of a demo must not put buttons beside production."""
    monkeypatch.setenv("MIXPANEL_SIMULATOR", simulator)

    assert bool(simulator_url(Stack(queue_url=queue_url))) is there_are_buttons


def test_the_demo_that_is_up_has_buttons(tmp_path: Path) -> None:
    """By its file, without any variable."""
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/demo.env").write_text("export MIXPANEL_SIMULATOR=http://127.0.0.1:8\n")

    assert simulator_url(Stack(queue_url=HERE)) == "http://127.0.0.1:8"


def test_it_serves_until_it_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    """The address has the token behind '#'; nothing is asked of AWS before somebody looks."""
    options = make_parser().parse_args(["live", "--queue-url", HERE, "--json"])
    stop, pages = Stop(), list[bytes]()
    said: list[str] = []

    def visit(text: str) -> None:
        url = json.loads(text)["url"]
        said.append(url)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url.partition("#")[0]) as page:
            pages.append(page.read())
        stop.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "_say", lambda url, **_: visit(json.dumps({"url": url})))
        assert live(options, stop) == 0

    address, _, token = said[0].partition("/#")
    assert address.startswith("http://127.0.0.1:")
    assert len(token) >= 32
    assert b"<h1>" in pages[0]
    assert token not in "".join(capsys.readouterr())
    assert "live page" not in {thread.name for thread in threading.enumerate()}


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do."""
    with command._listen(0) as taken:
        port = taken.getsockname()[1]
        code = main(["live", "--queue-url", HERE, "--port", str(port)])

    assert code == 3
    assert f"Cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_a_library_that_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    """By the name of the extra."""
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "whyness_ops.live.app", raising=False)

    assert main(["live", "--queue-url", HERE]) == 2
    assert "its extra `live`" in capsys.readouterr().err


def test_a_stack_without_a_queue_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Before a page is served that could show nothing."""
    assert main(["live"]) == 3
    assert "QUEUE_URL" in capsys.readouterr().err
