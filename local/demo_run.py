"""One run of the demo: visit the site, wait until the events have arrived, and account for them."""

import itertools
import time
from collections.abc import Callable, Sequence

from local import inventory
from local.accounting import Fate, Key
from local.demo_account import DemoAccount, RawMessages, SiteReport, demo_account
from local.mishaps import MIXPANEL_MAX_ITEMS, Mishap, make_mishaps
from local.processes import raise_if_interrupted
from local.site import Site
from local.stack import PROJECT_ID, LocalStack
from local.traffic import drive, plan
from whyness_ops.progress import Progress

_SEED = 1
_PATIENCE_S = 60.0
_POLL_INTERVAL_S = 0.2
_LOOK_EVERY = 20  # answers, until the first event has arrived


class Demo:
    """One run on a running stack and site."""

    def __init__(self, stack: LocalStack, site: Site, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._site = site
        self._say = say
        self._doomed: list[Fate] = []
        self._deliverable: set[Key] = set()
        self._visits_began = 0.0
        self._has_arrived = False

    def run(self, event_count: int) -> DemoAccount:
        """Visit the site, wait until the queue is empty, and account for the events."""
        self._stack.mixpanel.change(max_items=MIXPANEL_MAX_ITEMS)
        self._say(f"visiting {self._site.url}: {event_count} requests, each of which sends an event")
        self._visit(event_count)
        self._say("publishing the rest of the outbox, and waiting until the queue is empty")
        self._site.drain()
        self._wait_for_empty_queue()
        self._say("comparing the site's database with Mixpanel, the dead letters and the Log table")
        self._say("auditing: the site's rows against Mixpanel's raw export, by their own command")
        audited_count = self._site.audit(self._stack.simulator_url, PROJECT_ID, self._stack.auditor)
        self._say("sending the profiles of the site's people, and comparing them with its tables")
        self._site.sync_profiles(self._stack.auditor)
        raw = RawMessages(self._deliverable, self._doomed)
        snapshot, log_keys = inventory.take_snapshot(self._stack), inventory.log_keys(self._stack)
        profiles = self._stack.mixpanel.profiles()
        return demo_account(self._site_report(audited_count), raw, snapshot, log_keys, profiles)

    def _visit(self, event_count: int) -> None:
        self._visits_began = time.monotonic()
        with Progress() as progress:
            requests = plan(event_count, self._site.people, seed=_SEED)
            counted = itertools.count(1)
            drive(self._site.url, requests, lambda: self._on_answer(progress, next(counted), event_count))

    def _on_answer(self, progress: Progress, done: int, event_count: int) -> None:
        raise_if_interrupted()
        progress(done, event_count, "requests")
        if not self._has_arrived and done % _LOOK_EVERY == 0 and self._arrived_count():
            self._has_arrived = True
            progress.note(
                f"  the first event arrived at Mixpanel after {time.monotonic() - self._visits_began:.1f} s"
            )
        if done == (event_count + 1) // 2:
            mishaps = make_mishaps(time.time_ns() // 1_000_000)
            progress.note(f"  sending {len(mishaps)} kinds of raw messages, most of them with a bad event")
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
        return self._stack.mixpanel.event_count()

    def _site_report(self, audited_count: int) -> SiteReport:
        counters = self._site.counters()
        failed_count = counters["lost"] + counters["invalid"]  # all others were published, or drained
        published_count = counters["logged"] - failed_count
        logged, profiles = self._site.logged(), self._site.profiles()
        return SiteReport(logged, published_count, failed_count, audited_count, profiles)
