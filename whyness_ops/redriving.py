"""Redrive of a selection: receive, filter, send, delete, in that order.

A redrive that is killed between send and delete leaves a copy in the dead-letter queue. Sent again, it has
the same deduplication fields and counts once.
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
from whyness_ops.aws import Aws, explained
from whyness_ops.dead_letter_queue import DeadLetterQueue, Hold, queue_arn
from whyness_ops.edit import CannotEdit, Edit, edit_body
from whyness_ops.errors import Refused, SetupFault
from whyness_ops.letters import DeadLetter, event_key
from whyness_ops.log_table import LogTable
from whyness_ops.moving import RUNS_ALREADY, move_under_way
from whyness_ops.redriven import Left, Redriven
from whyness_ops.selection import Selection
from whyness_ops.snapshot import Snapshot, marks
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

# A group of its own for SQS's fair queues: redriven events must not delay today's events.
MESSAGE_GROUP = "redrive"


@dataclass(frozen=True, slots=True)
class _Resend:
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
        """What identifies it if it comes back."""
        edited = set() if self.body == self.letter.body else marks(replace(self.letter, body=self.body))
        return marks(self.letter) | edited

    @property
    def size_bytes(self) -> int:
        return size_bytes(self.body) + attributes_bytes(self._attributes)

    @property
    def edited_key(self) -> LogKey | None:
        """The key of the event that is sent; None if it is the key of its row."""
        key = event_key(replace(self.letter, body=self.body).raw_events)
        return None if key == self.letter.log_key else key

    @property
    def _attributes(self) -> Mapping[str, str]:
        key = self.letter.log_key
        return fit({LOG_KEY: str(key)}, size_bytes(self.body)) if key else {}


@dataclass(slots=True)
class Redrive:
    """A redrive of the dead letters that match `selection`.

    Args:
        aws: clients.
        stack: all three outputs.
        selection: the filters.
        edit: fixes events; None leaves them unchanged.
        edit_name: for the audit row.
        rate_per_s: at most this many dead letters a second; None for no limit.
        dry_run: only inspect, edit and report.
        stop: ends it between two calls.
        snapshot: of an earlier redrive that this one continues.
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
        """Redrive.

        Raises:
            Refused: a message move task is running.
            SetupFault: AWS refuses or cannot be reached; the audit row says what was sent until then.
        """
        queue = DeadLetterQueue(self.aws.sqs, self.stack.dead_letter_queue_url)
        if not self.stack.queue_url:
            raise SetupFault("The queue is not set. Give --stack, --env or --queue-url, or set QUEUE_URL.")
        queue_arn(self.aws.sqs, self.stack.queue_url)  # it exists
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
                matched = [letter for letter in batch if self.selection.matches(letter)][: self._room(report)]
                report.looked_at += len(batch)
                report.matched += len(matched)
                report.came_back, report.arrived_since = hold.came_back, hold.arrived_since
                self._redrive(matched, hold, log, report)
                self.progress(report)
                if self._room(report) == 0:
                    break
            report.stopped = self.stop.is_set() or hold.is_full
        report.hidden = queue.depth().hidden

    def _room(self, report: Redriven) -> int | None:
        limit = self.selection.limit
        return None if limit is None else limit - report.matched

    def _redrive(
        self, matched: Sequence[DeadLetter], hold: Hold, log: LogTable | None, report: Redriven
    ) -> None:
        resends = [resend for letter in matched if (resend := self._resend(letter, report))]
        for some in _pack(resends, self._most_a_call):
            if log is None:
                report.sent += len(some)
                continue
            if self.stop.is_set():
                return
            untold = {resend.letter.message_id for resend in some if not self._mark_edited(resend, log)}
            sent = self._send(some, report)
            if sent:
                for resend in sent:
                    self.snapshot.note_sent(resend.marks)
                report.not_deleted += hold.delete([resend.letter for resend in sent])
                untold |= {resend.letter.message_id for resend in sent if not self._mark(resend.letter, log)}
                report.rows_not_marked += len(untold.intersection(p.letter.message_id for p in sent))
            if self.rate_per_s:
                self.stop.wait(len(some) / self.rate_per_s)

    def _resend(self, letter: DeadLetter, report: Redriven) -> _Resend | None:
        try:
            body = edit_body(letter, self.edit, now_ms=self.now_ms()) if self.edit else letter.body
        except CannotEdit as fault:
            report.left.append(Left(letter.message_id, letter.insert_id, str(fault)))
            return None
        return _Resend(letter, body)

    @property
    def _most_a_call(self) -> int:
        return max(1, min(limits.BATCH_ENTRIES, int(self.rate_per_s or limits.BATCH_ENTRIES)))

    def _send(self, resends: Sequence[_Resend], report: Redriven) -> list[_Resend]:
        """Send the entries of one call; return those that the queue confirmed."""
        entries = sqs_batch.numbered([resend.entry() for resend in resends])
        with explained(f"queue {self.stack.queue_url}"):
            answer = self.aws.sqs.send_message_batch(QueueUrl=self.stack.queue_url, Entries=entries)
        answered = sqs_batch.read(answer, entries)
        report.sent += len(answered.confirmed)
        for index, resend in enumerate(resends):
            if index not in answered.confirmed:
                why = f"the queue did not confirm it ({answered.code(index) or 'no answer'})"
                report.left.append(Left(resend.letter.message_id, resend.letter.insert_id, why))
        return [resend for index, resend in enumerate(resends) if index in answered.confirmed]

    def _mark_edited(self, resend: _Resend, log: LogTable) -> bool:
        """Record in the row the event that is sent, before it can be delivered."""
        row, event = resend.letter.log_key, resend.edited_key
        letter_id = resend.letter.message_id
        return not (row and event) or log.mark_edited(row, event, dead_letter_message_id=letter_id)

    def _mark(self, letter: DeadLetter, log: LogTable) -> bool:
        key = letter.log_key
        letter_id, now_ms = letter.message_id, self.now_ms()
        return key is None or log.mark_redriven(key, dead_letter_message_id=letter_id, now_ms=now_ms)


def _pack(resends: Sequence[_Resend], most: int) -> list[list[_Resend]]:
    """Return the resends in calls of at most `most` entries and 1 MiB."""
    calls: list[list[_Resend]] = []
    for resend in resends:
        held_bytes = sum(p.size_bytes for p in calls[-1]) if calls else 0
        if calls and len(calls[-1]) < most and held_bytes + resend.size_bytes <= limits.BATCH_BYTES:
            calls[-1].append(resend)
        else:
            calls.append([resend])
    return calls
