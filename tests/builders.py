"""Small makers of the things that tests speak of."""

import itertools
import json
from dataclasses import fields
from typing import Any

from whyness_events import Event, encode_message, limits
from whyness_events.delivery.items import Item, Record, RecordEvents
from whyness_events.delivery.mixpanel.translate import AnyEvent, DescribeUseragent, Translator
from whyness_events.delivery.reading.decode import read_group

NOW_MS = 1_795_000_000_000
SENT_MS = NOW_MS - 30_000
_numbers = itertools.count(1)


def make_event(**over: Any) -> Event:
    """Return a valid event; each call another insert id."""
    defaults = {
        "insert_id": f"row-{next(_numbers)}",
        "event": "Audio upload",
        "user": "123",
        "time": NOW_MS - 60_000,
    }
    return Event(**{**defaults, **over})


def make_raw(**over: Any) -> dict[str, Any]:
    """Return a valid event as JSON data, with `over` put over it; None removes one."""
    raw = {**make_event().to_wire(), **over}
    return {name: value for name, value in raw.items() if value is not REMOVED}


REMOVED = object()


def large_properties(json_bytes: int, char: str = "x") -> dict[str, Any]:
    """Return properties of exactly so many bytes of compact JSON, of which nothing has to be cut."""
    width = len(char.encode())
    properties: dict[str, list[str]] = {}
    left = json_bytes - len('{"last":[]}')
    full = [char * (240 // width)] * 30
    while left > 9_000:
        properties[f"{len(properties):03}"] = full
        left -= len('"000":[],') + 30 * len('"",') - 1 + 30 * 240
    properties["last"] = []
    while left - len('""') > limits.STRING_BYTES:
        properties["last"].append(full[0])
        left -= len('"",') + 240
    count, rest = divmod(left - len('""'), width)
    properties["last"].append(char * count + "x" * rest)
    return properties


def make_body(*events: Any, identity: str = "distinct_id") -> str:
    """Return an envelope of events, or of raw JSON data."""
    if all(isinstance(event, Event) for event in events):
        return encode_message(events, identity=identity)
    raws = [event.to_wire() if isinstance(event, Event) else event for event in events]
    return json.dumps({"schema_version": 1, "identity": identity, "events": raws})


def make_record(body: str | Event | None = None, **over: Any) -> Record:
    """Return a record as the core sees it."""
    text = body if isinstance(body, str) else make_body(body or make_event())
    defaults = {"message_id": f"message-{next(_numbers)}", "receive_count": 1, "sent_ms": SENT_MS}
    return Record(body=text, **{**defaults, **over})


def read_record(record: Record, *, now_ms: int, default_identity: str) -> RecordEvents:
    """Return a record that is read alone."""
    (record_events,) = read_group([record], now_ms=now_ms, default_identity=default_identity)
    return record_events


def as_event(item: Item) -> Event | None:
    """Return an item's event as the contract's type, whichever reader it came from."""
    if item.event is None:
        return None
    return Event(**{field.name: getattr(item.event, field.name) for field in fields(Event)})


def translated(
    event: AnyEvent, identity: str, describe_useragent: DescribeUseragent
) -> tuple[dict[str, Any], int]:
    """Return what Mixpanel gets, decoded, and how many strings were cut."""
    ((encoded, cut_count),) = Translator(describe_useragent).translate([event], [identity])
    return json.loads(encoded), cut_count


def sqs_event(*records: Record) -> dict[str, Any]:
    """Return the records in the shape in which Lambda hands them over."""
    return {"Records": [_sqs_record(record) for record in records]}


def _sqs_record(record: Record) -> dict[str, Any]:
    return {
        "messageId": record.message_id,
        "receiptHandle": f"handle-{record.message_id}",
        "body": record.body,
        "attributes": {
            "ApproximateReceiveCount": str(record.receive_count),
            "SentTimestamp": str(record.sent_ms),
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": str(record.sent_ms),
        },
        "messageAttributes": {"log_key": {"dataType": "String", "stringValue": record.log_key}}
        if record.log_key
        else {},
        "md5OfBody": "0" * 32,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:events",
        "awsRegion": "eu-west-1",
    }
