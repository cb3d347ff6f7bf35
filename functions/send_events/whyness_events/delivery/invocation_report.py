"""What happened in an invocation, as numbers."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct, field

from whyness_events.delivery.items import Item, RecordEvents
from whyness_events.delivery.sending.in_flight import SendingCounts
from whyness_events.delivery.settling.settlement import Settled
from whyness_events.outcomes import Outcome, Reason

# The log names at most this many records and events of an outcome, enough to find the cause.
_MOST_IDS = 5


class Examples(Struct):
    """Ids of some events with the same outcome, for the log.

    Args:
        message_ids: of their records.
        insert_ids: of those events that have a valid one.
    """

    message_ids: list[str] = field(default_factory=list)
    insert_ids: list[str] = field(default_factory=list)

    def add(self, message_id: str, insert_id: str) -> None:
        """Add the ids of an event, up to the limit."""
        for ids, id_ in ((self.message_ids, message_id), (self.insert_ids, insert_id)):
            if len(ids) < _MOST_IDS and id_ and id_ not in ids:
                ids.append(id_)


class Report(Struct):
    """Counts of an invocation, for the log and the metrics.

    Args:
        outcomes: events by outcome.
        events_received_first: events of records that were received for the first time.
        details: the first event's detail for each outcome but `delivered`.
        http_statuses: the status of the answer to that event, 0 for none.
        examples: some events of each outcome but `delivered`.
        oldest_record_ms: age of the oldest record at the start, since it was due (`RecordEvents.due_ms`).
        delivery_lag_ms: age of the oldest record with a delivered event, at the end.
        repeats: events equal to another one of the invocation.
        strings_cut: strings that were cut to 255 bytes.
        internal_faults: records that met a bug, by the exception's name; they stay in the queue.
        sending: counts of the requests.
        suspects: records that were handled last because they were received often.
        is_breaker_open: whether the container has stopped sending because its setup seems wrong.
        delays_lost: records handed back that keep the queue's own visibility timeout.
        deletes_lost: safe records whose deletion the queue did not confirm; Lambda deletes them later.
        settled: dead letters, rows, and records handed back.
    """

    outcomes: Counter[Reason] = field(default_factory=Counter)
    events_received_first: int = 0
    details: dict[Reason, str] = field(default_factory=dict)
    http_statuses: dict[Reason, int] = field(default_factory=dict)
    examples: dict[Reason, Examples] = field(default_factory=dict)
    oldest_record_ms: int = 0
    delivery_lag_ms: int = 0
    repeats: int = 0
    strings_cut: int = 0
    internal_faults: Counter[str] = field(default_factory=Counter)
    sending: SendingCounts = field(default_factory=SendingCounts)
    suspects: int = 0
    is_breaker_open: bool = False
    delays_lost: int = 0
    deletes_lost: int = 0
    settled: Settled = field(default_factory=Settled)

    @property
    def event_count(self) -> int:
        """Number of events in the invocation."""
        return self.outcomes.total()

    def count_outcomes(self, received: Sequence[RecordEvents]) -> None:
        """Add the outcomes of the records' events."""
        first = delivered = 0
        for record_events in received:
            if record_events.record.receive_count == 1:
                first += len(record_events.items)
            if record_events.is_delivered:
                delivered += len(record_events.items)
            else:
                self._count_each(record_events.items)
        self.events_received_first += first
        if delivered:
            self.outcomes[Reason.DELIVERED] += delivered

    def _count_each(self, items: Sequence[Item]) -> None:
        for item in items:
            self.outcomes[item.result.reason] += 1
            if item.result.reason is not Reason.DELIVERED:
                self.note(item.result, item.record.message_id, item.insert_id or item.refused_id)

    def note(self, outcome: Outcome, message_id: str, insert_id: str = "") -> None:
        """Note an event's outcome and ids for the log."""
        if outcome.reason not in self.details:
            self.details[outcome.reason], self.examples[outcome.reason] = outcome.detail, Examples()
            self.http_statuses[outcome.reason] = outcome.http_status
        self.examples[outcome.reason].add(message_id, insert_id)
