"""Pure: when a record has waited long enough.

SQS itself would move a record to the dead-letter queue after `maxReceiveCount`, whole and without a reason,
and delete it after 14 days. Both come later than these limits, and an outage of 72 hours dead-letters
nothing.
"""

from collections.abc import Iterable

from msgspec import Struct

from whyness_events.delivery.items import Item, Record, RecordEvents
from whyness_events.outcomes import Outcome, Reason

EXHAUST_AFTER_S = 72 * 3600.0
MAX_RECEIVE_COUNT = 1_000
# A record that is still there after this additional time was tried often, and the function never lived to
# settle it.
UNREAD_AFTER_S = 24 * 3600.0
# Two days before SQS deletes a record, it is given up even if it was tried only a few times.
LONGEST_WAIT_S = 12 * 86_400.0
# SQS keeps no record longer: if one seems older, a clock is wrong, and only its receive count matters.
_RETENTION_S = 14 * 86_400.0
# A record is given up this many receives before SQS moves it: some receives do not reach the function.
RECEIVES_TO_SPARE = 20
# From this receive count on, a record may be what kills the process or takes all its time. Before, it may be
# old only because the function was switched off.
SUSPECT_FROM = 4


class Patience(Struct, frozen=True):
    """How long a record may wait.

    Args:
        after_s: seconds since the record was sent.
        max_receive_count: the queue's own `maxReceiveCount`.
    """

    after_s: float = EXHAUST_AFTER_S
    max_receive_count: int = MAX_RECEIVE_COUNT

    def is_over(self, record: Record, *, now_ms: int) -> bool:
        """Return whether events that wait after this try become `exhausted`; `now_ms` is epoch time."""
        return age_s(record, now_ms) >= self.after_s

    def is_long_over(self, record: Record, *, now_ms: int) -> bool:
        """Return whether to give the record up unread, as it may be what kills the process."""
        if record.receive_count >= self.max_receive_count - RECEIVES_TO_SPARE:
            return True
        is_suspect = record.receive_count >= SUSPECT_FROM
        most_s = self.after_s + UNREAD_AFTER_S if is_suspect else LONGEST_WAIT_S
        return most_s <= age_s(record, now_ms) <= _RETENTION_S


def age_s(record: Record, now_ms: int) -> float:
    """Return the seconds since the record was sent; 0 if that time is unknown or in the future."""
    return max(0, now_ms - record.sent_ms) / 1000 if record.sent_ms else 0.0


def exhaust(received: Iterable[RecordEvents], patience: Patience, *, now_ms: int) -> None:
    """Give waiting events in records that have waited long enough the outcome `exhausted`.

    Early events go on waiting: they were not tried.
    """
    for record_events in received:
        if record_events.is_delivered or not patience.is_over(record_events.record, now_ms=now_ms):
            continue
        for item in record_events.items:
            last = item.result
            if last.reason.is_waiting and last.reason is not Reason.EARLY:
                item.first = None  # the equal event is in a fresher record, which has time left
                waited = _waited(record_events.record, now_ms)
                detail = f"not delivered after {waited}; last outcome {last.reason}: {last.detail}"
                item.outcome = Outcome(Reason.EXHAUSTED, detail, last.http_status)


def given_up_unread(record: Record, *, now_ms: int) -> RecordEvents:
    """Return the record with the outcome `exhausted`, to be dead-lettered as received, without reading it."""
    waited = _waited(record, now_ms)
    detail = f"given up unread after {waited}: reading it may be what stops the function"
    return RecordEvents(record, [Item(record, 0, outcome=Outcome(Reason.EXHAUSTED, detail))], whole=True)


def _waited(record: Record, now_ms: int) -> str:
    return f"{age_s(record, now_ms) // 3600:.0f} h and {record.receive_count} receives"
