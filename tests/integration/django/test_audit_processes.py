"""The expected events of an audit, made by two processes: the same ones, and they end with the command."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.django.relay_project import ROOT, RelayProject, both, make_project, until
from whyness_events.delivery.items import Record
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.reading.decode import read_group

SETTINGS = """
INSTALLED_APPS += ["django.contrib.contenttypes", "example.whyness_django", "example.whyness_crm"]
TIME_ZONE = "UTC"
PROCESSES = int(os.environ.get("PROCESSES", "1"))
def opt_out(people):
    if os.environ.get("FAULTY"):
        raise ZeroDivisionError
    with open(os.environ["QUEUE"] + ".pids", "a") as pids:
        pids.write(f"{os.getpid()}\\n")
    until_s = time.monotonic() + 60
    while len(set(open(os.environ["QUEUE"] + ".pids"))) < PROCESSES and time.monotonic() < until_s:
        time.sleep(0.01)  # the first could do it all before the second has started
    time.sleep(float(os.environ.get("SLOW_S", "0")))
    return {"8"} & people
WHYNESS_MIXPANEL |= {
    "HISTORY_BEFORE": "2025-11-01T00:00:00+00:00",
    "OPT_OUT": opt_out,
    "PROJECT_ID": 1,
    "PROJECT_TIME_ZONE": "UTC",
}
"""
# Each row of another person, so that OPT_OUT is asked about each page.
ROWS = """
import django
django.setup()
from django.core.management import call_command
from tests.unit.django_app.rows import CREATED, LONG_BEFORE, make_activities, make_click
call_command("migrate", verbosity=0)
for person in range(1, 13):
    make_activities(1, user_id=person, created=LONG_BEFORE if person % 3 else CREATED)
make_activities(1, title=" ")
make_click(contact_id=7, is_prospect=True)
call_command("mixpanel_backfill", "activity")
call_command("mixpanel_backfill", "contact-click")
"""
EXPECTED = """
import sys
from pathlib import Path
import django
django.setup()
from whyness_mixpanel import sources
from whyness_mixpanel.sources import expected, expected_ranges
from whyness_mixpanel.sources.expected_rows import Asked
expected_ranges.RANGE_ROWS = int(sys.argv[2])
directory = Path(sys.argv[1])
written = expected_ranges.write_expected(
    [sources.get(name) for name in sources.names()],
    Asked(directory, expected.period(0, 1_795_000_000_000), "distinct_id", 1_795_000_000_000, False),
    on_trouble=lambda source, key, why: print(source, key, why),
    is_stopped=lambda: False,
)
print(written.refused, len(written.files))
"""
AUDIT = """
import sys
import django
django.setup()
from django.core.management import execute_from_command_line
from whyness_mixpanel.sources import expected_ranges
expected_ranges.RANGE_ROWS = 1
execute_from_command_line(sys.argv)
"""
PERIOD = ("--since", "2025-01-01", "--until", "2026-01-01", "--export-url", "http://127.0.0.1:9")


def filled(project: RelayProject) -> RelayProject:
    """Return a project with rows, some of which are published."""
    project.set(SETTINGS)
    project.run("-c", ROWS)
    pids(project).unlink()
    return project


def pids(project: RelayProject) -> Path:
    """Return the file to which each process writes its id when it asks who opted out."""
    return Path(f"{project.queue}.pids")


def workers(project: RelayProject) -> list[int]:
    """Return the processes that have asked so far."""
    return sorted({int(pid) for pid in pids(project).read_text().split()}) if pids(project).exists() else []


@both
def test_two_processes_expect_what_one_does_and_what_a_backfill_sent(
    unmigrated: RelayProject, tmp_path: Path
) -> None:
    """Old rows and new ones, one without an event, and a person who opted out."""
    project = filled(unmigrated)
    results = []
    for name, range_rows, processes in (("alone", 1_000, 1), ("together", 2, 2)):
        (directory := tmp_path / name).mkdir()
        project.environment["PROCESSES"] = str(processes)
        printed = project.run("-c", EXPECTED, str(directory), str(range_rows)).splitlines()
        lines = [line for path in directory.iterdir() for line in path.read_text().splitlines()]
        assert len(workers(project)) == processes
        pids(project).unlink()
        results.append((printed[:-1], int(printed[-1].split()[0]), sorted(lines)))

    assert results[0] == results[1]
    troubles, refused, lines = results[0]
    assert (len(troubles), refused) == (1, 1)
    assert troubles[0].startswith("activity 13 was skipped: event: found a blank string")
    marked = [line for line in lines if line.endswith(',"absent":"suppressed"}')]
    assert len(marked) == 1
    assert sorted(set(lines) - set(marked)) == sorted(translated(project))


def translated(project: RelayProject) -> Iterator[str]:
    """Yield what the delivery code makes of what was published."""
    translator = Translator(lambda _: {})
    for body in project.queue.read_text().splitlines():
        [read] = read_group([Record("1", body)], now_ms=1_795_000_000_000, default_identity="none")
        for item in read.items:
            assert item.event is not None
            yield translator.translate([item.event], [item.identity])[0][0].decode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> RelayProject:
    """A site with rows, that all audits of this module read."""
    return filled(make_project(tmp_path_factory.mktemp("site"), "sqlite"))


@contextmanager
def audit_at_work(site: RelayProject) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """Yield an audit whose two processes are slow, and their ids."""
    pids(site).unlink(missing_ok=True)
    with start(site, SLOW_S="0.5", PROCESSES="2") as process:
        try:
            until(lambda: len(workers(site)) == 2, 60)
            yield process, workers(site)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def start(site: RelayProject, **environment: str) -> "subprocess.Popen[str]":
    """Start an audit with other processes, in a process group of its own."""
    return subprocess.Popen(  # noqa: S603  (our own code)
        [sys.executable, "-c", AUDIT, "mixpanel_audit", *PERIOD],
        env={**site.environment, "AUDIT_ACCOUNT": "a", "AUDIT_PASSWORD": "MARKER", **environment},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def has_ended(pid: int) -> bool:
    """Whether a process has ended; its parent may not know yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_ctrl_c_ends_all_of_them_and_is_said(site: RelayProject) -> None:
    """It reaches all three processes; the first one decides."""
    with audit_at_work(site) as (process, both_workers):
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)

        assert process.returncode == 130, told
        assert "Stopped." in told
        assert "Traceback" not in told
        until(lambda: all(map(has_ended, both_workers)))


def test_a_killed_process_is_a_sentence(site: RelayProject) -> None:
    """Nothing is judged by what the other one made."""
    with audit_at_work(site) as (process, (first, _)):
        os.kill(first, signal.SIGKILL)
        _, told = process.communicate(timeout=60)

        assert process.returncode == 2, told
        assert "was killed" in told
        assert "Traceback" not in told


def test_they_end_with_a_command_that_was_killed(site: RelayProject) -> None:
    """It cannot tell them, and they would keep their connections for ever."""
    with audit_at_work(site) as (process, both_workers):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        until(lambda: all(map(has_ended, both_workers)))


def test_a_fault_in_another_process_is_told(site: RelayProject) -> None:
    """With the same sentence and exit code as where one process makes all."""
    with start(site, FAULTY="1") as process:
        _, told = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "OPT_OUT raised ZeroDivisionError" in told
    assert "Traceback" not in told
