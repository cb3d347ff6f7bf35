"""Redrive of all dead letters: SQS moves the messages itself and reports its progress."""

import time
from collections.abc import Callable
from dataclasses import replace

from whyness_events.outcomes import AuditState
from whyness_ops.aws import Aws
from whyness_ops.dead_letter_queue import DeadLetterQueue, queue_arn
from whyness_ops.errors import SetupFault
from whyness_ops.log_table import LogTable
from whyness_ops.move_task import Move, MoveTask, check_none_runs, follow, start_task
from whyness_ops.redrive_audit import Audit
from whyness_ops.snapshot import Snapshot
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

_STATES = {"COMPLETED": AuditState.DONE, "CANCELLED": AuditState.STOPPED}


def redrive_all(
    aws: Aws,
    stack: Stack,
    *,
    rate_per_s: int | None = None,
    stop: Stop,
    progress: Callable[[Move], None] = lambda _: None,
) -> Move:
    """Move all dead letters to the queue. A stop cancels the task; what was moved stays moved.

    SQS would also move those that come back meanwhile, again and again. So the task is cancelled once it has
    moved as many as there were at its start.

    Args:
        aws: clients.
        stack: all three outputs.
        rate_per_s: at most this many messages a second, 1 to 500; None leaves it to SQS.
        stop: cancels the task.
        progress: called every two seconds.

    Raises:
        Refused: a task is running already.
        SetupFault: AWS refuses, cannot be reached, or does not support such tasks.
    """
    dead_letters = DeadLetterQueue(aws.sqs, stack.dead_letter_queue_url)
    log = LogTable(aws.dynamodb, stack.log_table)
    if not stack.queue_url:
        raise SetupFault("The queue is not set. Give --stack, --env or --queue-url, or set QUEUE_URL.")
    snapshot = Snapshot()
    dead_letters.open(snapshot)
    source, destination = dead_letters.arn(), queue_arn(aws.sqs, stack.queue_url)
    earlier = check_none_runs(aws.sqs, source)
    audit = Audit.begin(log, who=aws.caller(), selection={"all": True}, edit="", now_ms=_now_ms())
    state, counts = AuditState.FAILED, dict[str, int]()
    try:
        handle = start_task(aws.sqs, source, destination, rate_per_s)
        move = follow(MoveTask(aws.sqs, source, handle, earlier, snapshot.total), stop, progress)
        state = _STATES.get(move.status, AuditState.FAILED)
        counts = {"sent": move.moved}
        if move.status == "CANCELLED" and move.is_over:
            state = AuditState.DONE
            move = replace(move, status="COMPLETED", came_back=_count_now(dead_letters, stop))
            counts["came_back"] = move.came_back
    finally:
        audit.end(state, counts, now_ms=_now_ms())
    return move


def _count_now(dead_letters: DeadLetterQueue, stop: Stop) -> int:
    """Return about how many dead letters there are. SQS's own count is late, so one receive checks it."""
    with dead_letters.hold(stop) as hold:
        seen = len(next(hold.batches(), []))
        return seen + dead_letters.depth().visible if seen else 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
