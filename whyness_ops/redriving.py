"""Redrive of a selection: receive, filter, send, delete, in that order.

Whoever is killed between send and delete leaves a copy in the dead-letter queue: sent once more it has the
same deduplication fields, and counts once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from whyness_events import limits, sqs_batch
from whyness_events.dead_letter import LOG_KEY, attributes_bytes, fit, to_sqs_attributes
from whyness_events.log_entry import LogKey
from whyness_events.outcomes import AuditState
from whyness_events.values import size_bytes
from whyness_ops.audit import Audit
from whyness_ops.aws import Aws, Stack, explained
from whyness_ops.dead_letter_queue import DeadLetterQueue, Hold, queue_arn
from whyness_ops.edit import CannotEdit, Edit, edit_body
from whyness_ops.errors import Refused, SetupFault
from whyness_ops.letters import DeadLetter, event_key
from whyness_ops.log_table import LogTable
from whyness_ops.moving import RUNS_ALREADY, move_under_way
from whyness_ops.redriven import Left, Redriven
from whyness_ops.selection import Selection
from whyness_ops.snapshot import Snapshot, marks
from whyness_ops.stop import Stop

# A backlog of its own to SQS's fair queues: what was dead must not delay today's events.
MESSAGE_GROUP = "redrive"


@dataclass(frozen=True, slots=True)
class _Parcel:
    letter: DeadLetter
    body: str

    def entry(self) -> dict[str, Any]:
        """Return it as SendMessageBatch takes it, without an id."""
        entry = {"MessageBody": self.body, "MessageGroupId": MESSAGE_GROUP}
        if not self._attributes:
            return entry
        return {**entry, "MessageAttributes": to_sqs_attributes(self._attributes)}

    @property
    def marks(self) -> set[str]:
        """By what it is known when it comes back."""
        edited = set() if self.body == self.letter.body else marks(replace(self.letter, body=self.body))
        return marks(self.letter) | edited

    @property
    def size_bytes(self) -> int:
        return size_bytes(self.body) + attributes_bytes(self._attributes)

    @property
    def edited_key(self) -> LogKey | None:
        """The key of the event as it is sent; None where it is its row's own."""
        key = event_key(replace(self.letter, body=self.body).raw_events)
        return None if key == self.letter.log_key else key

    @property
    def _attributes(self) -> Mapping[str, str]:
        key = self.letter.log_key
        return fit({LOG_KEY: str(key)}, size_bytes(self.body)) if key else {}


