"""Make records safe: send their dead letters, and write their Log rows as far as time allows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct, field

from whyness_events.delivery.items import Item, RecordEvents
from whyness_events.delivery.ports import Clock, DeadLetter, DeadLetterQueue, Log, call_s
from whyness_events.delivery.settling.dead_letter_writer import write_dead_letters
from whyness_events.delivery.settling.redelivery import HandedBack
from whyness_events.delivery.settling.slicing import FEW_DEAD_LETTERS, cut_off, dead_items, kept_whole, slices
from whyness_events.log_entry import DeliveredRow, LogEntry, LogKey, body_key
from whyness_events.outcomes import Reason, State

# Time for the Log table in an invocation, and additional time for each row.
_LOG_S = 2.0
_LOG_ENTRY_S = 0.002
# Part of the time kept if a record has many dead letters, to dead-letter it whole if they cannot all be sent.
_WHOLE_PART = 0.2


class Settled(Struct):
    """The result: records that are safe, records to hand back, and counts for the metrics."""

    failed_message_ids: list[str] = field(default_factory=list)
    handed_back: list[HandedBack] = field(default_factory=list)
    safe_receipts: list[str] = field(default_factory=list)
    dead_letters_refused: int = 0
    rows_delivered: int = 0
    log_writes_lost: int = 0

    @property
    def troubled_count(self) -> int:
        """Number of records that must return, those with only early events aside."""
        return len(self.failed_message_ids) - sum(record.is_early for record in self.handed_back)

    def add(self, other: "Settled") -> None:
        """Add the result of more records."""
        self.failed_message_ids += other.failed_message_ids
        self.handed_back += other.handed_back
        self.safe_receipts += other.safe_receipts
        self.dead_letters_refused += other.dead_letters_refused
        self.rows_delivered += other.rows_delivered
        self.log_writes_lost += other.log_writes_lost


class Settlement(Struct):
    """Settles an invocation's records, a few at a time or all at once.

    Args:
        dead_letters: the dead-letter queue.
        log: the Log table.
        clock: time.
        run_id: the invocation's request id, in the key of the rows about waiting events.
    """

    dead_letters: DeadLetterQueue
    log: Log
    clock: Clock
    run_id: str
    _safe: set[Item] = field(default_factory=set)
    _waiting: list[Item] = field(default_factory=list)
    _log_left_s: float = _LOG_S

    def settle(self, received: Sequence[RecordEvents], *, deadline_s: float) -> Settled:
        """Send dead letters, write rows, and return which records are safe.

        A record's dead letters are sent only when none of its events waits: otherwise every return of the
        record in an outage would send them again.
        """
        now_ms = self._now_ms()
        delivered = [record_events for record_events in received if record_events.is_delivered]
        others = [record_events for record_events in received if not record_events.is_delivered]
        waiting = [item for record_events in others for item in record_events.items if _is_waiting(item)]
        self._waiting += waiting
        settled = Settled()
        self._send_dead(
            [record_events for record_events in others if _is_decided(record_events)], deadline_s, settled
        )
        settled.safe_receipts = [record_events.record.receipt_handle for record_events in delivered]
        for record_events in others:
            if all(self._is_safe(item) for item in record_events.items):
                settled.safe_receipts.append(record_events.record.receipt_handle)
            else:
                settled.failed_message_ids.append(record_events.record.message_id)
                settled.handed_back.append(_handed_back(record_events))
        rows = _delivered_rows(delivered)
        lost = self._mark(rows, now_ms, deadline_s)
        settled.rows_delivered = len(rows) - lost
        settled.log_writes_lost += lost
        return settled

    def finish(self, *, deadline_s: float) -> int:
        """Write a row for each reason for which events wait; return how many rows were lost."""
        now_ms = self._now_ms()
        rows = _waiting_entries(self._waiting, self.run_id, now_ms)
        return self._write(rows, deadline_s).count(False)

    def _send_dead(self, received: Sequence[RecordEvents], deadline_s: float, settled: Settled) -> None:
        """Send the dead letters record by record, so that as many records as possible become safe."""
        unsent = set().union(*map(dead_items, received)) - self._safe
        by_s = deadline_s - self._reserve_s(received, deadline_s)
        for dead_letters in slices(received, unsent, self._now_ms()):
            unsent.difference_update(self._send_slice(dead_letters, by_s, settled))
            if not call_s(by_s - self.clock.monotonic_s()):
                self._keep_whole(received, unsent, deadline_s, settled)
                break
        settled.dead_letters_refused = len(unsent)

    def _reserve_s(self, received: Sequence[RecordEvents], deadline_s: float) -> float:
        """Return the seconds to keep for dead-lettering a record whole."""
        is_needed = any(len(record_events.items) > FEW_DEAD_LETTERS for record_events in received)
        return call_s(_WHOLE_PART * (deadline_s - self.clock.monotonic_s())) if is_needed else 0.0

    def _keep_whole(
        self, received: Sequence[RecordEvents], unsent: set[Item], deadline_s: float, settled: Settled
    ) -> None:
        for record_events, dead in cut_off(received, unsent):
            whole = kept_whole(record_events, len(dead))
            self._send_slice(write_dead_letters(whole, now_ms=self._now_ms()), deadline_s, settled)
            if self._safe.issuperset(whole.items):
                self._safe |= dead
                unsent -= dead

    def _send_slice(
        self, dead_letters: Mapping[Item, DeadLetter], deadline_s: float, settled: Settled
    ) -> Iterable[Item]:
        """Send dead letters, write their rows, and return the items whose dead letter is confirmed."""
        sent = self._send(dead_letters, deadline_s)
        logged, lost = self._log(dead_letters, sent, self._now_ms(), deadline_s)
        settled.log_writes_lost += lost
        self._safe |= {item for item in sent if dead_letters[item].attributes or item in logged}
        return sent

    def _send(self, dead_letters: Mapping[Item, DeadLetter], deadline_s: float) -> dict[Item, str]:
        message_ids = self.dead_letters.send(list(dead_letters.values()), deadline_s=deadline_s)
        return {
            item: message_id for item, message_id in zip(dead_letters, message_ids, strict=True) if message_id
        }

    def _log(
        self,
        dead_letters: Mapping[Item, DeadLetter],
        sent: Mapping[Item, str],
        now_ms: int,
        deadline_s: float,
    ) -> tuple[set[Item], int]:
        """Write rows; return the items whose row is stored, and how many rows were lost.

        Rows of dead letters that had no room for a reason come first: only the row tells it.
        """
        items = sorted(sent, key=lambda item: bool(dead_letters[item].attributes))
        rows = [_dead_entry(item, dead_letters[item].key, sent[item], now_ms) for item in items]
        stored = self._write(rows, deadline_s)
        return {item for item, is_stored in zip(items, stored, strict=True) if is_stored}, stored.count(False)

    def _write(self, rows: Sequence[LogEntry], deadline_s: float) -> list[bool]:
        with self._log_time(len(rows), deadline_s) as by_s:
            return self.log.write(rows, deadline_s=by_s) if rows else []

    def _mark(self, rows: Sequence[DeliveredRow], now_ms: int, deadline_s: float) -> int:
        with self._log_time(len(rows), deadline_s) as by_s:
            return self.log.mark_delivered(rows, now_ms=now_ms, deadline_s=by_s) if rows else 0

    @contextmanager
    def _log_time(self, row_count: int, deadline_s: float) -> Iterator[float]:
        """Give the deadline of a call, and subtract its time from what all calls of the invocation share."""
        self._log_left_s += _LOG_ENTRY_S * row_count
        began_s = self.clock.monotonic_s()
        yield min(deadline_s, began_s + self._log_left_s)
        self._log_left_s -= self.clock.monotonic_s() - began_s

    def _now_ms(self) -> int:
        return int(self.clock.now_s() * 1000)

    def _is_safe(self, item: Item) -> bool:
        return item.result.reason is Reason.DELIVERED or (item.first or item) in self._safe


def _is_waiting(item: Item) -> bool:
    return item.result.reason.is_waiting


def _is_decided(record_events: RecordEvents) -> bool:
    return not any(map(_is_waiting, record_events.items))


def _handed_back(record_events: RecordEvents) -> HandedBack:
    """Return the record with its wait; an early event does not delay others that wait in the record."""
    record, is_early = record_events.record, record_events.waits_for_its_time
    waiting = [item.result for item in record_events.items if _is_waiting(item)]
    waiting = [outcome for outcome in waiting if is_early or outcome.reason is not Reason.EARLY]
    wait_s = max((outcome.wait_s for outcome in waiting), default=0.0)
    soon = bool(waiting) and all(outcome.soon for outcome in waiting)
    return HandedBack(record.receipt_handle, record.receive_count, wait_s, soon, is_early)


def _delivered_rows(received: Iterable[RecordEvents]) -> list[DeliveredRow]:
    """Return the rows that redriven records name, each with the key of the one event in its record."""
    redriven = [record_events for record_events in received if record_events.record.log_key]
    rows = [row for record_events in redriven if (row := _delivered_row(record_events))]
    # DynamoDB accepts a row once a call: of two messages that name it, keep the one that holds its event.
    return list({row.row: row for row in sorted(rows, key=lambda row: not row.is_edited)}.values())


def _delivered_row(record_events: RecordEvents) -> DeliveredRow | None:
    row = LogKey.parse(record_events.record.log_key)
    if row is None:
        return None
    if row.sk == body_key(record_events.record.body, message_id="").sk:
        return DeliveredRow(row, row)
    event = record_events.items[0].log_key if len(record_events.items) == 1 else None
    return DeliveredRow(row, event) if event else None


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
    """Return one row per reason for all waiting events: an outage would write millions, one per event."""
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
            state=State.WAITING,
        )
        for reason, items in waiting.items()
    ]
