"""The flow of an invocation: read, drop repeats, translate, pack, send, settle, report."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from whyness_events.delivery.invocation_report import Report
from whyness_events.delivery.items import Record, RecordEvents, conclude
from whyness_events.delivery.mixpanel.translate import DescribeUseragent, Translator
from whyness_events.delivery.ports import Clock, DeadLetterQueue, Log, SenderPool
from whyness_events.delivery.reading.reader import Reader, waiting_whole
from whyness_events.delivery.sending.container_state import ContainerState
from whyness_events.delivery.sending.grouping import Repeats, batches, drop_delivered, keep_delivered
from whyness_events.delivery.sending.in_flight import InFlight
from whyness_events.delivery.sending.pacing import Concurrency
from whyness_events.delivery.sending.sender import Sender
from whyness_events.delivery.sending.setup_breaker import BREAKER_S, SetupBreaker
from whyness_events.delivery.settling.exhaust import (
    LONGEST_WAIT_S,
    SUSPECT_FROM,
    Patience,
    exhaust,
    given_up_unread,
)
from whyness_events.delivery.settling.redelivery import HandedBack, Redelivery
from whyness_events.delivery.settling.settlement import Settlement

# Time kept for settling: for two calls that hang, and for every event that may have to be dead-lettered ...
_SETTLE_S = 20.0
_SETTLE_EVENT_S = 0.002
# ... but never more than this part of the time left, however short the function's timeout.
_SETTLE_PART = 0.3
# Time kept for the last calls: the delays of records, and the rows about waiting events.
_LAST_S, _LAST_PART = 2.0, 0.05
# Parts of the time left: for records that are given up unread, for fresh records if there are suspects, for
# hiding the suspects, and for reading those that can no longer be sent.
_UNREAD_PART = 0.5
_FRESH_PART = 0.5
_HIDE_PART = 0.15
_LEFT_PART = 0.2
_NO_TIME = "returned to the queue: the invocation ran out of time before its turn"


@dataclass(slots=True)
class Deliverer:
    """Delivers records; one per container.

    Args:
        pool: posts to Mixpanel.
        dead_letters: the dead-letter queue.
        log: the Log table.
        redelivery: sets when records return from the source queue.
        clock: time.
        rng: for jitter.
        describe_useragent: parses User-Agent headers.
        default_identity: one of `wire.IDENTITIES`, for messages without a stamp.
        threads: the most requests at once.
        answer_timeout_s: the longest wait for an answer.
        patience: how long a record may wait.
        breaker_s: how long to send nothing while the setup is wrong, seconds.
        container_state: what the container has learned of Mixpanel.
        translator: the container's translator.
    """

    pool: SenderPool
    dead_letters: DeadLetterQueue
    log: Log
    redelivery: Redelivery
    clock: Clock
    rng: random.Random
    describe_useragent: DescribeUseragent
    default_identity: str
    threads: int
    answer_timeout_s: float
    patience: Patience = field(default_factory=Patience)
    breaker_s: float = BREAKER_S
    container_state: ContainerState = field(init=False)
    translator: Translator = field(init=False)

    def __post_init__(self) -> None:
        self.translator = Translator(self.describe_useragent)
        self.container_state = ContainerState(Concurrency(self.threads), SetupBreaker(self.breaker_s))

    def deliver(self, records: Sequence[Record], *, run_id: str, deadline_s: float) -> Report:
        """Deliver what can be delivered until `deadline_s`.

        Args:
            records: of the invocation.
            run_id: the invocation's request id.
            deadline_s: when to return at the latest, by the monotonic clock.

        Returns:
            The report; `settled.failed_message_ids` are the records that must return to the queue.
        """
        size_bytes = self.container_state.size.limit_bytes
        report = _Invocation(self, run_id, deadline_s).run(records)
        if self.container_state.size.limit_bytes == size_bytes:
            self.container_state.size.grow()
        return report


class _Invocation:
    """One invocation.

    Args:
        parts: the container's parts.
        run_id: the invocation's request id.
        deadline_s: when it must end, by the monotonic clock.
    """

    def __init__(self, parts: Deliverer, run_id: str, deadline_s: float) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._report = Report()
        self._now_ms = int(parts.clock.now_s() * 1000)
        self._end_s = deadline_s
        self._left_s = deadline_s - parts.clock.monotonic_s()
        self._work_by_s = deadline_s - min(_LAST_S, _LAST_PART * self._left_s)
        self._repeats = Repeats()
        self._reader = Reader(parts.translator, parts.default_identity)
        in_flight = InFlight(parts.pool, parts.clock, parts.answer_timeout_s, self._report.sending)
        self._sending = Sender(in_flight, parts.clock, parts.rng, parts.container_state)
        self._settlement = Settlement(parts.dead_letters, parts.log, parts.clock, run_id)

    def run(self, records: Sequence[Record]) -> Report:
        """Give up records tried for too long, handle the fresh ones, then the suspects, and report."""
        report = self._report
        records = self._give_up(records)
        suspects = [record for record in records if record.receive_count >= SUSPECT_FROM]
        fresh = [record for record in records if record.receive_count < SUSPECT_FROM]
        part = _FRESH_PART if suspects else 1.0
        self._handle(fresh, self._clock.monotonic_s() + part * self._time_left_s(), is_last=not suspects)
        self._handle_suspects(suspects)
        report.settled.log_writes_lost += self._settlement.finish(deadline_s=self._end_s)
        report.repeats, report.suspects = self._repeats.count, len(suspects)
        report.is_breaker_open = self._parts.container_state.breaker.is_open
        report.strings_cut, report.internal_faults = self._reader.strings_cut, self._reader.internal_faults
        return report

    def _time_left_s(self) -> float:
        return self._work_by_s - self._clock.monotonic_s()

    def _give_up(self, records: Sequence[Record]) -> Sequence[Record]:
        """Settle the records to be given up unread before any other is touched; return the others."""
        first_ms = min([r.sent_ms for r in records if r.sent_ms], default=self._now_ms)
        is_old = self._now_ms - first_ms >= LONGEST_WAIT_S * 1000
        candidates = records if is_old else [r for r in records if r.receive_count >= SUSPECT_FROM]
        if not any(map(self._is_long_over, candidates)):
            return records
        others = [record for record in records if not self._is_long_over(record)]
        unread = [given_up_unread(r, now_ms=self._now_ms) for r in records if self._is_long_over(r)]
        part = _UNREAD_PART if others else 1.0
        by_s = self._clock.monotonic_s() + part * self._time_left_s()
        self._settle(unread, by_s, is_last=not others)
        return others

    def _is_long_over(self, record: Record) -> bool:
        return self._parts.patience.is_long_over(record, now_ms=self._now_ms)

    # --- some records, from reading to settling

    def _handle(self, records: Sequence[Record], by_s: float, *, is_last: bool = False) -> None:
        received = self._reader.read(records, now_ms=self._now_ms)
        self._repeats.drop(received)
        container_state = self._parts.container_state
        drop_delivered(received, container_state.delivered)
        requests = list(batches(received, container_state.size.limit_bytes))
        self._sending.run(requests, deadline_s=by_s - self._settling_s(received, by_s))
        conclude(received)
        keep_delivered(received, container_state.delivered)
        exhaust(received, self._parts.patience, now_ms=self._now_ms)
        self._settle(received, by_s, is_last=is_last)

    def _settling_s(self, received: Sequence[RecordEvents], by_s: float) -> float:
        event_count = sum([len(record_events.items) for record_events in received])
        left_s = by_s - self._clock.monotonic_s()
        return min(_SETTLE_S + _SETTLE_EVENT_S * event_count, _SETTLE_PART * left_s)

    def _settle(self, received: Sequence[RecordEvents], by_s: float, *, is_last: bool) -> None:
        """Settle the records, delay those handed back, and delete the safe ones; Lambda deletes the last."""
        settled = self._settlement.settle(received, deadline_s=by_s)
        self._report.settled.add(settled)
        self._report.count_outcomes(received)
        self._note_ages(received)
        self._report.delays_lost += self._delay(settled.handed_back)
        if not is_last and (receipts := [receipt for receipt in settled.safe_receipts if receipt]):
            deleted = self._parts.redelivery.queue.delete(receipts, deadline_s=self._end_s)
            self._report.deletes_lost += len(receipts) - deleted

    def _delay(self, handed_back: Sequence[HandedBack]) -> int:
        return self._parts.redelivery.delay(handed_back, deadline_s=self._end_s)

    def _note_ages(self, received: Sequence[RecordEvents]) -> None:
        report, now_ms = self._report, int(self._clock.now_s() * 1000)
        oldest_ms = delivered_ms = now_ms
        for record_events in received:
            due_ms = record_events.due_ms
            if 0 < due_ms < oldest_ms:
                oldest_ms = due_ms
            if 0 < due_ms < delivered_ms and record_events.has_delivered:
                delivered_ms = due_ms
        report.oldest_record_ms = max(report.oldest_record_ms, self._now_ms - oldest_ms)
        report.delivery_lag_ms = max(report.delivery_lag_ms, now_ms - delivered_ms)

    # --- suspects

    def _handle_suspects(self, suspects: Sequence[Record]) -> None:
        """Handle the suspects when all other records are safe: one alone, then twice as many, and so on.

        They are hidden first, each for a different time: one that kills the process does not delay the
        others, and it does not share the next invocation with them.
        """
        self._hide(suspects)
        left = list(suspects)
        self._parts.rng.shuffle(left)
        at_once = 1
        while left and self._time_left_s() > self._reserve_s(left):
            group, left = left[:at_once], left[at_once:]
            self._handle(group, self._work_by_s - self._reserve_s(left), is_last=not left)
            at_once *= 2
        self._leave(left)

    def _reserve_s(self, left: Sequence[Record]) -> float:
        """Return the time to keep for settling those that cannot be sent: some may be too old to wait."""
        return min(_SETTLE_EVENT_S * len(left), _LEFT_PART * self._left_s)

    def _hide(self, suspects: Sequence[Record]) -> None:
        if suspects:
            held = [HandedBack(record.receipt_handle, record.receive_count) for record in suspects]
            left_s = self._time_left_s()
            by_s = self._clock.monotonic_s() + _HIDE_PART * left_s
            # A record that is not hidden keeps the queue's own timeout, and gets its pause when it is
            # settled.
            self._parts.redelivery.delay(held, deadline_s=by_s, held_s=left_s)

    def _leave(self, records: Sequence[Record]) -> None:
        """Hand back unread the records that there was no time to handle."""
        received = [waiting_whole(record, _NO_TIME) for record in records]
        self._settle(received, self._work_by_s, is_last=True)
