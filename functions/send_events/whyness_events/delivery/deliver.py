"""The flow of an invocation: read, drop repeats, translate, pack, send, settle, report."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from whyness_events import limits
from whyness_events.delivery.decode import read_record
from whyness_events.delivery.exhaust import Patience, exhaust
from whyness_events.delivery.items import Item, Parcel, Record, to_send
from whyness_events.delivery.outcomes import Outcome, Reason
from whyness_events.delivery.packing import RequestLimits, pack
from whyness_events.delivery.ports import LONGEST_CALL_S, Clock, DeadLetters, Log, SenderPool
from whyness_events.delivery.sending import RequestSize, Sending, SendingCounts
from whyness_events.delivery.settle import Settled, Settlement
from whyness_events.delivery.translate import DescribeUseragent, translate
from whyness_events.errors import EventTooLarge

# Records received this often have met trouble: fresher ones do not travel with them ...
_TROUBLED_FROM = 3
# ... and from here on fewer events share a request with each receive, down to one: an event that makes
# requests fail without being named ends up alone.
_HALVED_FROM = 6
# How many requests an invocation surely gets through, with some time to spare.
_TROUBLED_REQUESTS = 500
# Kept back from sending, to settle: for the calls as such, and for each event that may turn out dead ...
_SETTLE_S = 10.0
_SETTLE_EVENT_S = 0.002
# ... but never more than these parts of the whole, however short the function's timeout.
_SETTLE_PART = 0.2
_LAST_CALL_PART = 0.1

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Report:
    """What happened, as numbers.

    Args:
        outcomes: events by outcome.
        details: the first event's detail of each outcome but `delivered`.
        oldest_record_ms: age of the oldest record at the start, by when it was sent.
        delivery_lag_ms: age of the oldest record of which something was delivered, at the end.
        repeats: events that were equal to another one of the invocation.
        strings_cut: strings over 255 bytes, cut.
        internal_faults: records that met a bug of ours; they stay in the queue.
        sending: of the requests.
        delays_lost: records handed back that keep the queue's own visibility timeout.
        settled: of dead letters, rows, and records handed back.
    """

    outcomes: Counter[Reason] = field(default_factory=Counter)
    details: dict[Reason, str] = field(default_factory=dict)
    oldest_record_ms: int = 0
    delivery_lag_ms: int = 0
    repeats: int = 0
    strings_cut: int = 0
    internal_faults: Counter[str] = field(default_factory=Counter)
    sending: SendingCounts = field(default_factory=SendingCounts)
    delays_lost: int = 0
    settled: Settled = field(default_factory=lambda: Settled([]))

    @property
    def event_count(self) -> int:
        """How many events the invocation had."""
        return self.outcomes.total()


@dataclass(slots=True)
class Deliverer:
    """Delivers records; one per container.

    Args:
        pool: posts to Mixpanel.
        dead_letters: the dead-letter queue.
        log: the Log table.
        clock: time.
        rng: jitter.
        describe_useragent: the parser.
        default_identity: for messages without a stamp.
        threads: requests at once.
        answer_timeout_s: how long an answer may take.
        patience: how long a record may wait.
    """

    pool: SenderPool
    dead_letters: DeadLetters
    log: Log
    clock: Clock
    rng: random.Random
    describe_useragent: DescribeUseragent
    default_identity: str
    threads: int
    answer_timeout_s: float
    patience: Patience = field(default_factory=Patience)
    _size: RequestSize = field(default_factory=RequestSize)

    def deliver(self, records: Sequence[Record], *, run_id: str, deadline_s: float) -> Report:
        """Deliver what can be delivered by `deadline_s` of the monotonic clock.

        Returns:
            The report; `settled.failed_message_ids` are the records that must come back.
        """
        report = Report()
        now_ms = int(self.clock.now_s() * 1000)
        report.oldest_record_ms = max((now_ms - r.sent_ms for r in records if r.sent_ms), default=0)
        parcels = [self._read(record, now_ms, report) for record in records]
        report.repeats = drop_repeats(parcels)
        left_s = deadline_s - self.clock.monotonic_s()
        settle_by_s = last_call_s(deadline_s, left_s)
        event_count = sum(len(parcel.items) for parcel in parcels)
        send_by_s = settle_by_s - min(_SETTLE_S + _SETTLE_EVENT_S * event_count, _SETTLE_PART * left_s)
        self._send(parcels, send_by_s, report)
        exhaust(parcels, self.patience, now_ms=now_ms)
        _count_outcomes(parcels, report)
        settlement = Settlement(self.dead_letters, self.log, self.clock, run_id)
        report.settled = settlement.settle(parcels, deadline_s=settle_by_s)
        report.delivery_lag_ms = self._delivery_lag_ms(parcels)
        return report

    def _batches(self, parcels: Sequence[Parcel]) -> Iterator[Sequence[Item]]:
        for group in by_trouble(parcels):
            items = to_send(group)
            most = events_per_request(group[0].record.receive_count, sum(map(len, items)))
            yield from pack(items, RequestLimits(most, self._size.limit_bytes))

    def _delivery_lag_ms(self, parcels: Sequence[Parcel]) -> int:
        now_ms = int(self.clock.now_s() * 1000)
        delivered = (p.record for p in parcels if any(i.result.reason is Reason.DELIVERED for i in p.items))
        return max((now_ms - r.sent_ms for r in delivered if r.sent_ms), default=0)

    def _read(self, record: Record, now_ms: int, report: Report) -> Parcel:
        try:
            parcel = read_record(record, now_ms=now_ms, default_identity=self.default_identity)
            for item in parcel.items:
                if item.outcome is None:
                    report.strings_cut += self._encode(item)
        except Exception as bug:  # noqa: BLE001  (one record must not stop the others; counted, kept, alarmed)
            report.internal_faults[type(bug).__name__] += 1
            outcome = Outcome(Reason.RETRY, f"internal fault: {type(bug).__name__}")
            return Parcel(record, [Item(record, 0, outcome=outcome)], whole=True)
        return parcel

    def _encode(self, item: Item) -> int:
        assert item.event is not None  # noqa: S101  (an item without an outcome has its event)
        translated, cut_count = translate(item.event, item.identity, self.describe_useragent)
        item.encoded = _encode(translated)
        if len(item.encoded) > limits.EVENT_BYTES:
            fault = EventTooLarge(len(item.encoded), limits.EVENT_BYTES)
            item.outcome = Outcome(Reason.OVERSIZED, str(fault))
        return cut_count

    def _send(self, parcels: Sequence[Parcel], deadline_s: float, report: Report) -> None:
        batches = list(self._batches(parcels))
        self._size.grow()
        sending = Sending(
            self.pool,
            self.clock,
            self.rng,
            threads=self.threads,
            answer_timeout_s=self.answer_timeout_s,
            size=self._size,
            deadline_s=deadline_s,
        )
        sending.run(batches)
        report.sending = sending.counts


def last_call_s(deadline_s: float, left_s: float) -> float:
    """Return when the last call to AWS may begin, to be over by `deadline_s`, of `left_s` in all."""
    return deadline_s - min(LONGEST_CALL_S, _LAST_CALL_PART * left_s)


def _count_outcomes(parcels: Iterable[Parcel], report: Report) -> None:
    for parcel in parcels:
        for item in parcel.items:
            outcome = item.result
            report.outcomes[outcome.reason] += 1
            if outcome.reason is not Reason.DELIVERED:
                report.details.setdefault(outcome.reason, outcome.detail)


def by_trouble(parcels: Iterable[Parcel]) -> list[list[Parcel]]:
    """Return the parcels grouped by how much trouble they have met: the freshest first, order kept."""
    groups: dict[tuple[bool, int], list[Parcel]] = {}
    for parcel in parcels:
        count = parcel.record.receive_count
        groups.setdefault((count >= _TROUBLED_FROM, max(count, _HALVED_FROM - 1)), []).append(parcel)
    return [groups[key] for key in sorted(groups)]


def events_per_request(receive_count: int, event_count: int) -> int:
    """Return how many events of records received this often may share a request, of `event_count` in all.

    So many that all of them get their turn: a large record is settled in one invocation or never.
    """
    halved = limits.REQUEST_EVENTS >> max(0, receive_count - _HALVED_FROM + 1)
    return max(1, halved, -(-event_count // _TROUBLED_REQUESTS))


def drop_repeats(parcels: Iterable[Parcel]) -> int:
    """Let each event that is equal to an earlier one share its outcome; return how many.

    Equal means the same bytes for Mixpanel: equal keys with different content are both sent.
    """
    seen: dict[bytes, Item] = {}
    repeats = 0
    for parcel in parcels:
        for item in parcel.items:
            if item.outcome is None and (first := seen.setdefault(item.encoded, item)) is not item:
                item.first = first
                repeats += 1
    return repeats
