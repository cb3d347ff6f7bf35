"""What happened in an invocation, as numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from whyness_events.delivery.items import RecordEvents
from whyness_events.delivery.sending.in_flight import SendingCounts
from whyness_events.delivery.settling.settlement import Settled
from whyness_events.outcomes import Outcome, Reason

# As many ids of each kind are told of an outcome: enough to find what it is about.
_MOST_IDS = 5


@dataclass(slots=True)
class Examples:
    """Of which events the log speaks.

    Args:
        message_ids: of some of the records.
        insert_ids: of some of the events that have a valid one.
    """

    message_ids: list[str] = field(default_factory=list)
    insert_ids: list[str] = field(default_factory=list)

    def add(self, message_id: str, insert_id: str) -> None:
        """Add the ids of an event, while there are few."""
        for ids, id_ in ((self.message_ids, message_id), (self.insert_ids, insert_id)):
            if len(ids) < _MOST_IDS and id_ and id_ not in ids:
                ids.append(id_)


@dataclass(slots=True)
class Report:
    """What happened, as numbers.

    Args:
        outcomes: events by outcome.
        events_received_first: events of records that were received for the first time.
        details: the first event's detail of each outcome but `delivered`.
        http_statuses: of the answer to that event, 0 where there was none.
        examples: some of the events of each of them.
        oldest_record_ms: age of the oldest record at the start since it was due (`RecordEvents.due_ms`).
        delivery_lag_ms: age of the oldest record of which something was delivered, at the end.
        repeats: events that were equal to another one of the invocation.
        strings_cut: strings over 255 bytes, cut.
        internal_faults: records that met a bug of ours; they stay in the queue.
        sending: of the requests.
        suspects: records that were handled last, for they were received so often.
        is_breaker_open: whether the container believes that its set-up is wrong.
        delays_lost: records that keep the queue's own visibility timeout.
        deletes_lost: records that the queue did not confirm to have deleted; Lambda deletes them later.
        settled: of dead letters, rows, and records handed back.
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
        """How many events the invocation had."""
        return self.outcomes.total()

    def count_outcomes(self, received: Sequence[RecordEvents]) -> None:
        """Add the events of these records."""
        self.events_received_first += sum(
            len(record_events.items)
            for record_events in received
            if record_events.record.receive_count == 1
        )
        if delivered := sum(
            len(record_events.items) for record_events in received if record_events.is_delivered
        ):
            self.outcomes[Reason.DELIVERED] += delivered
        for record_events in received:
            for item in () if record_events.is_delivered else record_events.items:
                self.outcomes[item.result.reason] += 1
                if item.result.reason is not Reason.DELIVERED:
                    self.tell(item.result, item.record.message_id, item.insert_id or item.refused_id)

    def tell(self, outcome: Outcome, message_id: str, insert_id: str = "") -> None:
        """Keep for the log what one event's outcome was."""
        if outcome.reason not in self.details:
            self.details[outcome.reason], self.examples[outcome.reason] = outcome.detail, Examples()
            self.http_statuses[outcome.reason] = outcome.http_status
        self.examples[outcome.reason].add(message_id, insert_id)
