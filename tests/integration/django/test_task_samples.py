"""The samples that run the drain as a task: by Celery's beat, and by django.tasks."""

import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import django
import pytest

from tests.integration.django.relay_project import ROOT, RelayProject, make_project, until

SAMPLES = ROOT / "docs" / "samples"
# The sample has whole minutes, and leaves the broker to the site.
IMPATIENT = """
from mixpanel_outbox_celery import app
app.conf.beat_schedule["drain-mixpanel-outbox"]["schedule"] = 0.3
folder = {folder!r}
options = dict(data_folder_in=folder, data_folder_out=folder, control_folder=folder, processed_folder=folder)
app.conf.update(broker_url="filesystem://", broker_transport_options=options)
"""
THREE = "assert all(send(number) for number in (1, 2, 3))"
TASK = """
from mixpanel_outbox_tasks import drain_mixpanel_outbox
with transaction.atomic():
    transaction.on_commit(drain_mixpanel_outbox.enqueue)
    send(4)
"""
FAILS = """
from mixpanel_outbox_tasks import drain_mixpanel_outbox
result = drain_mixpanel_outbox.enqueue()
assert result.status == "FAILED", result.status
assert "CommandError" in result.errors[0].exception_class_path
"""


@pytest.fixture
def project(tmp_path: Path, migrated: Callable[[RelayProject, Path], RelayProject]) -> RelayProject:
    """A migrated project whose processes leave publishing to a drain."""
    made = make_project(tmp_path, "sqlite")
    made.environment["WHYNESS_MIXPANEL_RELAY"] = "command"
    made.fill_from(migrated(made, ROOT))
    return made


def copy(name: str, directory: Path, *, instead_of: str = "", there_is: str = "") -> None:
    """Copy a sample, with a word of it replaced."""
    text = (SAMPLES / name).read_text()
    assert instead_of in text
    (directory / name).write_text(text.replace(instead_of, there_is) if instead_of else text)


def test_celerys_beat_has_the_outbox_drained(project: RelayProject, tmp_path: Path) -> None:
    """A worker with a beat publishes what the site's processes have written, and ends when it is told to."""
    pytest.importorskip("celery", reason="celery is not installed: `make test` installs it")
    copy("mixpanel_outbox_celery.py", tmp_path)
    folder = tmp_path / "broker"
    folder.mkdir()
    (tmp_path / "impatient.py").write_text(IMPATIENT.format(folder=str(folder)))
    project.run(*project.script(THREE))
    assert project.published() == []

    options = ("--pool=solo", f"--schedule={tmp_path / 'beat'}", "--without-gossip", "--without-mingle")
    worker = project.start("-m", "celery", "-A", "impatient", "worker", "-B", *options)
    try:
        until(lambda: worker.poll() is not None or len(project.published()) == 3)
    finally:
        worker.send_signal(signal.SIGTERM)
        printed, _ = worker.communicate(timeout=30)

    assert worker.returncode == 0, printed
    assert sorted(project.published()) == ["1", "2", "3"], printed
    assert "Left: 0" not in printed, "a useless line each minute"


def test_a_task_of_django_drains_the_outbox(project: RelayProject, tmp_path: Path) -> None:
    """It fails where the queue fails; the next one, enqueued as a page commits, publishes everything."""
    new, old = "from django.tasks import task", "from django_tasks import task"
    if django.VERSION >= (6, 0):
        copy("mixpanel_outbox_tasks.py", tmp_path)
    elif find_spec("django_tasks"):
        copy("mixpanel_outbox_tasks.py", tmp_path, instead_of=new, there_is=old)
    else:
        pytest.skip(
            "Django 5.2 has no django.tasks, and django-tasks is not installed: `make test` installs it"
        )
    project.run(*project.script(THREE))

    project.be("down")
    project.run(*project.script(FAILS))
    assert project.published() == []
    project.be("")
    project.run(*project.script(TASK))

    assert sorted(project.published()) == ["1", "2", "3", "4"]
