"""The commands of manage.py in docs, samples and help texts, run on a copy of the example site."""

import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.local.support import wait_for
from tests.shipped.collect import ROOT, commands
from tests.shipped.kinds import Kind, kind_of
from whyness_mixpanel.models import Event


def _run_of(text: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the variables that a command sets, and its words behind manage.py."""
    before, _, behind = text.partition("manage.py ")
    given = dict(word.split("=", 1) for word in shlex.split(before) if "=" in word)
    given.pop("WHYNESS_MIXPANEL_QUEUE_URL", None)  # the reader's own queue
    return tuple(given.items()), tuple(shlex.split(behind))


TEXTS = sorted({command.text for command in commands() if kind_of(command.text) is Kind.SITE})
# Of texts that set the same variables and end in the same words, whatever begins them, one is run.
DISTINCT = {_run_of(text): text for text in TEXTS}.values()
# It goes on until it is told to end.
_ENDLESS = re.compile(r"--loop|manage\.py serve")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a site that is migrated and seeded; its events are printed."""
    database = tmp_path_factory.mktemp("site") / "site.sqlite3"
    environment = {"PATH": os.environ["PATH"], "EXAMPLE_DATABASE": str(database)}
    for words in (["migrate", "--verbosity=0"], ["seed"]):
        manage(words, environment)
    return environment


@pytest.fixture(autouse=True)
def _parked(site: dict[str, str]) -> None:
    """The parked rows that the examples name; another example may have released or deleted them."""
    with closing(sqlite3.connect(site["EXAMPLE_DATABASE"])) as database, database:
        database.execute("DELETE FROM whyness_mixpanel_outbox WHERE id IN (17, 18)")
        database.executemany(
            "INSERT INTO whyness_mixpanel_outbox"
            " (id, encoded, identity, user, state, reason, attempts, claimed_by)"
            " VALUES (?, ?, 'distinct_id', '5', 'parked', 'too large', 0, '')",
            [(id_, Event(event="Click", user="5").json()) for id_ in (17, 18)],
        )


def manage(words: list[str], environment: dict[str, str]) -> None:
    """Run a command of manage.py, which must succeed; one without an end gets SIGTERM once it listens."""
    command = [sys.executable, str(ROOT / "example/manage.py"), *words]
    with subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        if _ENDLESS.search(f"manage.py {shlex.join(words)}"):
            wait_for(lambda: process.poll() is not None or listens_to_sigterm(process.pid))
            process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
    assert process.returncode == 0, printed


def listens_to_sigterm(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM (proc(5), SigCgt)."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & 1 << signal.SIGTERM - 1)


@pytest.mark.parametrize("text", DISTINCT)
def test_a_command_of_the_site_succeeds(text: str, site: dict[str, str]) -> None:
    """As whoever copies it would run it, with their variables before it."""
    given, words = _run_of(text)

    manage([*words], {**site, **dict(given)})


def test_each_sample_of_a_drain_is_among_them() -> None:
    """Whoever copies a sample has a drain: an option that is refused shows here."""
    samples = [
        c for c in commands() if c.place.startswith("docs/samples/mixpanel-outbox") and "manage.py" in c.text
    ]

    assert {Path(sample.place).suffix for sample in samples} == {".cron", ".service", ".yaml"}
    assert {sample.text for sample in samples} <= set(TEXTS)
