"""A row that a process was told of is published by somebody soon, whatever became of the rows before it."""

from pathlib import Path

import pytest

from tests.integration.django.relay_project import RelayProject

IMMEDIATE = {"transaction_mode": "IMMEDIATE", "timeout": 30, "init_command": "PRAGMA journal_mode=WAL"}

# The first row and the second are those of other processes by the time at which the relay looks, the second
# young; the third is committed between its two looks. Milliseconds decide, so that it is tried at several.
SCRIPT = """
from datetime import timedelta
from django.utils import timezone

def claim_for_another():
    until_ = timezone.now() + timedelta(seconds=100)
    Outbox.objects.filter(claimed_until=None).update(claimed_by="another", claimed_until=until_)

for number, pause_s in enumerate((0.02, 0.04, 0.06, 0.08, 0.10)):
    with transaction.atomic():
        send(900 + number)
        claim_for_another()
    time.sleep(0.1)
    Outbox.objects.create(encoded="{}", identity="distinct_id")
    time.sleep(0.17)
    claim_for_another()
    time.sleep(pause_s)
    send(100 + number)
    until(lambda: counters.snapshot()["published"] == number + 1, 4)
"""


@pytest.mark.timeout(60)
def test_row_that_is_committed_between_two_looks_is_not_forgotten(tmp_path: Path) -> None:
    """A look that finds only young rows of others, and then this one, which is younger still, looks again."""
    options = dict[str, object](IMMEDIATE)
    project = RelayProject(
        tmp_path, {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db"), "OPTIONS": options}
    )
    project.run("-m", "django", "migrate", "--verbosity=0")

    project.run(*project.script(SCRIPT))

    assert project.published() == [str(100 + number) for number in range(5)]
