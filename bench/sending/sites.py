"""The measured sites, on SQLite and PostgreSQL, and their queues."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.run_backfill import QUEUE
from bench.sink import running_sink
from tests.integration.django.postgres import PostgresMissing, server

_OURS = ("WHYNESS_MIXPANEL_", "BENCH_", "AWS_", "DJANGO_")
ATOMIC = {"BENCH_ATOMIC": "1"}


@dataclass(frozen=True, slots=True)
class Queues:
    """URLs of sinks: one answers at once, one after 10 ms, one records when it confirmed each event."""

    quick: str
    slow: str
    recording: str


@dataclass(frozen=True, slots=True)
class Site:
    """A site on one database, with its tables."""

    database: str
    own: Mapping[str, str]

    def run(self, queue: str, *arguments: object, **more: str) -> Any:
        """Return what a program of `bench` measured: the JSON of its last line, None where it has none."""
        done = subprocess.run(
            _command(arguments),
            env=self._environment(queue, more),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        lines = done.stdout.splitlines()
        return json.loads(lines[-1]) if lines else None

    @contextlib.contextmanager
    def ready(self, queue: str, *arguments: object, **more: str) -> Iterator["Ready"]:
        """Start a program of `bench` and give it once it has said that it is ready."""
        pipe, environment = subprocess.PIPE, self._environment(queue, more)
        with subprocess.Popen(
            _command(arguments), env=environment, stdin=pipe, stdout=pipe, text=True
        ) as process:
            yield Ready(process)

    def _environment(self, queue: str, more: Mapping[str, str]) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**inherited, **_publisher(queue), **self.own, **more}


class Ready:
    """A program that begins when it is told so."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def wait(self) -> None:
        """Wait until it is ready.

        Raises:
            SystemExit: it ended before.
        """
        if _pipe(self._process.stdout).readline() != "ready\n":
            raise SystemExit("A program of the benchmark ended before it was ready.")

    def go(self) -> None:
        """Let it begin, or end."""
        _pipe(self._process.stdin).close()

    def measured(self) -> dict[str, Any]:
        """Wait for its end, and return its figures.

        Raises:
            SystemExit: it failed.
        """
        output = _pipe(self._process.stdout).read()
        if self._process.wait() or not output:
            raise SystemExit("A program of the benchmark failed.")
        measured: dict[str, Any] = json.loads(output.splitlines()[-1])
        return measured


@contextlib.contextmanager
def running_queues() -> Iterator[Queues]:
    """Run the sinks."""
    with (
        running_sink("bench.sqs_sink") as quick,
        running_sink("bench.sqs_sink", "--delay-ms=10") as slow,
        running_sink("bench.sqs_sink", "--record") as recording,
    ):
        yield Queues(quick, slow, recording)


@contextlib.contextmanager
def running_sites(directory: Path, queue: str) -> Iterator[tuple[list[Site], Sequence[str]]]:
    """Yield the sites, with their tables, and why other sites are skipped."""
    sites, skipped = [Site("SQLite", {"BENCH_SQLITE": str(directory / "bench.sqlite3")})], []
    with contextlib.ExitStack() as stack:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                port = stack.enter_context(server())
            sites.append(Site("PostgreSQL", {"BENCH_POSTGRES_PORT": str(port)}))
        except PostgresMissing as missing:
            skipped.append(f"PostgreSQL: {missing}")
        for site in sites:
            site.run(queue, "bench.django_site")
        yield sites, skipped


def _publisher(queue: str) -> Mapping[str, str]:
    return {
        "WHYNESS_MIXPANEL_QUEUE_URL": queue + QUEUE,
        "WHYNESS_MIXPANEL_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_SQS": queue,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }


def _command(arguments: Sequence[object]) -> list[str]:
    return [sys.executable, "-m", *map(str, arguments)]


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None  # noqa: S101  (the process has it)
    return pipe
