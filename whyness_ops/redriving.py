"""Redrive of a selection: receive, filter, send, delete, in that order.

A redrive that is killed between send and delete leaves a copy in the dead-letter queue. Sent again, it has
the same deduplication fields and counts once.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from whyness_events import limits, sqs_batch
from whyness_events.outcomes import AuditState
from whyness_ops.aws import Aws, explained
from whyness_ops.dead_letter_message import DeadLetter
from whyness_ops.dead_letter_queue import DeadLetterQueue, Hold, queue_arn
from whyness_ops.edit import CannotEdit, Edit, edit_body
from whyness_ops.errors import SetupFault
from whyness_ops.log_table import LogTable
from whyness_ops.move_task import check_none_runs
from whyness_ops.redrive_audit import Audit
from whyness_ops.redriven import Left, Redriven
from whyness_ops.resend import Resend
from whyness_ops.selection import Selection
from whyness_ops.snapshot import Snapshot
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop


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
        check_none_runs(self.aws.sqs, queue.arn())
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
                matched = list(filter(self.selection.matches, batch))[: self._room(report)]
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
        resends = [resend for dead_letter in matched if (resend := self._resend(dead_letter, report))]
        for call in sqs_batch.in_calls(resends, attrgetter("size_bytes"), most_entries=self._most_a_call):
            if log is None:
                report.sent += len(call)
                continue
            if self.stop.is_set():
                return
            self._redrive_call(call, hold, log, report)
            if self.rate_per_s:
                self.stop.wait(len(call) / self.rate_per_s)

    def _redrive_call(self, resends: Sequence[Resend], hold: Hold, log: LogTable, report: Redriven) -> None:
        unmarked = {resend.message_id for resend in resends if not self._mark_edited(resend, log)}
        sent = self._send(resends, report)
        if not sent:
            return
        for resend in sent:
            self.snapshot.note_sent(resend.marks)
        report.not_deleted += hold.delete([resend.dead_letter for resend in sent])
        unmarked |= {resend.message_id for resend in sent if not self._mark_redriven(resend, log)}
        report.rows_not_marked += len(unmarked.intersection(resend.message_id for resend in sent))

    def _resend(self, dead_letter: DeadLetter, report: Redriven) -> Resend | None:
        try:
            body = edit_body(dead_letter, self.edit, now_ms=self.now_ms()) if self.edit else dead_letter.body
        except CannotEdit as fault:
            report.left.append(Left(dead_letter.message_id, dead_letter.insert_id, str(fault)))
            return None
        return Resend(dead_letter, body)

    @property
    def _most_a_call(self) -> int:
        return max(1, min(limits.BATCH_ENTRIES, int(self.rate_per_s or limits.BATCH_ENTRIES)))

    def _send(self, resends: Sequence[Resend], report: Redriven) -> list[Resend]:
        """Send the entries of one call; return those that the queue confirmed."""
        entries = sqs_batch.numbered([resend.entry() for resend in resends])
        with explained(f"queue {self.stack.queue_url}"):
            answer = self.aws.sqs.send_message_batch(QueueUrl=self.stack.queue_url, Entries=entries)
        answered = sqs_batch.read(answer, entries)
        report.sent += len(answered.confirmed)
        for index, resend in enumerate(resends):
            if index not in answered.confirmed:
                why = f"the queue did not confirm it ({answered.code(index) or 'no answer'})"
                report.left.append(Left(resend.message_id, resend.dead_letter.insert_id, why))
        return [resend for index, resend in enumerate(resends) if index in answered.confirmed]

    def _mark_edited(self, resend: Resend, log: LogTable) -> bool:
        """Record in the row the event that is sent, before it can be delivered."""
        row, event = resend.dead_letter.log_key, resend.edited_key
        return not (row and event) or log.mark_edited(row, event, dead_letter_message_id=resend.message_id)

    def _mark_redriven(self, resend: Resend, log: LogTable) -> bool:
        key, now_ms = resend.dead_letter.log_key, self.now_ms()
        return key is None or log.mark_redriven(key, dead_letter_message_id=resend.message_id, now_ms=now_ms)
