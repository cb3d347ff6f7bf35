"""Dead letters and Log rows as nobody should write them: SQS and DynamoDB take them all the same."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.builders import make_body, make_event

MOMENTS = (
    "0001-01-01T00:00:00+00:00",
    "0001-01-01T00:00+14:00",
    "9999-12-31T23:59:59.999-14:00",
    "9999-12-31T23:59:59.999999+00:00",
    "1969-12-31T23:59:59+00:00",
    "2026-11-23T10:00:00",
    "2026-11-23",
    "yesterday",
    "\u0662\u0660",
)
NUMBERS = ("0", "-1", "1e30", "1" + "0" * 30, "-" + "9" * 37, "9" * 5_000, "1.5", "NaN", "\u00b2", "", "text")
_NUMBERS_OF_DYNAMODB = tuple(n for n in NUMBERS if n not in ("", "text", "\u00b2", "NaN") and len(n) < 39)
_TEXTS = st.one_of(st.sampled_from([*MOMENTS, *NUMBERS, "\x1b[2J", "x" * 5_000, "\u202e", "a/b"]), st.text())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_BODIES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "[" * 100_000,
            '{"events": [' + "[" * 400 + "]" * 400 + "]}",
            '{"events": [{"insert_id": "deep", "data": ' + '{"a":' * 300 + "1" + "}" * 300 + "}]}",
            '{"events": [' + "9" * 5_000 + "]}",
            r'{"events": [{"insert_id": "\ud800", "event": "\ud800", "user": "\ud800", "time": 1}]}',
            '{"schema_version": 99, "events": [{}]}',
            '{"events": [{"insert_id": [1], "event": {}, "user": [], "time": 1e999}]}',
            make_body(make_event(insert_id="fine"), make_event()),
        ]
    ),
    _JSON.map(json.dumps),
    st.lists(_JSON, min_size=1, max_size=3).map(lambda events: json.dumps({"events": events})),
)
_ATTRIBUTES = ("reason", "detail", "failed_at", "http_status", "insert_id", "log_key", "source_message_id")
_OF_LETTER: st.SearchStrategy[dict[str, Any]] = st.one_of(
    _TEXTS.map(lambda text: {"DataType": "String", "StringValue": text}),
    st.just({"DataType": "Binary", "BinaryValue": b"\0\xff"}),
    st.just({"DataType": "Number", "StringValue": "1e400"}),
    st.just({}),
)
_OF_ROW: st.SearchStrategy[dict[str, Any]] = st.one_of(
    _TEXTS.map(lambda text: {"S": text}),
    st.sampled_from(_NUMBERS_OF_DYNAMODB).map(lambda text: {"N": text}),
    st.sampled_from(
        [
            {"L": [{"N": "1"}, {"S": "x"}]},
            {"M": {"a": {"NULL": True}}},
            {"NULL": True},
            {"BOOL": False},
            {"B": b"\xff"},
            {"SS": ["a"]},
            {"NS": ["1"]},
        ]
    ),
)
_ROW_NAMES = (
    *(
        "sk",
        "gsi1pk",
        "gsi1sk",
        "event",
        "reason",
        "detail",
        "http_status",
        "state",
        "message_id",
        "attempts",
    ),
    *(
        "dead_letter_message_id",
        "first_failed_at",
        "last_failed_at",
        "redriven_at",
        "delivered_at",
        "started_at",
    ),
    *("finished_at", "event_count", "expires_at", "items", "key", "at", "who"),
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """Return an element of ReceiveMessage's `Messages`, with a message id that is not unique."""
    message: dict[str, Any] = {"MessageId": "m", "ReceiptHandle": "r", "Body": draw(_BODIES)}
    if draw(st.booleans()):
        attributes = draw(st.dictionaries(st.sampled_from(_ATTRIBUTES), _OF_LETTER))
        message["MessageAttributes"] = attributes
    system = {
        "SentTimestamp": draw(st.sampled_from([*NUMBERS, "1795000000000", "253402300800000"])),
        "DeadLetterQueueSourceArn": "arn:aws:sqs:eu-west-1:1:live",
    }
    kept = draw(st.lists(st.sampled_from(sorted(system)), unique=True))
    return message | ({"Attributes": {name: system[name] for name in kept}} if kept else {})


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """Return an item of the Log, as DynamoDB hands it out."""
    item: dict[str, Any] = draw(st.dictionaries(st.sampled_from(_ROW_NAMES), _OF_ROW))
    return {"pk": draw(_TEXTS.map(lambda text: {"S": text or "x"})), **item}
