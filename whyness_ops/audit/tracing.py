"""Edge: looks for missing events in the Log, the dead-letter queue and the queue.

Asks AWS nothing before the first event. It needs no more than ViewerPolicy.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cached_property

from botocore.exceptions import BotoCoreError, ClientError

from whyness_ops.audit.traces import (
    DEAD_LETTERS_HIDDEN,
    NO_TRACE,
    NOT_TRACED,
    QUEUE_NOT_EMPTY,
    Asked,
    Key,
    dead_trace,
    log_trace,
)
from whyness_ops.aws import Aws, error_code
from whyness_ops.dead_letter_queue import DeadLetterQueue, depth
from whyness_ops.errors import OpsError, SetupFault
from whyness_ops.log_table import LogTable
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop
from whyness_ops.watch.facts import Metrics, ask_metrics
from whyness_ops.watch.gather import asked

_THREADS = 8
# Returns where each of some events may still be.
Trace = Callable[[Sequence[Asked]], list[str]]


def nowhere_else(events: Sequence[Asked]) -> list[str]:
    """Return no trace: for a site that posts to Mixpanel itself, from its outbox, there is no queue."""
    return [NO_TRACE] * len(events)


class StackTrace:
    """Looks for events in a stack.

    The queue is asked first: what leaves it meanwhile is found by the Log or the dead-letter queue. The Log
    names a dead event by its insert id, except for one that SQS moved or whose row was lost: so, for events
    without a row, the dead letters are inspected, as `whyness-mixpanel dlq show` does.

    Args:
        connect: returns access to AWS, and the stack.
        stop: ends the inspection between two calls.
        now_ms: the clock, epoch milliseconds.
    """

    def __init__(self, connect: Callable[[], tuple[Aws, Stack]], stop: Stop, now_ms: int) -> None:
        self._connect, self._stop, self._now_ms = connect, stop, now_ms
        self._why_not = ""

    def __call__(self, events: Sequence[Asked]) -> list[str]:
        """Return where each may still be; after a refusal AWS is not asked again."""
        if not self._why_not:
            try:
                return self._traces(events)
            except OpsError as fault:
                self._why_not = f"{NOT_TRACED}: {_why(fault)}"
        return [self._why_not] * len(events)

    def _traces(self, events: Sequence[Asked]) -> list[str]:
        waiting_from_ms = self._waiting_from_ms
        log = LogTable(self._parts[0].dynamodb, self._parts[1].need("log_table"))
        with ThreadPoolExecutor(_THREADS) as pool:
            rows = pool.map(log.get, [event.insert_id for event in events])
            found = [log_trace(event.event, of_event) for event, of_event in zip(events, rows, strict=True)]
        if all(found):
            return found
        dead_letters, rest = self._dead_letters
        return [
            trace
            or dead_letters.get(event.key)
            or (QUEUE_NOT_EMPTY if event.time_ms >= waiting_from_ms else rest)
            for event, trace in zip(events, found, strict=True)
        ]

    @cached_property
    def _parts(self) -> tuple[Aws, Stack]:
        aws, stack = self._connect()
        if not (stack.queue_url or stack.dead_letter_queue_url or stack.log_table):
            raise SetupFault("no stack is named")
        return aws, stack

    @cached_property
    def _waiting_from_ms(self) -> float:
        """The time from which on an event may be in the queue; infinity where that is empty.

        The number of messages is SQS's approximate one; CloudWatch's age of the oldest tells of one that it
        leaves out.
        """
        aws, stack = self._parts
        messages = depth(aws.sqs, stack.need("queue_url"))
        if messages.visible or messages.hidden:
            return 0.0
        if not stack.function or stack.is_local:
            return float("inf")
        now = datetime.fromtimestamp(self._now_ms / 1000, UTC)
        metrics = asked("metrics", lambda: ask_metrics(aws, stack, now))
        age_s = metrics.queue_age_s if isinstance(metrics, Metrics) else 0.0
        return self._now_ms - age_s * 1000 if age_s else float("inf")

    @cached_property
    def _dead_letters(self) -> tuple[Mapping[Key, str], str]:
        """The traces of all events in the dead-letter queue, and the trace of an event that is not there."""
        aws, stack = self._parts
        queue = DeadLetterQueue(aws.sqs, stack.need("dead_letter_queue_url"))
        before = queue.depth()
        found: dict[Key, str] = {}
        if not before.visible:
            return found, DEAD_LETTERS_HIDDEN if before.hidden else NO_TRACE
        with queue.hold(self._stop) as hold:
            for dead_letter in (one for batch in hold.batches() for one in batch):
                names, ids = dead_letter.values("event"), dead_letter.values("insert_id")
                keys = zip(map(str, names), map(str, ids), strict=False)
                found.update((key, dead_trace(dead_letter.reason)) for key in keys)
        return found, DEAD_LETTERS_HIDDEN if before.hidden or hold.is_full else NO_TRACE


def _why(fault: OpsError) -> str:
    """Return AWS's own code where it has one."""
    cause = fault.__cause__
    if isinstance(cause, ClientError):
        return error_code(cause)
    return type(cause).__name__ if isinstance(cause, BotoCoreError) else str(fault)
