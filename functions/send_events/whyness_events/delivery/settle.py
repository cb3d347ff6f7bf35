"""What makes a record safe: its dead letters confirmed, its Log rows written as far as they go."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from whyness_events.delivery.items import Item, Parcel
from whyness_events.delivery.letters import Letter, write_letters
from whyness_events.delivery.outcomes import Reason
from whyness_events.delivery.ports import Clock, DeadLetters, Log
from whyness_events.delivery.redelivery import HandedBack
from whyness_events.log_entry import LogEntry, LogKey

# Rows are worth this much of everybody's time, and this much more for each.
_LOG_S = 2.0
_LOG_ENTRY_S = 0.002


@dataclass(slots=True)
class Settled:
    """What came of it: the records to hand back, and the losses that metrics count."""

    failed_message_ids: list[str]
    handed_back: list[HandedBack] = field(default_factory=list)
    letters_refused: int = 0
    log_writes_lost: int = 0


@dataclass(slots=True)
class Settlement:
    """Settles an invocation's records.

    Args:
        dead_letters: the dead-letter queue.
        log: the Log table.
        clock: time.
        run_id: of the invocation; the key of the rows about events that wait.
    """

    dead_letters: DeadLetters
    log: Log
    clock: Clock
    run_id: str

    def settle(self, parcels: Sequence[Parcel], *, deadline_s: float) -> Settled:
        """Send dead letters, write rows, and return which records are not safe.

        A record's dead letters go only when all its other events are settled: an outage that brings the
        record back time and again must not multiply them.
        """
        now_ms = int(self.clock.now_s() * 1000)
        finished = [p for p in parcels if not any(i.result.reason.is_waiting for i in p.items)]
        letters: dict[Item, Letter] = {}
        for parcel in finished:
            letters |= write_letters(parcel, now_ms=now_ms)
        sent = self._send(letters, deadline_s)
        logged, lost = self._log(letters, sent, parcels, now_ms, deadline_s)
        safe = {item for item in sent if letters[item].attributes or item in logged}
        settled = {id(p) for p in finished if all(_is_safe(item, safe) for item in p.items)}
        failed = [p for p in parcels if id(p) not in settled]
        message_ids = [p.record.message_id for p in failed]
        return Settled(message_ids, [_handed_back(p) for p in failed], len(letters) - len(sent), lost)

    def _send(self, letters: Mapping[Item, Letter], deadline_s: float) -> dict[Item, str]:
        if not letters:
            return {}
        message_ids = self.dead_letters.send(list(letters.values()), deadline_s=deadline_s)
        return {item: found for item, found in zip(letters, message_ids, strict=True) if found}

    def _log(
        self,
        letters: Mapping[Item, Letter],
        sent: Mapping[Item, str],
        parcels: Sequence[Parcel],
        now_ms: int,
        deadline_s: float,
    ) -> tuple[set[Item], int]:
        """Write rows; return the items whose row is stored, and how many rows were lost.

        Letters that had no room for a reason come first: without the row nobody would know it.
        """
        items = sorted(sent, key=lambda item: bool(letters[item].attributes))
        rows = [_dead_entry(item, letters[item].key, sent[item], now_ms) for item in items]
        rows += _waiting_entries(parcels, self.run_id, now_ms)
        if not rows:
            return set(), 0
        bound_s = self.clock.monotonic_s() + _LOG_S + _LOG_ENTRY_S * len(rows)
        stored = self.log.write(rows, deadline_s=min(deadline_s, bound_s))
        return {item for item, ok in zip(items, stored, strict=False) if ok}, stored.count(False)


def _handed_back(parcel: Parcel) -> HandedBack:
    record = parcel.record
    wait_s = max(item.result.wait_s for item in parcel.items)
    return HandedBack(record.receipt_handle, record.receive_count, wait_s)


def _is_safe(item: Item, safe: set[Item]) -> bool:
    return item.result.reason is Reason.DELIVERED or (item.first or item) in safe


def _dead_entry(item: Item, key: LogKey, dead_letter_message_id: str, now_ms: int) -> LogEntry:
    outcome, record = item.result, item.record
    return LogEntry(
        key=key,
        reason=outcome.reason,
        detail=outcome.detail,
        event=item.event.event if item.event else "",
        http_status=outcome.http_status,
        message_id=record.message_id,
        dead_letter_message_id=dead_letter_message_id,
        attempts=record.receive_count,
        first_failed_at_ms=record.sent_ms,
        last_failed_at_ms=now_ms,
    )


def _waiting_entries(parcels: Iterable[Parcel], run_id: str, now_ms: int) -> list[LogEntry]:
    """Return one row per reason for all that stays in the queue; an outage would write a row per event."""
    waiting: dict[Reason, list[Item]] = defaultdict(list)
    for parcel in parcels:
        for item in parcel.items:
            if item.result.reason.is_waiting:
                waiting[item.result.reason].append(item)
    return [
        LogEntry(
            key=LogKey(f"run#{run_id}", reason),
            reason=reason,
            detail=items[0].result.detail,
            http_status=items[0].result.http_status,
            message_id=items[0].record.message_id,
            attempts=max(item.record.receive_count for item in items),
            first_failed_at_ms=min(item.record.sent_ms for item in items),
            last_failed_at_ms=now_ms,
            count=len(items),
            state="waiting",
        )
        for reason, items in waiting.items()
    ]
