"""How Lambda reads a queue: the form of a record, the end of a batch, which messages it deletes. Pure.

Source: Lambda Developer Guide, "Using Lambda with Amazon SQS" with its pages on parameters and on errors,
read 2026-11.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Self

from local.invocation import InvocationResult

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueOutputTypeDef, MessageTypeDef

PAYLOAD_LIMIT_BYTES = 6 * 1024 * 1024
_EMPTY_EVENT_BYTES = len(b'{"Records":[]}')
_BATCH_SIZE_MAX = 10_000
_BATCH_SIZE_MAX_WITHOUT_WINDOW = 10
_WINDOW_MAX_S = 300


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """The settings of an event source mapping.

    Raises:
        ValueError: Lambda refuses a value, or two values together.
    """

    batch_size: int
    window_s: int
    max_concurrency: int
    reports_item_failures: bool

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= _BATCH_SIZE_MAX:
            raise ValueError(f"BatchSize is {self.batch_size}; it must be from 1 to {_BATCH_SIZE_MAX}")
        if not 0 <= self.window_s <= _WINDOW_MAX_S:
            raise ValueError(
                f"MaximumBatchingWindowInSeconds is {self.window_s}; it must be from 0 to {_WINDOW_MAX_S}"
            )
        if self.batch_size > _BATCH_SIZE_MAX_WITHOUT_WINDOW and self.window_s == 0:
            raise ValueError("a BatchSize above 10 needs a MaximumBatchingWindowInSeconds of 1 or more")
        if self.max_concurrency < 1:
            raise ValueError(f"MaximumConcurrency is {self.max_concurrency}; it must be at least 1")

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> Self:
        """Read the `Properties` of an SQS event in a SAM template, with Lambda's defaults."""
        return cls(
            batch_size=int(properties.get("BatchSize", 10)),
            window_s=int(properties.get("MaximumBatchingWindowInSeconds", 0)),
            max_concurrency=int(properties.get("ScalingConfig", {}).get("MaximumConcurrency", 5)),
            reports_item_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
        )


@dataclass(frozen=True, slots=True)
class Record:
    """A received message: its ids, and its JSON text in the event."""

    message_id: str
    receipt_handle: str
    json: bytes


def make_record(message: "MessageTypeDef", *, queue_arn: str) -> Record:
    """Return the record that Lambda makes of a message received with all its attributes."""
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return Record(message["MessageId"], message["ReceiptHandle"], text.encode())


def _attribute(value: "MessageAttributeValueOutputTypeDef") -> dict[str, object]:
    # Unlike the SQS API, Lambda's keys begin with a lower-case letter, and binary values are base64.
    attribute: dict[str, object] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
    if "StringValue" in value:
        attribute["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return attribute


class Batch:
    """Records for one invocation: at most `batch_size`, and at most 6 MB as the event's whole JSON text."""

    def __init__(self, batch_size: int) -> None:
        self.records: list[Record] = []
        self._batch_size = batch_size
        self._size_bytes = _EMPTY_EVENT_BYTES

    @property
    def room(self) -> int:
        """How many more records the batch size allows."""
        return self._batch_size - len(self.records)

    def add(self, record: Record) -> bool:
        """Add a record if it fits; return whether it was added."""
        size_bytes = self._size_bytes + len(record.json) + (1 if self.records else 0)
        if self.room == 0 or size_bytes > PAYLOAD_LIMIT_BYTES:
            return False
        self.records.append(record)
        self._size_bytes = size_bytes
        return True

    def event(self) -> bytes:
        """Return the function's event."""
        return b'{"Records":[' + b",".join(record.json for record in self.records) + b"]}"


def ids_to_delete(
    message_ids: Sequence[str], result: InvocationResult, *, reports_item_failures: bool
) -> frozenset[str]:
    """Return the ids of the messages that Lambda deletes after this result. It delivers the others again."""
    if result.fault is not None:
        return frozenset()
    received = frozenset(message_ids)
    if not reports_item_failures:
        return received
    failed = _failed_ids(result.body)
    # An unknown or missing identifier fails the whole batch.
    return received - failed if failed is not None and failed <= received else frozenset()


def _failed_ids(body: str) -> frozenset[str | None] | None:
    """Return the failed identifiers, None for each malformed one; or None for a malformed answer."""
    try:
        response = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    failures = response.get("batchItemFailures") if isinstance(response, dict) else response
    if failures is None:
        return frozenset()
    if not isinstance(failures, list) or not isinstance(response, dict):
        return None
    return frozenset(_identifiers(failures))


def _identifiers(failures: Iterable[object]) -> Iterable[str | None]:
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        yield identifier if isinstance(identifier, str) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
