"""What makes a record safe: its dead letters confirmed, its Log rows written as far as they go."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from whyness_events.delivery.items import Item, Parcel, Record
from whyness_events.delivery.letters import Letter, write_letters
from whyness_events.delivery.outcomes import Reason
from whyness_events.delivery.ports import Clock, DeadLetters, Log
from whyness_events.delivery.redelivery import HandedBack
from whyness_events.log_entry import LogEntry, LogKey

# Rows are worth this much of an invocation's time, and this much more for each.
_LOG_S = 2.0
_LOG_ENTRY_S = 0.002


@dataclass(slots=True)
class Settled:
    """What came of it: the records that are safe, those to hand back, and the losses that metrics count."""

    failed_message_ids: list[str] = field(default_factory=list)
    handed_back: list[HandedBack] = field(default_factory=list)
    safe_receipts: list[str] = field(default_factory=list)
    letters_refused: int = 0
    rows_delivered: int = 0
    log_writes_lost: int = 0

    def add(self, other: "Settled") -> None:
        """Add what came of more records."""
        self.failed_message_ids += other.failed_message_ids
        self.handed_back += other.handed_back
        self.safe_receipts += other.safe_receipts
        self.letters_refused += other.letters_refused
        self.rows_delivered += other.rows_delivered
        self.log_writes_lost += other.log_writes_lost


@dataclass(slots=True)
class Settlement:
    """Settles an invocation's records, a few at a time or all at once.

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
    _safe: set[Item] = field(default_factory=set)
    _waiting: list[Item] = field(default_factory=list)
    _log_left_s: float = _LOG_S

    def settle(self, parcels: Sequence[Parcel], *, deadline_s: float) -> Settled:
        """Send dead letters, write rows, and return which records are not safe.

        A record's dead letters go only when all its other events are settled: an outage that brings the
        record back time and again must not multiply them.
        """
        now_ms = int(self.clock.now_s() * 1000)
        delivered = [parcel for parcel in parcels if parcel.is_delivered]
        others = [parcel for parcel in parcels if not parcel.is_delivered]
        self._waiting += [i for p in others for i in p.items if i.result.reason.is_waiting]
        letters = self._letters(others, now_ms)
        sent = self._send(letters, deadline_s)
        found = Settled(letters_refused=len(letters) - len(sent))
        logged, found.log_writes_lost = self._log(letters, sent, now_ms, deadline_s)
        self._safe |= {item for item in sent if letters[item].attributes or item in logged}
        found.safe_receipts = [parcel.record.receipt_handle for parcel in delivered]
        for parcel in others:
            if all(self._is_safe(item) for item in parcel.items):
                found.safe_receipts.append(parcel.record.receipt_handle)
            else:
                found.failed_message_ids.append(parcel.record.message_id)
                found.handed_back.append(_handed_back(parcel))
        keys = _keys(parcel.record for parcel in delivered)
        lost = self._mark(keys, now_ms, deadline_s)
        found.rows_delivered, found.log_writes_lost = len(keys) - lost, found.log_writes_lost + lost
        return found

    def finish(self, *, deadline_s: float) -> int:
        """Write a row for each reason why events wait; return how many were lost."""
        now_ms = int(self.clock.now_s() * 1000)
        rows = _waiting_entries(self._waiting, self.run_id, now_ms)
        return self._write(rows, deadline_s).count(False)

    def _letters(self, parcels: Sequence[Parcel], now_ms: int) -> dict[Item, Letter]:
        letters: dict[Item, Letter] = {}
        for parcel in parcels:
            if not any(item.result.reason.is_waiting for item in parcel.items):
                letters |= write_letters(parcel, now_ms=now_ms)
        return {item: letter for item, letter in letters.items() if item not in self._safe}

    def _send(self, letters: Mapping[Item, Letter], deadline_s: float) -> dict[Item, str]:
        if not letters:
            return {}
        message_ids = self.dead_letters.send(list(letters.values()), deadline_s=deadline_s)
        return {item: found for item, found in zip(letters, message_ids, strict=True) if found}

    def _log(
        self, letters: Mapping[Item, Letter], sent: Mapping[Item, str], now_ms: int, deadline_s: float
    ) -> tuple[set[Item], int]:
        """Write rows; return the items whose row is stored, and how many rows were lost.

        Letters that had no room for a reason come first: without the row nobody would know it.
        """
        items = sorted(sent, key=lambda item: bool(letters[item].attributes))
        rows = [_dead_entry(item, letters[item].key, sent[item], now_ms) for item in items]
        stored = self._write(rows, deadline_s)
        return {item for item, ok in zip(items, stored, strict=True) if ok}, stored.count(False)

    def _write(self, rows: Sequence[LogEntry], deadline_s: float) -> list[bool]:
        with self._log_time(len(rows), deadline_s) as by_s:
            return self.log.write(rows, deadline_s=by_s) if rows else []

    def _mark(self, keys: Sequence[LogKey], now_ms: int, deadline_s: float) -> int:
        with self._log_time(len(keys), deadline_s) as by_s:
            return self.log.mark_delivered(keys, now_ms=now_ms, deadline_s=by_s) if keys else 0

    @contextmanager
    def _log_time(self, row_count: int, deadline_s: float) -> Iterator[float]:
        """Give the deadline of a call; all calls of the invocation share one measure of time."""
        self._log_left_s += _LOG_ENTRY_S * row_count
        began_s = self.clock.monotonic_s()
        yield min(deadline_s, began_s + self._log_left_s)
        self._log_left_s -= self.clock.monotonic_s() - began_s

    def _is_safe(self, item: Item) -> bool:
        return item.result.reason is Reason.DELIVERED or (item.first or item) in self._safe


def _handed_back(parcel: Parcel) -> HandedBack:
    record = parcel.record
    wait_s = max(item.result.wait_s for item in parcel.items)
    waiting = [item.result for item in parcel.items if item.result.reason.is_waiting]
    soon = bool(waiting) and all(outcome.soon for outcome in waiting)
    return HandedBack(record.receipt_handle, record.receive_count, wait_s, soon)


def _keys(records: Iterable[Record]) -> list[LogKey]:
    """Return the rows that redriven records carry."""
    found = (LogKey.parse(record.log_key) for record in records if record.log_key)
    return list(dict.fromkeys(key for key in found if key))


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


def _waiting_entries(items: Iterable[Item], run_id: str, now_ms: int) -> list[LogEntry]:
    """Return one row per reason for all that stays in the queue; an outage would write a row per event."""
    waiting: dict[Reason, list[Item]] = defaultdict(list)
    for item in items:
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
