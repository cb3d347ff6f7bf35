"""A project whose queue is a file: what several processes have published can be read, and it can be down."""

import copy
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

ROOT = Path(__file__).parents[3]
IMMEDIATE = {"transaction_mode": "IMMEDIATE", "timeout": 30, "init_command": "PRAGMA journal_mode=WAL"}

SETTINGS = """
import json, os, time
SECRET_KEY = "x"
INSTALLED_APPS = ["whyness_mixpanel"]
DATABASES = {"default": json.loads(os.environ["DATABASE"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
WHYNESS_MIXPANEL = {"QUEUE_URL": "http://127.0.0.1:9/1/events", "REGION": "us-east-1", "RAISE_INVALID": False}
from botocore.exceptions import ClientError
from whyness_mixpanel.backends import Answer, sqs
def state():
    path = os.environ["QUEUE"] + ".state"
    return open(path).read() if os.path.exists(path) else ""
def publish(bodies, *, group="live"):
    told = state()
    with open(os.environ["QUEUE"] + ".calls", "a") as calls:
        calls.write(f"{time.time()} {len(bodies)} {group}\\n")
    until_s = time.monotonic() + 60
    while told == "hangs" and time.monotonic() < until_s:
        time.sleep(0.02)
        told = state()
    if told in ("down", "hangs"):
        raise TimeoutError
    if told == "throttles":
        raise ClientError({"Error": {"Code": "Throttling.Exceeded"}}, "SendMessageBatch")
    if told == "slow":
        time.sleep(1)
    refused = {index for index, body in enumerate(bodies) if told == "picky" and '"Bad"' in body}
    with open(os.environ["QUEUE"], "a") as queue:
        queue.write("".join(b + "\\n" for index, b in enumerate(bodies) if index not in refused))
    return Answer(frozenset(range(len(bodies))) - refused, "InternalError" if refused else "")
sqs.publish = publish
"""


class RelayProject:
    """A project in a directory, on one database."""

    def __init__(self, directory: Path, database: Mapping[str, object]) -> None:
        self.queue, self.database = directory / "queue", database
        (directory / "relay_settings.py").write_text(SETTINGS)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": _paths(directory, ROOT),
            "DJANGO_SETTINGS_MODULE": "relay_settings",
            "DATABASE": json.dumps(database),
            "QUEUE": str(self.queue),
        }

    def with_code(self, code: Path) -> "RelayProject":
        """Return the same site, on the same database and queue, under another release of the app."""
        other = copy.copy(self)
        other.environment = self.environment | {"PYTHONPATH": _paths(self.queue.parent, code)}
        return other

    def set(self, text: str) -> None:
        """Add to the project's settings."""
        with (self.queue.parent / "relay_settings.py").open("a") as settings:
            settings.write(text)

    def fill_from(self, template: "RelayProject") -> None:
        """Copy another project's database, before this one is used."""
        name, source = str(self.database["NAME"]), str(template.database["NAME"])
        if "sqlite" in str(self.database["ENGINE"]):
            shutil.copyfile(source, name)
        else:
            port = self.database["PORT"]
            execute(port, f'DROP DATABASE "{name}"', f'CREATE DATABASE "{name}" TEMPLATE "{source}"')

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start Python with `arguments`."""
        return subprocess.Popen(  # noqa: S603  (our own code)
            [sys.executable, *arguments],
            env=self.environment,
            cwd=self.queue.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Run Python with `arguments` and return what it printed; the exit code must be 0."""
        process = self.start(*arguments)
        try:
            printed, _ = process.communicate(timeout=90)
        finally:
            process.kill()  # does nothing where it has ended
        assert process.returncode == 0, printed
        return printed

    def script(self, text: str) -> list[str]:
        """Return arguments for a script in this project."""
        return ["-c", PRELUDE + text]

    def be(self, state: str) -> None:
        """Let the queue be as `state` says, from its next call on.

        Args:
            state: `down`, `throttles`, `slow`, `picky` (it takes no event "Bad"), `hangs` (a call waits until
                the state is another, which it then has), or `""`, well.
        """
        state_file = Path(f"{self.queue}.state")
        fresh = state_file.with_suffix(".new")
        fresh.write_text(state)
        fresh.replace(state_file)

    def published(self) -> list[str]:
        """Return the insert ids in the queue, in order."""
        return [event["insert_id"] for event in self.events()]

    def events(self) -> list[dict[str, Any]]:
        """Return the events in the queue."""
        lines = self.queue.read_text().splitlines() if self.queue.exists() else []
        return [event for line in lines for event in json.loads(line)["events"]]

    def calls(self) -> list[tuple[float, int, str]]:
        """Return when the queue was called, with how many messages, in which group."""
        path = Path(f"{self.queue}.calls")
        lines = path.read_text().splitlines() if path.exists() else []
        return [(float(at), int(count), group) for at, count, group in (line.split() for line in lines)]


def make_project(directory: Path, kind: str, port: object = None) -> RelayProject:
    """Return a project on a database that has no table yet.

    Args:
        directory: of the project.
        kind: `sqlite`, `postgresql`, or `bound`, PostgreSQL with server_side_binding.
        port: of PostgreSQL's server.
    """
    if kind == "sqlite":
        name, options = str(directory / "db"), dict[str, object](IMMEDIATE)
        return RelayProject(
            directory, {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options}
        )
    name = f"site_{uuid4().hex}"
    execute(port, f'CREATE DATABASE "{name}"')
    options = {"server_side_binding": True} if kind == "bound" else {}
    server = {"NAME": name, "USER": "postgres", "HOST": "127.0.0.1", "PORT": port, "OPTIONS": options}
    return RelayProject(directory, {"ENGINE": "django.db.backends.postgresql", **server})


def execute(port: object, *statements: str) -> None:
    """Execute statements on PostgreSQL's server."""
    import psycopg  # noqa: PLC0415  (only where there is a server)

    with psycopg.connect(f"host=127.0.0.1 port={port} user=postgres", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _paths(directory: Path, code: Path) -> str:
    return os.pathsep.join(map(str, (directory, code, code / "functions" / "send_events")))


both = pytest.mark.parametrize("unmigrated", ["sqlite", "postgresql"], indirect=True)
only_sqlite = pytest.mark.parametrize("unmigrated", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("unmigrated", ["postgresql"], indirect=True)

PRELUDE = """
import os, sys, time
import django
django.setup()
from django.db import connection, transaction
from whyness_mixpanel import counters
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.publishing import lanes, memory, relay

def send(number, **fields):
    return Event(**{"event": "A", "insert_id": number, "time": 1763900000000 + int(number)} | fields).send()

def until(is_so, seconds=20):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
"""
# Read all rows twice a second instead of once a minute.
OFTEN = "lanes.EACH_S = 0.5\n"


def until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so."""
    deadline = threading.Event()
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        deadline.wait(0.02)
