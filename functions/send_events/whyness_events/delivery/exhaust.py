"""Pure: when waiting in the queue ends.

SQS would move a record to the dead-letter queue by itself after `maxReceiveCount`, whole and without a
reason, and forgets it after 14 days. Both are far off: 72 hours of total outage dead-letter nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from whyness_events.delivery.items import Parcel, Record
from whyness_events.outcomes import Outcome, Reason

EXHAUST_AFTER_S = 72 * 3600.0
MAX_RECEIVE_COUNT = 1_000
# This many receives before SQS's own count: some of those burn without the function running.
_RECEIVES_TO_SPARE = 20


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
        """Whether the record's waiting events are to be settled now."""
        too_old = record.sent_ms > 0 and now_ms - record.sent_ms >= self.after_s * 1000
        return too_old or record.receive_count >= self.max_receive_count - _RECEIVES_TO_SPARE


def exhaust(parcels: Iterable[Parcel], patience: Patience, *, now_ms: int) -> None:
    """Make what still waits in records that have waited long enough `exhausted`, event by event."""
    for parcel in parcels:
        if parcel.is_delivered or not patience.is_over(parcel.record, now_ms=now_ms):
            continue
        for item in parcel.items:
            last = item.result
            if last.reason.is_waiting:
                item.first = None  # the copy in a fresher record has time left
                item.outcome = _exhausted(parcel.record, last, now_ms)


def _exhausted(record: Record, last: Outcome, now_ms: int) -> Outcome:
    hours = (now_ms - record.sent_ms) // 3_600_000 if record.sent_ms else 0
    waited = f"undelivered after {hours} h and {record.receive_count} receives"
    return Outcome(Reason.EXHAUSTED, f"{waited}; last {last.reason}: {last.detail}", last.http_status)
