"""Rows of the Log made from the dead letters, for those that were lost when the table did not take them."""

from collections.abc import Iterator

from whyness_events import InvalidEvent, parse_event
from whyness_events.log_entry import LogEntry, LogKey, log_key
from whyness_events.outcomes import CRASHED, UNKNOWN
from whyness_ops.dead_letter_queue import DeadLetterQueue
from whyness_ops.letters import DeadLetter
from whyness_ops.log_table import LogTable
from whyness_ops.stop import Stop

_DETAILS = {
    CRASHED: "moved by SQS: received too often without an outcome",
    UNKNOWN: "the letter does not say why it is here",
}


def rebuild(queue: DeadLetterQueue, log: LogTable, *, stop: Stop, now_ms: int) -> dict[str, int]:
    """Put the rows that are missing; one that is there stays as it is.

    Returns:
        How many `letters` were looked at, `rows` put, and rows `present` already.
    """
    counts = {"letters": 0, "rows": 0, "present": 0}
    with queue.hold(stop) as hold:
        for letter in (letter for batch in hold.batches() for letter in batch):
            counts["letters"] += 1
            for entry in entries(letter, now_ms=now_ms):
                put = log.put_new(entry.to_item())
                counts["rows" if put else "present"] += 1
    return counts


def entries(letter: DeadLetter, *, now_ms: int) -> Iterator[LogEntry]:
    """Yield a row for each event of a letter, or one for the whole."""
    raws = letter.raw_events or [None]
    for position, raw in enumerate(raws):
        computed = log_key(raw, message_id=_source_id(letter), position=position)
        key = letter.log_key if len(raws) == 1 else None
        yield _entry(letter, key or computed, raw, now_ms)


def _entry(letter: DeadLetter, key: LogKey, raw: object, now_ms: int) -> LogEntry:
    return LogEntry(
        key=key,
        reason=letter.reason,
        detail=letter.told.detail or _DETAILS.get(letter.reason, ""),
        event=_name(raw, now_ms),
        http_status=letter.told.http_status,
        message_id=_source_id(letter),
        dead_letter_message_id=letter.message_id,
        first_failed_at_ms=letter.sent_ms,
        last_failed_at_ms=letter.died_ms or now_ms,
    )


def _source_id(letter: DeadLetter) -> str:
    # A message that SQS moved keeps its id.
    return letter.told.source_message_id or letter.message_id


def _name(raw: object, now_ms: int) -> str:
    try:
        return parse_event(raw, now_ms=now_ms).event
    except InvalidEvent:
        return ""
