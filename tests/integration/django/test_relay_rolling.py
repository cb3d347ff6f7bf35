"""A rolling deployment: the last release before the relay and this one, on one outbox and one queue."""

import io
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.integration.django.conftest import Migrated
from tests.integration.django.relay_project import ROOT, RelayProject, both

LAST_WITHOUT_RELAY = "3a8169f2122aa5167bd2b7e6ff0f1de3912d7ac2"
DRAIN = ("-m", "django", "mixpanel_outbox", "drain")
# Of either release.
SITE = """
import json, sys, time
import django
django.setup()
from django.db import connection, transaction
from whyness_mixpanel.models import Event, Outbox

def send(number, **fields):
    given = {"event": "A", "user": 7, "insert_id": number, "time": 1763900000000 + int(number)}
    return Event(**given | fields).send()
"""


@pytest.fixture(scope="session")
def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last release before the relay, as it was committed."""
    git = shutil.which("git")
    if not git:
        pytest.skip("git is not installed: the release before the relay is taken from the history")
    command = [git, "-C", str(ROOT), "archive", LAST_WITHOUT_RELAY, "whyness_mixpanel", "functions"]
    archived = subprocess.run(command, capture_output=True, check=False, timeout=60)  # noqa: S603  (git)
    if archived.returncode:
        pytest.skip(f"this clone has no commit {LAST_WITHOUT_RELAY[:7]}, the last one before the relay")
    directory = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory


@pytest.fixture
def old(unmigrated: RelayProject, old_code: Path, migrated: Migrated) -> RelayProject:
    """A site that the release before the relay has migrated, under that release."""
    unmigrated.fill_from(migrated(unmigrated, old_code))
    return unmigrated.with_code(old_code)


def script(text: str) -> list[str]:
    """Return arguments for a script that either release runs."""
    return ["-c", SITE + text]


def four_fields(project: RelayProject) -> list[tuple[object, ...]]:
    """Return the four fields of each event in the queue, sorted."""
    return sorted(
        (event["event"], event["user"], event["time"], event["insert_id"]) for event in project.events()
    )


def expected(*numbers: int) -> list[tuple[object, ...]]:
    """Return the four fields of the events with these numbers, each once."""
    return sorted(("A", "7", 1763900000000 + number, str(number)) for number in numbers)


# 500 events, a fifth of them outside a transaction; another twentieth is rolled back.
SENDER = """
from contextlib import suppress
first = int(sys.argv[1])
for number in range(first, first + 500):
    if number == first + 150:
        print("migrate", flush=True)
    if number % 5 == 0:
        assert send(number) is True
    else:
        with transaction.atomic():
            assert send(number) is True
    if number % 20 == 0:
        with suppress(KeyError), transaction.atomic():
            send(number + 5000)
            raise KeyError
    time.sleep(0.003)
while Outbox.objects.exists():  # none is claimed by a process that has ended
    time.sleep(0.05)
"""


@both
def test_old_and_new_code_share_an_outbox_while_it_is_migrated(
    unmigrated: RelayProject, old: RelayProject
) -> None:
    """A thousand events of both and of their drains, before, during and after `migrate`: each once."""
    drains = [site.start(*DRAIN, "--loop", "--interval=1") for site in (old, unmigrated)]
    senders = [old.start(*script(SENDER), "1000"), unmigrated.start(*script(SENDER), "2000")]
    for sender in senders:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "migrate\n"
    unmigrated.run("-m", "django", "migrate", "--verbosity=0")
    for sender in senders:
        printed, _ = sender.communicate(timeout=60)
        assert sender.returncode == 0, printed
    for drain in drains:
        drain.send_signal(signal.SIGTERM)
        printed, _ = drain.communicate(timeout=60)
        assert drain.returncode == 0, printed

    assert four_fields(unmigrated) == expected(*range(1000, 1500), *range(2000, 2500))


# An outage, a process that was killed with what it had claimed, and an event that broke a rule.
LEAVE = """
with transaction.atomic():
    assert send(1) is True
with transaction.atomic():
    assert send(2) is True
assert send(3, event="") is False
"""
TAKE_OVER = """
from django.core.management import call_command
Outbox.objects.filter(state="pending").update(claimed_by="killed", claimed_until="2020-01-01T00:00Z")
call_command("mixpanel_outbox", "drain")
call_command("mixpanel_outbox", "status")
row = Outbox.objects.get()
row.encoded = json.dumps(json.loads(row.encoded) | {"event": "A"})
row.save()
call_command("mixpanel_outbox", "release", "--all")
call_command("mixpanel_outbox", "drain")
"""


@both
@pytest.mark.parametrize("is_forward", [True, False], ids=["deployed", "rolled-back"])
def test_what_one_release_leaves_the_other_publishes_shows_and_releases(
    unmigrated: RelayProject, old: RelayProject, migrated: Migrated, *, is_forward: bool
) -> None:
    """Forward before `migrate` has run, and back with the table of the newer release."""
    first, second = (old, unmigrated) if is_forward else (unmigrated, old)
    if not is_forward:
        unmigrated.fill_from(migrated(unmigrated, ROOT))
    first.be("down")
    first.run(*script(LEAVE))
    first.be("")

    printed = second.run(*script(TAKE_OVER)).splitlines()

    assert {"published 2, left 0", "Published: 2. Left: 0."} & set(printed)
    assert "default: 0 pending; 1 parked" in printed
    assert any(line.startswith("  1 parked: event: ") for line in printed)
    assert {"released 1, still parked 0", "Released: 1. Still parked: 0."} & set(printed)
    assert printed[-1] in {"published 1, left 0", "Published: 1. Left: 0."}
    assert four_fields(second) == expected(1, 2, 3)
