"""Where the relay works and where it may not: what docs/explanation/publishing.md says of each."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.django.relay_project import ROOT, RelayProject, make_project


@pytest.fixture
def project(tmp_path: Path, migrated: Callable[[RelayProject, Path], RelayProject]) -> RelayProject:
    """A migrated project on SQLite, on which a relay may write."""
    made = make_project(tmp_path, "sqlite")
    made.fill_from(migrated(made, ROOT))
    return made


RECEIVERS = """
import threading
from django.conf import settings
from whyness_mixpanel import signals

page, elsewhere = threading.current_thread(), {}

def hear(name):
    def receiver(*_, **__):
        elsewhere[name] = threading.current_thread() is not page
        return set()
    return receiver

settings.WHYNESS_MIXPANEL["OPT_OUT"] = hear("OPT_OUT")
receivers = {name: hear(name) for name in ("event_published", "publish_failed", "event_parked")}
for name, receiver in receivers.items():
    getattr(signals, name).connect(receiver)

assert send(1, event="") is False
assert elsewhere == {"event_parked": False}, elsewhere
assert send(2, user=7) is True
until(lambda: len(elsewhere) == 3)
assert elsewhere == {"event_parked": False, "OPT_OUT": True, HEARD: True}, elsewhere
"""


@pytest.mark.parametrize(("state", "heard"), [("", "event_published"), ("down", "publish_failed")])
def test_receivers_and_opt_out_run_in_the_relays_thread(
    project: RelayProject, state: str, heard: str
) -> None:
    """There is no request there; only an event that breaks a rule is told of where it was sent."""
    project.be(state)

    project.run(*project.script(RECEIVERS.replace("HEARD", repr(heard))))


# uWSGI forks its workers without Python's hooks, unless lazy-apps or py-call-osafterfork is set.
UNHOOKED = """
import ctypes
assert send(1) is True  # while the application is loaded
until(lambda: not Outbox.objects.exists())
connection.close()
child = ctypes.PyDLL(None).fork()
if not child:
    code = 1
    try:
        assert send(2) is True
        until(lambda: not Outbox.objects.exists(), 5)
        code = 0
    finally:
        os._exit(code)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_a_fork_that_python_does_not_hear_of_has_a_relay_of_its_own(project: RelayProject) -> None:
    """The thread that the parent had is not there, whatever its object says."""
    project.run(*project.script(UNHOOKED))

    assert project.published() == ["1", "2"]


# A sub-interpreter with a GIL of its own (mod_wsgi's WSGIPerInterpreterGIL) has no daemon threads.
NO_DAEMONS = """
import threading
init = threading.Thread.__init__

def refuse(self, *arguments, daemon=None, **named):
    if daemon:
        raise RuntimeError("daemon threads are disabled in this (sub)interpreter")
    init(self, *arguments, daemon=daemon, **named)

threading.Thread.__init__ = refuse
with transaction.atomic():
    assert send(1) is True
"""


def test_where_daemon_threads_are_refused_no_page_fails(project: RelayProject) -> None:
    """The event is in the outbox, for whoever can publish it."""
    project.run(*project.script(NO_DAEMONS))
    project.run("-m", "django", "mixpanel_outbox", "drain", "--verbosity=0")

    assert project.published() == ["1"]
