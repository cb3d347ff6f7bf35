"""Pure: when waiting in the queue ends.

SQS would move a record to the dead-letter queue by itself after `maxReceiveCount`, whole and without a
reason, and forgets it after 14 days. Both are far off: 72 hours of total outage dead-letter nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from whyness_events.delivery.items import Item, Record, RecordEvents
from whyness_events.outcomes import Outcome, Reason

EXHAUST_AFTER_S = 72 * 3600.0
MAX_RECEIVE_COUNT = 1_000
# Whoever is still there so long after that was tried many times, and each time the function did not live to
# settle it.
UNREAD_AFTER_S = 24 * 3600.0
# Two days before SQS forgets it, a record gets no more tries, however few it had.
LONGEST_WAIT_S = 12 * 86_400.0
# SQS keeps none longer: where one seems older, a clock is wrong, and its receives alone count.
_RETENTION_S = 14 * 86_400.0
# This many receives before SQS's own count: some of those burn without the function running.
RECEIVES_TO_SPARE = 20
# Received so often, a record may be what kills the process, or takes all its time. Less often, it may be old
# because the function was switched off.
SUSPECT_FROM = 4


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a record may wait.

    Args:
        after_s: since it was sent.
        max_receive_count: the queue's own `maxReceiveCount`.
    """

    after_s: float = EXHAUST_AFTER_S
    max_receive_count: int = MAX_RECEIVE_COUNT

    def is_over(self, record: Record, *, now_ms: int) -> bool:
        """Whether the record's waiting events are to be settled now, after one more try."""
        return age_s(record, now_ms) >= self.after_s

    def is_long_over(self, record: Record, *, now_ms: int) -> bool:
        """Whether the record is to be given up unread: it may be what ends the process each time."""
        if record.receive_count >= self.max_receive_count - RECEIVES_TO_SPARE:
            return True
        is_suspect = record.receive_count >= SUSPECT_FROM
        most_s = self.after_s + UNREAD_AFTER_S if is_suspect else LONGEST_WAIT_S
        return most_s <= age_s(record, now_ms) <= _RETENTION_S


def age_s(record: Record, now_ms: int) -> float:
    """Return for how long the record has waited; 0 where its moment is unknown, or in the future."""
    return max(0, now_ms - record.sent_ms) / 1000 if record.sent_ms else 0.0


def exhaust(received: Iterable[RecordEvents], patience: Patience, *, now_ms: int) -> None:
    """Make what still waits in records that have waited long enough `exhausted`, event by event.

    Not what waits for its time: it was not even tried.
    """
    for record_events in received:
        if record_events.is_delivered or not patience.is_over(record_events.record, now_ms=now_ms):
            continue
        for item in record_events.items:
            last = item.result
            if last.reason.is_waiting and last.reason is not Reason.EARLY:
                item.first = None  # the copy in a fresher record has time left
                waited = _waited(record_events.record, now_ms)
                detail = f"undelivered after {waited}; last {last.reason}: {last.detail}"
                item.outcome = Outcome(Reason.EXHAUSTED, detail, last.http_status)


def given_up_unread(record: Record, *, now_ms: int) -> RecordEvents:
    """Return the record as one dead letter, verbatim: nothing of it is read."""
    waited = _waited(record, now_ms)
    detail = f"given up unread after {waited}: it may be what stops the function each time it is read"
    return RecordEvents(record, [Item(record, 0, outcome=Outcome(Reason.EXHAUSTED, detail))], whole=True)


def _waited(record: Record, now_ms: int) -> str:
    return f"{age_s(record, now_ms) // 3600:.0f} h and {record.receive_count} receives"
