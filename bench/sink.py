"""A server in a process of its own, that only counts."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def running_sink(module: str, *arguments: str) -> Iterator[str]:
    """Run `module`, which prints one line of JSON with its URL; give the URL, and stop it at the end."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout  # noqa: S101  (it is a pipe)
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
