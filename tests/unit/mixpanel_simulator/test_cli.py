import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.mixpanel_simulator import cli
from tests.unit.mixpanel_simulator.builders import PASSWORD, make_events
from tests.unit.mixpanel_simulator.wire import IMPORT, PATIENCE_S, RawConnection, request_bytes, send

ROOT = Path(__file__).parents[3]

Process = subprocess.Popen[str]
Start = Callable[..., tuple[Process, dict[str, Any]]]


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """Return a file with the secret."""
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts the command and gives the process and its first line."""
    processes: list[Process] = []

    def started(*arguments: object) -> tuple[Process, dict[str, Any]]:
        command = [sys.executable, "-m", "local.mixpanel_simulator", *map(str, arguments)]
        process = subprocess.Popen(  # noqa: S603  the command is ours
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        processes.append(process)
        assert process.stdout
        return process, json.loads(process.stdout.readline())

    yield started
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def simulator(password_file: Path) -> list[object]:
    """Return the arguments of a simulator with project 123."""
    return ["--project", "123", "--account", "acct", "--password-file", password_file]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_leaves_nothing(
    start: Start, simulator: list[object], number: signal.Signals
) -> None:
    """Even with a request that hangs; the status is 0 and nothing is printed but the first line."""
    process, ready = start(*simulator)
    assert (ready["mode"], ready["pid"]) == ("simulator", process.pid)
    assert send(ready["url"], make_events(2)).json()["num_records_imported"] == 2
    fault = {"connection": "hang"}
    assert requests.post(ready["url"] + "/_simulator/faults", json=fault, timeout=PATIENCE_S).ok

    with RawConnection(ready["url"]) as hanging:
        hanging.send(request_bytes(make_events(1)))
        assert hanging.is_silent_for_a_while()
        os.kill(process.pid, number)
        output = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode, output) == (0, ("", ""))
    with pytest.raises(ConnectionRefusedError):
        RawConnection(ready["url"])


def test_options_reach_the_settings(start: Start, password_file: Path) -> None:
    """Two projects, one of them elsewhere, and a limit."""
    _, ready = start(
        *("--project", "1", "--project", "2:eu", "--project", "3:us:tok", "--account", "acct"),
        *("--password-file", password_file, "--max-events", 1, "--unknown-project-status", 400),
        *("--no-clamp-future", "--identity", "original", "--events-per-s", 1),
    )

    def status(project_id: str, count: int = 1, auth: tuple[str, str] = ("acct", PASSWORD)) -> int:
        url = ready["url"] + IMPORT.replace("123", project_id)
        return requests.post(url, json=make_events(count), auth=auth, timeout=PATIENCE_S).status_code

    assert [status("1"), status("1", 2), status("2"), status("9")] == [200, 400, 401, 400]
    assert status("3", auth=("tok", "")) == 200


def test_sink_counts_in_a_process_of_its_own(start: Start) -> None:
    """Without any other option."""
    process, ready = start("--sink")

    requests.post(ready["url"] + "/import", json=[1, 2, 3], timeout=PATIENCE_S)

    assert (ready["mode"], ready["pid"]) == ("sink", process.pid)
    stats = requests.get(ready["url"] + "/_simulator/stats", timeout=PATIENCE_S).json()
    assert stats["events"] == 3


def test_given_port_is_used_and_a_taken_one_is_an_error(
    start: Start, simulator: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    """Which says so."""
    _, ready = start(*simulator)
    port = ready["url"].rpartition(":")[2]

    with pytest.raises(SystemExit) as caught:
        cli.main([*map(str, simulator), "--port", port])

    assert caught.value.code == 2
    assert "in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give --project, --account and --password-file, or --sink"),
        (["--project", "1", "--account", "a"], "Give --project"),
        (["--project", "1", "--account", "a", "--password-file", "/nowhere/at/all"], "No such file"),
        (["--project", "1:mars", "--account", "a", "--password-file", __file__], "region of project 1"),
        (["--project", "1", "--account", "a", "--password-file", os.devnull], "must not be empty"),
        (["--region", "mars"], "invalid choice"),
        (["--max-events", "many"], "invalid int"),
    ],
)
def test_bad_arguments_end_with_what_to_do(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And status 2."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)

    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_help_has_examples_and_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """With its default."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])

    shown = capsys.readouterr().out
    assert caught.value.code == 0
    assert "examples:" in shown
    assert "--max-body-bytes" in shown
    assert "default 10000000" in shown
