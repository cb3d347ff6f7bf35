"""Pure: read the records of the SQS event that Lambda passes to the handler."""

from typing import Annotated, Any

import msgspec

from whyness_events.dead_letter import LOG_KEY, from_sqs_attributes
from whyness_events.delivery.items import Record


class InvocationFault(Exception):
    """The invocation cannot be answered record by record, so all records return. The text is safe."""


class _Attributes(msgspec.Struct, frozen=True, gc=False):
    receive_count: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(
        name="ApproximateReceiveCount", default=1
    )
    sent_ms: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(name="SentTimestamp", default=0)


class _Record(msgspec.Struct, rename="camel", gc=False):
    """A record as SQS sends it. Its numbers are texts."""

    message_id: Annotated[str, msgspec.Meta(min_length=1)]
    body: str
    receipt_handle: str
    attributes: _Attributes
    message_attributes: Any = None


def read_records(event: Any) -> list[Record]:
    """Return the records of an SQS event.

    Raises:
        InvocationFault: it is not an SQS event, or a record has no message id to answer for.
    """
    raw_records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(raw_records, list):
        raise InvocationFault("the event has no list of Records: this function accepts only SQS events")
    try:
        records = msgspec.convert(raw_records, list[_Record], strict=False)
    except msgspec.ValidationError:  # at least one record is malformed
        return [_look_closer(raw) for raw in raw_records]
    return [
        Record(
            raw.message_id,
            raw.body,
            raw.attributes.receive_count,
            raw.attributes.sent_ms,
            raw.receipt_handle,
            _log_key(raw.message_attributes) if raw.message_attributes else "",
        )
        for raw in records
    ]


def _look_closer(raw: Any) -> Record:
    message_id = raw.get("messageId") if isinstance(raw, dict) else None
    if not (isinstance(message_id, str) and message_id):
        raise InvocationFault("a record has no messageId")
    body, receipt_handle = raw.get("body"), raw.get("receiptHandle")
    texts = attributes if isinstance(attributes := raw.get("attributes"), dict) else {}
    return Record(
        message_id,
        body if isinstance(body, str) else "",
        _number(texts.get("ApproximateReceiveCount"), 1),
        _number(texts.get("SentTimestamp"), 0),
        receipt_handle if isinstance(receipt_handle, str) else "",
        _log_key(raw.get("messageAttributes")),
    )


def _log_key(attributes: Any) -> str:
    return from_sqs_attributes(attributes).get(LOG_KEY, "")


def _number(text: Any, default: int) -> int:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else default
