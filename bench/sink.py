"""Run a sink, a server that only counts, as a process."""

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def running_sink(module: str, *arguments: str) -> Iterator[str]:
    """Run `module`, which prints a line of JSON with its URL; yield the URL, and stop it at the end."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout  # noqa: S101  (it is a pipe)
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def ask(url: str, path: str = "/") -> dict[str, Any]:
    """Return a sink's counts."""
    with urllib.request.urlopen(url + path, timeout=30) as answer:  # noqa: S310  (loopback, by http)
        counted: dict[str, Any] = json.load(answer)
        return counted
