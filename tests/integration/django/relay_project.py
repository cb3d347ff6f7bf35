"""A project whose queue is a file: what several processes have published can be read, and it can be down."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]

SETTINGS = """
import json, os, time
SECRET_KEY = "x"
INSTALLED_APPS = ["whyness_mixpanel"]
DATABASES = {"default": json.loads(os.environ["DATABASE"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
WHYNESS_MIXPANEL = {"QUEUE_URL": "http://127.0.0.1:9/1/events", "REGION": "us-east-1", "RAISE_INVALID": False}
from whyness_mixpanel.backends import Answer, sqs
def publish(bodies, *, group="live"):
    state = os.environ["QUEUE"] + ".state"
    told = open(state).read() if os.path.exists(state) else ""
    with open(os.environ["QUEUE"] + ".calls", "a") as calls:
        calls.write(f"{time.time()} {len(bodies)} {group}\\n")
    if told == "down":
        raise TimeoutError
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
        self.queue = directory / "queue"
        (directory / "relay_settings.py").write_text(SETTINGS)
        paths = [str(directory), str(ROOT), str(ROOT / "functions" / "send_events")]
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(paths),
            "DJANGO_SETTINGS_MODULE": "relay_settings",
            "DATABASE": json.dumps(database),
            "QUEUE": str(self.queue),
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start Python with `arguments`."""
        return subprocess.Popen(  # noqa: S603  (our own code)
            [sys.executable, *arguments],
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Run Python with `arguments` and return what it printed; the exit code must be 0."""
        process = self.start(*arguments)
        printed, _ = process.communicate(timeout=90)
        assert process.returncode == 0, printed
        return printed

    def script(self, text: str) -> list[str]:
        """Return arguments for a script in this project."""
        return ["-c", PRELUDE + text]

    def be(self, state: str) -> None:
        """Let the queue be `down`, `slow`, `picky` (it takes no event "Bad"), or `""`, well."""
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


def until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so."""
    deadline = threading.Event()
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        deadline.wait(0.02)
