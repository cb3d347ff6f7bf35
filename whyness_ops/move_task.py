"""Edge: SQS's message move task."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from whyness_ops.aws import NOT_IMPLEMENTED, error_code, explained
from whyness_ops.errors import Refused, SetupFault
from whyness_ops.stop import Stop

_POLL_S = 2.0
# SQS may take a moment until it lists a task that it has just started.
_UNLISTED_POLLS = 15
_UNDER_WAY = ("RUNNING", "CANCELLING")
_NOT_RUNNING = ("ResourceNotFoundException", "UnsupportedOperation")


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


def check_none_runs(sqs: Any, source: str) -> frozenset[Any]:
    """Return when the earlier tasks of a dead-letter queue, given by its ARN, started.

    Raises:
        Refused: a task is running.
        SetupFault: SQS refuses or cannot be reached.
    """
    tasks = _tasks(sqs, source)
    if any(task["Status"] in _UNDER_WAY for task in tasks):
        raise Refused(
            "A message move task is running on the dead-letter queue. "
            "Wait until it ends, or cancel it in the SQS console."
        )
    return frozenset(task.get("StartedTimestamp") for task in tasks)


@dataclass(frozen=True, slots=True)
class MoveTask:
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


def start_task(sqs: Any, source: str, destination: str, rate_per_s: int | None) -> str:
    """Start a task; return its handle."""
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


def follow(task: MoveTask, stop: Stop, progress: Callable[[Move], None]) -> Move:
    """Return how the task ended. It is cancelled by a stop, and once it has moved as many as there were."""
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
