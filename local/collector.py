"""Receive from a queue with several receivers, and make batches for the function."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from local.event_source_mapping import Batch, EventSourceMapping, Record, make_record

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_logger = logging.getLogger(__name__)
RECEIVE_LIMIT = 10  # messages in one call of SQS's receive or delete
_LONG_POLL_S = 1  # short, because a stop waits for it
_PAUSE_AFTER_ERROR_S = 1.0


class Collector:
    """Makes one batch at a time. Records that do not fit begin the next one."""

    def __init__(
        self,
        sqs: "SQSClient",
        queue_url: str,
        mapping: EventSourceMapping,
        *,
        receivers: int,
        stopping: threading.Event,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._queue_arn = ""
        self._mapping = mapping
        self._receivers = receivers
        self._stopping = stopping
        self._executor = ThreadPoolExecutor(receivers, thread_name_prefix="receive")
        self._waiting: deque[Record] = deque()

    def next_batch(self) -> Batch:
        """Wait for records, and return a batch when it is full, its window is over, or `stopping` is set."""
        batch = Batch(self._mapping.batch_size)
        deadline = float("inf")
        while not self._stopping.is_set():
            while self._waiting and batch.add(self._waiting[0]):
                self._waiting.popleft()
            if batch.records:
                deadline = min(deadline, time.monotonic() + self._mapping.window_s)
            if self._waiting or batch.room == 0 or time.monotonic() >= deadline:
                break
            self._receive(batch.room, receivers=self._receivers if batch.records else 1)
        return batch

    def close(self, unhandled: Iterable[Record]) -> None:
        """End the receivers, and make the records here and in `unhandled` visible again at once."""
        self._executor.shutdown()
        for record in (*unhandled, *self._waiting):
            with suppress(BotoCoreError, ClientError):  # the visibility timeout does it later
                self._sqs.change_message_visibility(
                    QueueUrl=self._queue_url, ReceiptHandle=record.receipt_handle, VisibilityTimeout=0
                )

    def _receive(self, room: int, *, receivers: int) -> None:
        counts = [min(RECEIVE_LIMIT, room - start) for start in range(0, room, RECEIVE_LIMIT)]
        for records in self._executor.map(self._receive_some, counts[:receivers]):
            self._waiting.extend(records)

    def _receive_some(self, count: int) -> list[Record]:
        try:
            response = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=_LONG_POLL_S,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            messages = response.get("Messages", [])
            return [make_record(message, queue_arn=self._arn()) for message in messages]
        except (BotoCoreError, ClientError) as error:
            _logger.warning("could not receive: %s", error)
            self._stopping.wait(_PAUSE_AFTER_ERROR_S)
            return []

    def _arn(self) -> str:
        if not self._queue_arn:
            answer = self._sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["QueueArn"])
            self._queue_arn = answer["Attributes"]["QueueArn"]
        return self._queue_arn
