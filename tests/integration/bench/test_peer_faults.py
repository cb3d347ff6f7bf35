"""The peers' fault table is measured from end to end; so few events and short faults show little more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.peer_faults import clients
from bench.peer_faults.cells import NO_FAULT, PROJECT, Fault
from bench.peer_faults.offer import Offer
from bench.programs import Failed, has_peers
from local.emulator import MINISTACK

ROOT = Path(__file__).parents[3]
THROTTLED = Fault("429", {"status": 429})
_BEGIN = "import sys; print('ready', flush=True); sys.stdin.read(); "
_SAYS = "print('noise'); print('{\"raised\": {\"Oops\": 2}}')"


def cell(tmp_path: Path, code: str, fault: Fault = NO_FAULT, patience_s: float = 30) -> str:
    """Return what the cell of a client with this code says."""
    offer = Offer(100, patience_s, tmp_path)
    return clients._cell([sys.executable, "-c", code], offer, fault, tmp_path).to_text()


def test_a_client_begins_when_the_fault_does_and_is_read_at_its_end(tmp_path: Path) -> None:
    """It sends nothing before its input ends; its last line counts."""
    assert cell(tmp_path, _BEGIN + _SAYS) == "lost 100, raised Oops 2 times"


def test_a_client_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    """The table says so, and the command goes on."""
    assert cell(tmp_path, _BEGIN + "import time; time.sleep(60)", patience_s=1) == (
        "lost 100, hung: stopped after 1 s without a request"
    )


def test_a_slow_client_is_not_taken_for_one_that_hangs(tmp_path: Path) -> None:
    """It may take longer than the patience, as long as it sends."""
    sends = (
        "import os, time, urllib.request, contextlib\n"
        "for _ in range(8):\n"
        "    time.sleep(0.5)\n"
        "    with contextlib.suppress(OSError):\n"
        "        urllib.request.urlopen(os.environ['MIXPANEL_API_URL'] + '/import', b'[]')\n"
    )

    assert cell(tmp_path, _BEGIN + sends + _SAYS, patience_s=3) == "lost 100, raised Oops 2 times"


@pytest.mark.parametrize(
    "code", ["", "print('hello')", _BEGIN, _BEGIN + "raise KeyError", _BEGIN + "print(1)"]
)
def test_a_client_that_fails_is_no_figure(tmp_path: Path, code: str) -> None:
    """A program that ends too early or without its last line would look like one that loses everything."""
    with pytest.raises(Failed):
        cell(tmp_path, code)


def test_a_fault_that_never_struck_is_no_figure(tmp_path: Path) -> None:
    """A client that sends nothing would otherwise prove that it loses nothing to the fault, or all."""
    with pytest.raises(Failed, match="never struck"):
        cell(tmp_path, _BEGIN + _SAYS, THROTTLED)


@pytest.mark.skipif(not has_peers(), reason="`make peer-faults` installs the other clients")
@pytest.mark.skipif(not MINISTACK.exists(), reason="`make demo` installs the emulator")
def test_one_command_measures_each_cell() -> None:
    """Without a fault nobody loses anything; under a fault this project loses and keeps nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.peer_faults", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured.keys() == {*clients.CLIENTS, PROJECT}
    assert {(cell["lost"], cell["kept"]) for cell in measured[PROJECT]} == {(0, 0)}
    assert {column[0]["lost"] for column in measured.values()} == {0}
    assert done.stdout.count("| 413 above 10,000 bytes |") == 2
