"""An event source mapping for one queue: receive, call the function, delete what it has handled.

Lambda's own exists only in AWS. The emulators' versions take at most ten records, and treat malformed answers
as success.
"""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, LifoQueue
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from botocore.exceptions import BotoCoreError, ClientError

from local.collector import RECEIVE_LIMIT, Collector
from local.event_source_mapping import Batch, EventSourceMapping, Record, ids_to_delete
from local.invocation import Fault, InvocationResult

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef

_logger = logging.getLogger(__name__)
_RECEIVERS = 4
_IDLE_CHECK_S = 0.1
_PAUSES_BEFORE_DELETE_S = (0.0, 0.2, 1.0)


class Invoker(Protocol):
    """An execution environment; the poller makes one call at a time."""

    def invoke(self, event: bytes) -> InvocationResult:
        """Call the function and wait for the result."""

    def stop(self) -> None:
        """End the environment; a running call returns a fault."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What a poller has done so far: `records` is the sum of `deleted` and `handed_back`."""

    invocations: int = 0
    errors: int = 0
    timeouts: int = 0
    crashes: int = 0
    unreachable: int = 0
    records: int = 0
    deleted: int = 0
    handed_back: int = 0

    def plus(self, fault: Fault | None, *, records: int, deleted: int) -> "Counters":
        """Return the counters after one more invocation."""
        return Counters(
            invocations=self.invocations + 1,
            errors=self.errors + (fault is Fault.ERROR),
            timeouts=self.timeouts + (fault is Fault.TIMEOUT),
            crashes=self.crashes + (fault is Fault.CRASH),
            unreachable=self.unreachable + (fault is Fault.UNREACHABLE),
            records=self.records + records,
            deleted=self.deleted + deleted,
            handed_back=self.handed_back + records - deleted,
        )


class Poller:
    """Feeds a queue's messages to the function until it is stopped.

    It begins a batch only if one of `runtimes` is free, so that no hidden message waits for its turn.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        queue_url: str,
        mapping: EventSourceMapping,
        runtimes: Sequence[Invoker],
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._mapping = mapping
        self._runtimes = runtimes
        self._free: LifoQueue[Invoker] = LifoQueue()  # last in, first out: reuses few, warm environments
        for runtime in runtimes:
            self._free.put(runtime)
        self._stopping = threading.Event()
        self._collector = Collector(sqs, queue_url, mapping, receivers=_RECEIVERS, stopping=self._stopping)
        self._invocations = ThreadPoolExecutor(len(runtimes), thread_name_prefix="invoke")
        self._thread = threading.Thread(target=self._run, name="poller")
        self._lock = threading.Lock()
        self._counters = Counters()
        self._bug: BaseException | None = None

    @property
    def counters(self) -> Counters:
        """Return a snapshot of the counters."""
        with self._lock:
            return self._counters

    def start(self) -> None:
        """Start polling, in a thread."""
        self._thread.start()

    def stop(self, *, at_once: bool = False) -> None:
        """Stop receiving, end the invocations, and make unhandled messages visible again.

        Args:
            at_once: do not wait for running invocations.
        """
        self._stopping.set()
        if at_once:
            self._stop_runtimes()
        self._thread.join()
        self._stop_runtimes()
        if self._bug is not None:
            raise self._bug

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(at_once=kind is not None)

    def _stop_runtimes(self) -> None:
        for runtime in self._runtimes:
            runtime.stop()

    def _run(self) -> None:
        unhandled: list[Record] = []
        while not self._stopping.is_set():
            try:
                runtime = self._free.get(timeout=_IDLE_CHECK_S)
            except Empty:
                continue
            batch = self._collector.next_batch()
            if self._stopping.is_set():
                unhandled = batch.records
                break
            self._invocations.submit(self._handle, runtime, batch).add_done_callback(self._check)
        self._invocations.shutdown()
        self._collector.close(unhandled)

    def _check(self, future: "Future[None]") -> None:
        self._bug = self._bug or future.exception()
        if self._bug is not None:
            self._stopping.set()

    def _handle(self, runtime: Invoker, batch: Batch) -> None:
        try:
            result = runtime.invoke(batch.event())
            if result.fault is not None:
                _logger.warning("the function failed (%s): %s", result.fault, result.body[:300])
            deleted = self._settle(batch.records, result)
            with self._lock:
                self._counters = self._counters.plus(
                    result.fault, records=len(batch.records), deleted=deleted
                )
        finally:
            self._free.put(runtime)

    def _settle(self, records: Sequence[Record], result: InvocationResult) -> int:
        ids = [record.message_id for record in records]
        done = ids_to_delete(ids, result, reports_item_failures=self._mapping.reports_item_failures)
        handles = [record.receipt_handle for record in records if record.message_id in done]
        chunks = [handles[start : start + RECEIVE_LIMIT] for start in range(0, len(handles), RECEIVE_LIMIT)]
        return sum(delete(self._sqs, self._queue_url, chunk) for chunk in chunks)


def delete(sqs: "SQSClient", queue_url: str, receipt_handles: Sequence[str]) -> int:
    """Delete at most ten messages, retry what fails on SQS's side, and return how many are deleted."""
    remaining: list[DeleteMessageBatchRequestEntryTypeDef] = [
        {"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(receipt_handles)
    ]
    deleted = 0
    for pause_s in _PAUSES_BEFORE_DELETE_S:
        time.sleep(pause_s)
        try:
            answer = sqs.delete_message_batch(QueueUrl=queue_url, Entries=remaining)
        except (BotoCoreError, ClientError) as error:
            _logger.warning("could not delete: %s", error)
            continue
        deleted += len(answer.get("Successful", []))
        # SQS refuses a handle for good if the message has been received again.
        again = {failed["Id"] for failed in answer.get("Failed", []) if not failed["SenderFault"]}
        remaining = [entry for entry in remaining if entry["Id"] in again]
        if not remaining:
            break
    return deleted
