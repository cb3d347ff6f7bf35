"""A handler of a signal runs in the middle of whatever the main thread does, also while that holds a lock."""

import signal

import pytest

from tests.shipped.collect import ROOT, tracked
from whyness_ops.stop import Stop, stopped_by_signals

HANDLING = [path for path in tracked("*.py", ":!tests") if "signal.signal(" in path.read_text()]


def test_no_handler_can_wait_for_the_lock_of_an_event() -> None:
    """`Event.set()` takes the lock that `Event.wait()` holds for a moment: then the process never ends."""
    assert {"stop.py", "outbox_drain.py", "poller_process.py"} <= {path.name for path in HANDLING}
    assert [str(path.relative_to(ROOT)) for path in HANDLING if "threading.Event(" in path.read_text()] == []


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_stop_that_is_set_by_a_handler_ends_the_wait(seconds: float) -> None:
    """Before the wait and within it; 60 seconds would fail the test's own timeout."""
    stop = Stop()
    before = signal.signal(signal.SIGALRM, lambda *_: stop.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        while not stop.is_set():
            stop.wait(seconds)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert stop.is_set()


def test_a_stop_is_told_also_in_the_middle_of_a_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A buffered stream that is being written raises RuntimeError when its thread writes again."""

    class Busy:
        def write(self, _: str) -> None:
            raise RuntimeError("reentrant call")

    monkeypatch.setattr("sys.stderr", Busy())
    with stopped_by_signals() as stop:
        signal.raise_signal(signal.SIGTERM)

    assert stop.is_set()
    assert "SIGTERM: stopping" in capfd.readouterr().err
