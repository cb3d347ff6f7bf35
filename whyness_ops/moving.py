"""Redrive of all dead letters: SQS moves the messages itself and reports its progress."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from whyness_events.outcomes import AuditState
from whyness_ops.audit import Audit
from whyness_ops.aws import NOT_IMPLEMENTED, Aws, error_code, explained
from whyness_ops.dead_letter_queue import DeadLetterQueue, queue_arn
from whyness_ops.errors import Refused, SetupFault
from whyness_ops.log_table import LogTable
from whyness_ops.snapshot import Snapshot
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

_POLL_S = 2.0
# SQS may take a moment until it lists a task that it has just started.
_UNLISTED_POLLS = 15
_UNDER_WAY = ("RUNNING", "CANCELLING")
_NOT_RUNNING = ("ResourceNotFoundException", "UnsupportedOperation")
_STATES = {"COMPLETED": AuditState.DONE, "CANCELLED": AuditState.STOPPED}
RUNS_ALREADY = (
    "A message move task is running on the dead-letter queue. "
    "Wait until it ends, or cancel it in the SQS console."
)


@dataclass(frozen=True, slots=True)
class Move:
    """The progress of a message move task.

    Args:
        status: SQS's: RUNNING, COMPLETED, CANCELLING, CANCELLED, FAILED. COMPLETED also if it was cancelled
            because all dead letters of its start had been moved.
        moved: messages so far, approximate.
        to_move: messages at the start, approximate.
        failure: why it failed, `""` if it did not.
        came_back: if it was cancelled so, about how many are in the dead-letter queue now: they came back, or
            arrived after the start.
    """

    status: str
    moved: int
    to_move: int
    failure: str = ""
    came_back: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it has moved as many as there were at the start; others came back, or arrived later."""
        return self.moved >= max(1, self.to_move)


def move_under_way(sqs: Any, dead_letter_queue_arn: str) -> bool:
    """Whether a message move task is running; never on an endpoint without such tasks.

    Raises:
        SetupFault: SQS refuses or cannot be reached.
    """
    return any(task["Status"] in _UNDER_WAY for task in _tasks(sqs, dead_letter_queue_arn))


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
    earlier = _tasks(aws.sqs, source)
    if any(task["Status"] in _UNDER_WAY for task in earlier):
        raise Refused(RUNS_ALREADY)
    audit = Audit.begin(log, who=aws.caller(), selection={"all": True}, edit="", now_ms=_now_ms())
    state, counts = AuditState.FAILED, dict[str, int]()
    try:
        handle = _start(aws.sqs, source, destination, rate_per_s)
        started = frozenset(task.get("StartedTimestamp") for task in earlier)
        move = _follow(_Task(aws.sqs, source, handle, started, snapshot.total), stop, progress)
        state = _STATES.get(move.status, AuditState.FAILED)
        counts = {"sent": move.moved}
        if move.status == "CANCELLED" and move.is_over:
            state = AuditState.DONE
            move = replace(move, status="COMPLETED", came_back=_count_now(dead_letters, stop))
            counts["came_back"] = move.came_back
    finally:
        audit.end(state, counts, now_ms=_now_ms())
    return move


@dataclass(frozen=True, slots=True)
class _Task:
    """The task that was started, the start times of earlier tasks, and the number of dead letters."""

    sqs: Any
    source: str
    handle: str
    earlier: frozenset[Any]
    total: int

    def look(self) -> Move | None:
        """Return its progress; None while SQS does not list it."""
        tasks = _tasks(self.sqs, self.source)
        # A finished task no longer has a handle.
        mine = [
            task
            for task in tasks
            if task.get("TaskHandle") == self.handle or task.get("StartedTimestamp") not in self.earlier
        ]
        if not mine:
            return None
        moved, to_move = (f"ApproximateNumberOfMessages{word}" for word in ("Moved", "ToMove"))
        task = mine[0]
        return Move(
            task["Status"],
            task.get(moved) or 0,
            task.get(to_move) or self.total,
            task.get("FailureReason") or "",
        )

    def cancel(self) -> None:
        """Ask SQS to cancel it; it is not an error if it has ended meanwhile."""
        with explained("the message move task"):
            try:
                self.sqs.cancel_message_move_task(TaskHandle=self.handle)
            except ClientError as error:
                if error_code(error) not in _NOT_RUNNING:
                    raise


def _tasks(sqs: Any, source: str) -> list[Mapping[str, Any]]:
    """Return the newest tasks; none on an endpoint without such tasks."""
    with explained("the message move tasks"):
        try:
            return list(sqs.list_message_move_tasks(SourceArn=source, MaxResults=10).get("Results", []))
        except ClientError as error:
            if error_code(error) not in NOT_IMPLEMENTED:
                raise
            return []


def _start(sqs: Any, source: str, destination: str, rate_per_s: int | None) -> str:
    arguments: dict[str, Any] = {"SourceArn": source, "DestinationArn": destination}
    if rate_per_s:
        arguments["MaxNumberOfMessagesPerSecond"] = rate_per_s
    with explained("the message move task"):
        try:
            return str(sqs.start_message_move_task(**arguments)["TaskHandle"])
        except ClientError as error:
            if error_code(error) in NOT_IMPLEMENTED:
                raise SetupFault(
                    "This endpoint does not support message move tasks (emulators do not). "
                    "Give a filter instead of --all, such as --limit 100000."
                ) from error
            raise


def _follow(task: _Task, stop: Stop, progress: Callable[[Move], None]) -> Move:
    move: Move | None = None
    cancelled = False
    unlisted = 0
    while True:
        if not cancelled and (stop.is_set() or (move and move.is_over)):
            cancelled = True
            task.cancel()
        move = task.look()
        if move:
            progress(move)
            if move.status not in _UNDER_WAY:
                return move
            if move.is_over and not cancelled:
                continue
        elif (unlisted := unlisted + 1) > _UNLISTED_POLLS:
            raise SetupFault(
                "SQS started the message move task but does not list it. Check it in the SQS console."
            )
        (time.sleep if cancelled else stop.wait)(_POLL_S)


def _count_now(dead_letters: DeadLetterQueue, stop: Stop) -> int:
    """Return about how many dead letters there are. SQS's own count is late, so one receive checks it."""
    with dead_letters.hold(stop) as hold:
        seen = len(next(hold.batches(), []))
        return seen + dead_letters.depth().visible if seen else 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
