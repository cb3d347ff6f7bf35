"""The troubles that kill processes: the function's runtimes, or the poller with its runtimes."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from local.chaos.lane import Lane
from local.chaos.load import poison_id
from local.chaos.pace import Pace
from local.chaos.troubles import Tally, Trouble, at_mixpanel

_WATCH_S = 0.05
# Seven of them as a suspect. By then all its neighbours must have been delivered.
_POISON_RECEIVES = 10

Watch = Callable[[threading.Event], None]


@contextmanager
def killed(lane: Lane, pace: Pace) -> Iterator[Tally]:
    """Kill the runtimes every few seconds, after Mixpanel imported a request and before it answers."""
    tally = Tally()
    chance = random.Random(1)  # noqa: S311  (a script)

    def watch(over: threading.Event) -> None:
        seen = 0
        while not over.wait(_WATCH_S):
            if (struck := lane.mixpanel.struck()) > seen:
                over.wait(chance.uniform(0, pace.answer_timeout_s / 2))
                tally.count += _kill(lane.runtimes())
                seen = struck
                over.wait(pace.every_s)

    lane.set_queue(visibility_s=pace.short_visibility_s)
    with at_mixpanel({"delay_s": pace.answer_timeout_s / 2})(lane, pace), _watching(watch):
        yield tally


def poisoned(prefix: str) -> Trouble:
    """Kill the only runtime whenever it posts the poison event, before Mixpanel answers."""

    @contextmanager
    def trouble(lane: Lane, pace: Pace) -> Iterator[Tally]:
        tally = Tally()

        def watch(over: threading.Event) -> None:
            seen = 0
            while not over.wait(_WATCH_S):
                if (struck := lane.mixpanel.struck()) > seen:
                    tally.count += _kill(lane.runtimes())
                    seen = struck

        lane.stop_poller()
        lane.set_queue(visibility_s=pace.short_visibility_s, receives=_POISON_RECEIVES)
        # One runtime, so that the record kills only the process that handles it. A short timeout, because
        # suspects are hidden for it and a pause, which must be long enough to differ by whole seconds.
        cap_s = str(max(4.0, pace.redelivery_cap_s))
        lane.start_poller(concurrency=1, timeout_s=max(4, pace.timeout_s // 4), REDELIVERY_CAP_S=cap_s)
        fault = {"body_contains": poison_id(prefix), "connection": "hang"}
        with at_mixpanel(fault)(lane, pace), _watching(watch):
            yield tally
        lane.stop_poller()
        lane.start_poller()

    return trouble


def restarted(stop: Callable[[Lane], None]) -> Trouble:
    """Stop and start the poller again and again."""

    @contextmanager
    def trouble(lane: Lane, pace: Pace) -> Iterator[Tally]:
        tally = Tally()

        def watch(over: threading.Event) -> None:
            while not over.wait(pace.every_s):
                stop(lane)
                lane.start_poller()
                tally.count += 1

        lane.set_queue(visibility_s=pace.short_visibility_s)
        with at_mixpanel({"delay_s": pace.answer_timeout_s / 4})(lane, pace), _watching(watch):
            yield tally

    return trouble


def _kill(pids: list[int]) -> int:
    """Kill processes; return how many there were."""
    killed = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


@contextmanager
def _watching(watch: Watch) -> Iterator[None]:
    """Run `watch` in a thread until the block ends; then raise what it raised."""
    over = threading.Event()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            watch(over)
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that waits)
            raised.append(error)

    thread = threading.Thread(target=run, name="trouble")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if raised:
        raise raised[0]
