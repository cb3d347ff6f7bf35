"""One run of the demo: make events happen on the site, wait for them, and collect where they went."""

import itertools
import time
from collections.abc import Callable, Sequence

from local import inventory
from local.mishaps import MIXPANEL_MAX_ITEMS, Mishap, make_mishaps
from local.processes import raise_if_interrupted
from local.reconcile import (
    DeadLetter,
    Expected,
    Fate,
    Found,
    Key,
    Reconciliation,
    Waiting,
    key_at_mixpanel,
    keys_in,
    reconcile,
)
from local.site import Site
from local.stack import LocalStack
from local.traffic import drive, plan
from whyness_events.dead_letter import DeadLetterAttributes
from whyness_events.outcomes import CRASHED
from whyness_ops.progress import Progress

_SEED = 1
_PATIENCE_S = 60.0
_POLL_INTERVAL_S = 0.2
_LOOK_EACH = 20  # answers, until the first event has arrived


class Demo:
    """One run over a stack and a site that are up."""

    def __init__(self, stack: LocalStack, site: Site, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._site = site
        self._say = say
        self._doomed: list[Fate] = []
        self._deliverable: set[Key] = set()
        self._visits_began = 0.0
        self._has_arrived = False

    def run(self, event_count: int) -> Reconciliation:
        """Make the events happen, wait until the queue is empty, and account for them."""
        inventory.change_mixpanel(self._stack, max_items=MIXPANEL_MAX_ITEMS)
        self._say(f"visiting {self._site.url}: {event_count} requests, each logs an event and sends it")
        self._visit(event_count)
        self._say("draining the site's outbox, and waiting until the queue is empty")
        self._site.drain()
        self._wait_for_empty_queue()
        self._say("comparing the site's database with Mixpanel, the dead letters and the Log table")
        expected = Expected(self._site.logged(), self._deliverable, self._doomed)
        return reconcile(expected, self._found())

    def _visit(self, event_count: int) -> None:
        self._visits_began = time.monotonic()
        with Progress() as progress:
            requests = plan(event_count, self._site.people, seed=_SEED)
            counted = itertools.count(1)
            drive(self._site.url, requests, lambda: self._on_answer(progress, next(counted), event_count))

    def _on_answer(self, progress: Progress, done: int, event_count: int) -> None:
        raise_if_interrupted()
        progress(done, event_count, "requests")
        if not self._has_arrived and done % _LOOK_EACH == 0 and self._arrived_count():
            self._has_arrived = True
            progress.note(
                f"  after {time.monotonic() - self._visits_began:.1f} s the first event is at Mixpanel"
            )
        if done == (event_count + 1) // 2:
            mishaps = make_mishaps(time.time_ns() // 1_000_000)
            progress.note(f"  sending raw messages of {len(mishaps)} kinds, nearly all of them bad")
            self._send(mishaps)

    def _send(self, mishaps: Sequence[Mishap]) -> None:
        sqs = self._stack.account.client("sqs")
        for mishap in mishaps:
            for _ in range(mishap.copies):
                sent = sqs.send_message(QueueUrl=self._stack.resources.queue_url, MessageBody=mishap.body)
                self._doomed += [
                    Fate(sent["MessageId"], reason, mishap.by_mixpanel) for reason in mishap.reasons
                ]
            self._deliverable.update(mishap.delivered)

    def _wait_for_empty_queue(self) -> None:
        total = self._site.counters()["published"] + len(self._deliverable)
        give_up_at = time.monotonic() + _PATIENCE_S
        arrived = 0
        with Progress() as progress:
            while inventory.queued_message_count(self._stack) and time.monotonic() < give_up_at:
                before, arrived = arrived, self._show_arrived(progress, total)
                if arrived > before:
                    give_up_at = time.monotonic() + _PATIENCE_S
                raise_if_interrupted()
                time.sleep(_POLL_INTERVAL_S)
            self._show_arrived(progress, total)

    def _show_arrived(self, progress: Progress, total: int) -> int:
        arrived = self._arrived_count()
        progress(arrived, total, "events at Mixpanel")
        return arrived

    def _arrived_count(self) -> int:
        return inventory.counts_at_mixpanel(self._stack)["unique"]

    def _found(self) -> Found:
        counters = self._site.counters()
        failed_count = counters["lost"] + counters["invalid"]  # all else was published, or drained
        return Found(
            published_count=counters["logged"] - failed_count,
            failed_count=failed_count,
            at_mixpanel=[key_at_mixpanel(event) for event in inventory.events_at_mixpanel(self._stack)],
            dead_letters=[_dead_letter(message) for message in inventory.dead_letters(self._stack)],
            log_keys=inventory.log_keys(self._stack),
            waiting=[Waiting(id_, keys_in(body)) for id_, body in inventory.queued_messages(self._stack)],
        )


def _dead_letter(message: inventory.DeadLetterMessage) -> DeadLetter:
    told = DeadLetterAttributes.decode(message.attributes)
    fate = Fate(told.source_message_id, told.reason or CRASHED, bool(told.http_status))
    return DeadLetter(fate, str(told.log_key or ""), keys_in(message.body))