@dataclass(slots=True)
class Redrive:
    """A redrive of what `selection` means.

    Args:
        aws: clients.
        stack: all three outputs.
        selection: which letters.
        edit: puts events right; None leaves them as they are.
        edit_name: for the audit row.
        rate_per_s: at most so many letters a second; None for as fast as it goes.
        dry_run: only look, edit and report.
        stop: ends it between two calls.
        snapshot: when it began, where this one goes on with an earlier one.
        progress: called after each call.
        now_ms: the clock, epoch milliseconds.
    """

    aws: Aws
    stack: Stack
    selection: Selection
    edit: Edit | None = None
    edit_name: str = ""
    rate_per_s: float | None = None
    dry_run: bool = False
    stop: Stop = field(default_factory=Stop)
    snapshot: Snapshot = field(default_factory=Snapshot)
    progress: Callable[[Redriven], None] = lambda _: None
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def run(self) -> Redriven:
        """Do it.

        Raises:
            Refused: a message move task runs.
            SetupFault: AWS cannot be asked; what was sent until then is in the audit row.
        """
        queue = DeadLetterQueue(self.aws.sqs, self.stack.dead_letter_queue_url)
        if not self.stack.queue_url:
            raise SetupFault("The queue is not set. Give --queue-url, or set QUEUE_URL.")
        queue_arn(self.aws.sqs, self.stack.queue_url)  # it is there
        if move_under_way(self.aws.sqs, queue.arn()):
            raise Refused(RUNS_ALREADY)
        report = Redriven(dry_run=self.dry_run)
        if self.dry_run:
            self._go_through(queue, None, report)
            return report
        log = LogTable(self.aws.dynamodb, self.stack.log_table)
        audit = self._begin_audit(log)
        state = AuditState.FAILED
        try:
            self._go_through(queue, log, report)
            state = AuditState.STOPPED if report.stopped else AuditState.DONE
        finally:
            audit.end(state, report.counts, now_ms=self.now_ms())
        return report

    def _begin_audit(self, log: LogTable) -> Audit:
        who, selection = self.aws.caller(), self.selection.describe()
        name = self.edit_name or (getattr(self.edit, "__qualname__", "?") if self.edit else "")
        return Audit.begin(log, who=who, selection=selection, edit=name, now_ms=self.now_ms())

    def _go_through(self, queue: DeadLetterQueue, log: LogTable | None, report: Redriven) -> None:
        with queue.hold(self.stop, self.snapshot) as hold:
            report.total = self.snapshot.total
            for batch in hold.batches():
                meant = [letter for letter in batch if self.selection.matches(letter)][: self._room(report)]
                report.looked_at += len(batch)
                report.matched += len(meant)
                report.came_back, report.arrived_since = hold.came_back, hold.arrived_since
                self._redrive(meant, hold, log, report)
                self.progress(report)
                if self._room(report) == 0:
                    break
            report.stopped = self.stop.is_set() or hold.is_full
        report.hidden = queue.depth().hidden

    def _room(self, report: Redriven) -> int | None:
        limit = self.selection.limit
        return None if limit is None else limit - report.matched

    def _redrive(
        self, meant: Sequence[DeadLetter], hold: Hold, log: LogTable | None, report: Redriven
    ) -> None:
        parcels = [parcel for letter in meant if (parcel := self._parcel(letter, report))]
        for some in _pack(parcels, self._most_a_call):
            if log is None:
                report.sent += len(some)
                continue
            if self.stop.is_set():
                return
            untold = {parcel.letter.message_id for parcel in some if not self._mark_edited(parcel, log)}
            sent = self._send(some, report)
            if sent:
                for parcel in sent:
                    self.snapshot.note_sent(parcel.marks)
                report.not_deleted += hold.delete([parcel.letter for parcel in sent])
                untold |= {parcel.letter.message_id for parcel in sent if not self._mark(parcel.letter, log)}
                report.rows_not_marked += len(untold.intersection(p.letter.message_id for p in sent))
            if self.rate_per_s:
                self.stop.wait(len(some) / self.rate_per_s)

    def _parcel(self, letter: DeadLetter, report: Redriven) -> _Parcel | None:
        try:
            body = edit_body(letter, self.edit, now_ms=self.now_ms()) if self.edit else letter.body
        except CannotEdit as fault:
            report.left.append(Left(letter.message_id, letter.insert_id, str(fault)))
            return None
        return _Parcel(letter, body)

    @property
    def _most_a_call(self) -> int:
        return max(1, min(limits.BATCH_ENTRIES, int(self.rate_per_s or limits.BATCH_ENTRIES)))

    def _send(self, parcels: Sequence[_Parcel], report: Redriven) -> list[_Parcel]:
        """Send one call's worth; return what the queue confirmed."""
        entries = sqs_batch.numbered([parcel.entry() for parcel in parcels])
        with explained(f"queue {self.stack.queue_url}"):
            answer = self.aws.sqs.send_message_batch(QueueUrl=self.stack.queue_url, Entries=entries)
        answered = sqs_batch.read(answer, entries)
        report.sent += len(answered.confirmed)
        for index, parcel in enumerate(parcels):
            if index not in answered.confirmed:
                why = f"the queue did not confirm it ({answered.code(index) or 'no answer'})"
                report.left.append(Left(parcel.letter.message_id, parcel.letter.insert_id, why))
        return [parcel for index, parcel in enumerate(parcels) if index in answered.confirmed]

    def _mark_edited(self, parcel: _Parcel, log: LogTable) -> bool:
        """Write into the row which event is sent, before it can be delivered."""
        row, event = parcel.letter.log_key, parcel.edited_key
        letter_id = parcel.letter.message_id
        return not (row and event) or log.mark_edited(row, event, dead_letter_message_id=letter_id)

    def _mark(self, letter: DeadLetter, log: LogTable) -> bool:
        key = letter.log_key
        letter_id, now_ms = letter.message_id, self.now_ms()
        return key is None or log.mark_redriven(key, dead_letter_message_id=letter_id, now_ms=now_ms)


def _pack(parcels: Sequence[_Parcel], most: int) -> list[list[_Parcel]]:
    """Return the parcels in calls of at most `most` entries and 1 MiB."""
    calls: list[list[_Parcel]] = []
    for parcel in parcels:
        held_bytes = sum(p.size_bytes for p in calls[-1]) if calls else 0
        if calls and len(calls[-1]) < most and held_bytes + parcel.size_bytes <= limits.BATCH_BYTES:
            calls[-1].append(parcel)
        else:
            calls.append([parcel])
    return calls
