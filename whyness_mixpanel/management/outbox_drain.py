"""The action `drain` of `mixpanel_outbox`: once, in a loop, or as a dry run."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from django.core.management.base import CommandError

from whyness_mixpanel import conf
from whyness_mixpanel.management.outbox_status import Write, bounded_count, in_words
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.publishing.drain import Drained, drain
from whyness_mixpanel.publishing.worker import Worker
from whyness_mixpanel.views import MOST_COUNTED
from whyness_ops.stop import Stop

# The shortest pause of a loop.
MOST_OFTEN_S = 0.2


def drain_outboxes(
    aliases: Sequence[str], write: Write, *, loop: bool, dry_run: bool, is_own_program: bool, **options: Any
) -> None:
    """Publish the pending events.

    Signals are handled only if `is_own_program`, not within another program such as a worker of Celery.
    """
    if dry_run:
        for alias in aliases:
            write(f"{alias}: would publish {in_words(bounded_count(outbox.pending(alias)))} events.")
        return
    if not conf.ENABLED.get():
        raise CommandError("Nothing was published: the setting ENABLED is False.")
    if conf.BACKEND.get() == "sqs" and not conf.QUEUE_URL.get():
        raise CommandError(
            f"Nothing was published: QUEUE_URL is not set. Set it in {conf.DICT_NAME} to the stack's output "
            "QueueUrl."
        )
    stop = Stop()
    with _stopped_by_signals(stop) if is_own_program else nullcontext():
        if loop:
            _drain_for_ever(aliases, stop, **options)
            return
        done = _drain_once(aliases, write, stop, **options)
    if options["verbosity"]:
        left = sum(bounded_count(outbox.pending(alias)) for alias in aliases)
        write(f"Published: {done.published}. Left: {in_words(left)}.")
    if done.refused:
        raise CommandError(
            f"{done.refused} events were not published: {done.fault}. They stay in the outbox. Run the "
            "command again."
        )


def _drain_for_ever(aliases: Sequence[str], stop: Stop, *, interval: int, batch: int, **_: Any) -> None:
    worker = Worker(is_wanted=lambda: not stop.is_set(), claim_rows=batch)
    while not stop.is_set():
        for alias in aliases:
            worker.look_for_more(alias)
        worker.work()
        stop.wait(max(MOST_OFTEN_S, min(interval, worker.next_due_s() - time.monotonic())))


def _drain_once(  # noqa: PLR0913  (the options of the action)
    aliases: Sequence[str],
    write: Write,
    stop: Stop,
    *,
    batch: int,
    limit: int | None,
    verbosity: int,
    **_: Any,
) -> Drained:
    total = Drained()
    for alias in aliases:
        tell = _progress(alias, write) if verbosity else lambda _: None
        done = drain(alias, claim_rows=batch, limit=limit, is_wanted=lambda: not stop.is_set(), progress=tell)
        total.published += done.published
        total.refused += done.refused
        total.fault = total.fault or done.fault
    return total


def _progress(alias: str, write: Write) -> Callable[[Drained], None]:
    begun_s = last_s = time.monotonic()

    def tell(done: Drained) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s < 1:
            return
        last_s = now_s
        rate = done.published / max(now_s - begun_s, 0.001)
        left = bounded_count(outbox.pending(alias))
        soon = f", {left / rate:.0f} s to go" if rate and left <= MOST_COUNTED else ""
        write(f"{alias}: {done.published} published, {in_words(left)} left, {rate:.0f}/s{soon}")

    return tell


class _stopped_by_signals:  # noqa: N801  (a context manager)
    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, lambda *_: self._stop.set())

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
