"""Log rows rebuilt from the dead letters, after the table refused them."""

from collections import Counter
from collections.abc import Callable, Iterator

from whyness_events import InvalidEvent, parse_event
from whyness_events.log_entry import LogEntry, LogKey, log_key
from whyness_events.outcomes import CRASHED, UNKNOWN
from whyness_ops.dead_letter_message import DeadLetter
from whyness_ops.dead_letter_queue import DeadLetterQueue
from whyness_ops.log_table import LogTable
from whyness_ops.stop import Stop

# Anybody can write a dead letter: what goes into a row must stay within DynamoDB's limits.
_MOST_CHARACTERS = 100
_MOST_DETAIL_CHARACTERS = 1_000
_DETAILS = {
    CRASHED: "moved by SQS: received too often without an outcome",
    UNKNOWN: "the dead letter does not carry a reason",
}


def rebuild(
    queue: DeadLetterQueue,
    log: LogTable,
    *,
    stop: Stop,
    now_ms: int,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> dict[str, int]:
    """Add the missing rows; existing ones do not change.

    Returns:
        How many dead letters (`letters`) were inspected and how many `arrived_since`, how many `rows` were
        added and how many were `present`; `cut_short` is 1 if not all dead letters were inspected.
    """
    counts = Counter[str]()
    with queue.hold(stop) as hold:
        for batch in hold.batches():
            for entry in (entry for dead_letter in batch for entry in entries(dead_letter, now_ms=now_ms)):
                counts["rows" if log.put_new(entry.to_item()) else "present"] += 1
            progress(hold.there_count, hold.snapshot.total)
        is_stopped = stop.is_set() or hold.is_full
    return {
        "letters": hold.there_count,
        "rows": counts["rows"],
        "present": counts["present"],
        "arrived_since": hold.arrived_since,
        "cut_short": int(is_stopped),
    }


def entries(dead_letter: DeadLetter, *, now_ms: int) -> Iterator[LogEntry]:
    """Yield a row for each event of a dead letter, or one row if it has no event."""
    raws = dead_letter.raw_events or [None]
    for position, raw in enumerate(raws):
        computed = log_key(raw, message_id=_source_id(dead_letter), position=position)
        key = dead_letter.log_key if len(raws) == 1 else None
        yield _entry(dead_letter, key or computed, raw, now_ms)


def _entry(dead_letter: DeadLetter, key: LogKey, raw: object, now_ms: int) -> LogEntry:
    detail = dead_letter.told.detail or _DETAILS.get(dead_letter.reason, "")
    return LogEntry(
        key=key,
        reason=dead_letter.reason[:_MOST_CHARACTERS],
        detail=detail[:_MOST_DETAIL_CHARACTERS],
        event=_name(raw, now_ms),
        http_status=dead_letter.told.http_status,
        message_id=_source_id(dead_letter),
        dead_letter_message_id=dead_letter.message_id,
        first_failed_at_ms=dead_letter.sent_ms,
        last_failed_at_ms=min(dead_letter.died_ms or now_ms, now_ms),
    )


def _source_id(dead_letter: DeadLetter) -> str:
    # A message that SQS moved keeps its id.
    return (dead_letter.told.source_message_id or dead_letter.message_id)[:_MOST_CHARACTERS]


def _name(raw: object, now_ms: int) -> str:
    try:
        return parse_event(raw, now_ms=now_ms).event
    except InvalidEvent:
        return ""
