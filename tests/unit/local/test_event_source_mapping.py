import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.event_source_mapping import (
    PAYLOAD_LIMIT_BYTES,
    Batch,
    EventSourceMapping,
    Record,
    ids_to_delete,
    make_record,
)
from local.invocation import Fault, InvocationResult

ARN = "arn:aws:sqs:eu-west-1:111122223333:local-events"


def make_message(**changes: Any) -> Any:
    """Return a message as SQS gives it."""
    return {
        "MessageId": "m-1",
        "ReceiptHandle": "handle-1",
        "Body": "hello",
        "MD5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1763900000000"},
        **changes,
    }


def records_of_sizes(*sizes_bytes: int) -> list[Record]:
    """Return records m-0, m-1 … of these sizes."""
    return [Record(f"m-{number}", "handle", b"x" * size) for number, size in enumerate(sizes_bytes)]


def deleted(message_ids: list[str], answer: object) -> frozenset[str]:
    """Return the deleted ids after an answer, given as JSON text or as a value."""
    body = answer if isinstance(answer, str) else json.dumps(answer)
    return ids_to_delete(message_ids, InvocationResult(body), reports_item_failures=True)


def failures(*identifiers: object) -> dict[str, object]:
    """Return a partial batch response with these identifiers."""
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}


def test_record_has_the_shape_that_lambda_gives() -> None:
    """A record carries Lambda's names for everything, and all attributes that SQS sent."""
    message = make_message(
        Attributes={"ApproximateReceiveCount": "2", "MessageGroupId": "live"},
        MessageAttributes={
            "reason": {"DataType": "String", "StringValue": "rejected"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
        MD5OfMessageAttributes="00",
    )

    record = make_record(message, queue_arn=ARN)

    assert record.message_id == "m-1"
    assert record.receipt_handle == "handle-1"
    assert json.loads(record.json) == {
        "messageId": "m-1",
        "receiptHandle": "handle-1",
        "body": "hello",
        "attributes": {"ApproximateReceiveCount": "2", "MessageGroupId": "live"},
        "messageAttributes": {
            "reason": {
                "stringValue": "rejected",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            },
            "raw": {
                "binaryValue": "AAE=",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "Binary",
            },
        },
        "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "md5OfMessageAttributes": "00",
        "eventSource": "aws:sqs",
        "eventSourceARN": ARN,
        "awsRegion": "eu-west-1",
    }


@given(bodies=st.lists(st.text(min_size=1), max_size=20))
def test_event_is_the_json_of_all_records_in_order(bodies: list[str]) -> None:
    """Whatever characters the bodies hold, the event reads back as they were received."""
    batch = Batch(batch_size=20)

    for body in bodies:
        assert batch.add(make_record(make_message(Body=body), queue_arn=ARN))

    assert [record["body"] for record in json.loads(batch.event())["Records"]] == bodies


def test_batch_ends_at_its_size() -> None:
    """A batch takes no more records than the batch size."""
    batch = Batch(batch_size=2)

    taken = [batch.add(record) for record in records_of_sizes(1, 1, 1)]

    assert taken == [True, True, False]
    assert batch.room == 0


@pytest.mark.parametrize(("excess_bytes", "fits"), [(0, True), (1, False)])
def test_batch_ends_at_exactly_six_megabytes(excess_bytes: int, *, fits: bool) -> None:
    """The whole event counts, with its brackets and commas: the last byte fits, one more does not."""
    batch = Batch(batch_size=10)
    first, last = records_of_sizes(
        3_000_000, PAYLOAD_LIMIT_BYTES - 3_000_000 - len('{"Records":[,]}') + excess_bytes
    )

    batch.add(first)

    assert batch.add(last) is fits
    assert (len(batch.event()) == PAYLOAD_LIMIT_BYTES) is fits


@given(sizes=st.lists(st.integers(1, PAYLOAD_LIMIT_BYTES // 3), max_size=15), batch_size=st.integers(1, 5))
def test_batches_hold_every_record_once_and_in_order(sizes: list[int], batch_size: int) -> None:
    """Cutting a stream into batches loses, repeats and reorders nothing, and keeps both limits."""
    waiting = records_of_sizes(*sizes)
    batches: list[Batch] = []

    while waiting:
        batch = Batch(batch_size)
        while waiting and batch.add(waiting[0]):
            waiting.pop(0)
        batches.append(batch)

    ids = [record.message_id for batch in batches for record in batch.records]
    assert ids == [f"m-{number}" for number in range(len(sizes))]
    assert all(len(batch.records) <= batch_size for batch in batches)
    assert all(len(batch.event()) <= PAYLOAD_LIMIT_BYTES for batch in batches)


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}, {"statusCode": 200}],
    ids=["null", "empty object", "null list", "empty list", "another object"],
)
def test_answer_without_failures_deletes_the_whole_batch(answer: object) -> None:
    """Lambda takes an empty or null answer, or list, for success: all messages are deleted."""
    assert deleted(["a", "b"], answer) == {"a", "b"}


@pytest.mark.parametrize(
    "answer",
    [
        failures("unknown"),
        failures("a", "unknown"),
        failures(""),
        failures(None),
        failures(1),
        failures(["a"]),
        {"batchItemFailures": [{"messageId": "a"}]},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": [None]},
        {"batchItemFailures": "a"},
        {"batchItemFailures": False},
        {"batchItemFailures": {"itemIdentifier": "a"}},
        [],
        ["a"],
        "",
        '"ok"',
        "NaN",
        '{"batchItemFailures": [], "rate": NaN}',
        '{"batchItemFailures": [',
        "[" * 100_000,
    ],
)
def test_malformed_answer_deletes_nothing(answer: object) -> None:
    """An answer that is not JSON, has another shape, or names an unsent id brings the whole batch back."""
    assert deleted(["a", "b"], answer) == frozenset()


@pytest.mark.parametrize("fault", list(Fault))
def test_failed_invocation_deletes_nothing(fault: Fault) -> None:
    """After an error, a timeout or a crash every message is delivered again, whatever was printed."""
    result = InvocationResult('{"batchItemFailures": []}', fault)

    assert ids_to_delete(["a"], result, reports_item_failures=True) == frozenset()
    assert ids_to_delete(["a"], result, reports_item_failures=False) == frozenset()


def test_without_the_response_type_the_answer_is_ignored() -> None:
    """Where the mapping does not ask for item failures, any answer deletes the whole batch."""
    result = InvocationResult(json.dumps(failures("a")))

    assert ids_to_delete(["a", "b"], result, reports_item_failures=False) == {"a", "b"}


@given(st.data())
def test_exactly_the_named_messages_come_again(data: st.DataObject) -> None:
    """Of a well-formed answer, the named messages stay and all others are deleted."""
    received = data.draw(st.lists(st.uuids().map(str), min_size=1, unique=True))
    failed = data.draw(st.lists(st.sampled_from(received)))

    assert deleted(received, failures(*failed)) == set(received) - set(failed)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["batchItemFailures", "itemIdentifier", "x"]), inner)
    ),
)


@given(JSON | st.text())
def test_no_answer_deletes_what_was_not_received(answer: object) -> None:
    """The decision is total: for any answer it gives some of the received ids, and no other."""
    assert deleted(["a", "b"], answer) <= {"a", "b"}


def test_mapping_is_read_from_the_template_s_properties() -> None:
    """Each property that shapes the work is taken over."""
    properties = {
        "BatchSize": 10_000,
        "MaximumBatchingWindowInSeconds": 5,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": "4"},
    }

    mapping = EventSourceMapping.from_properties(properties)

    assert mapping == EventSourceMapping(10_000, 5, 4, reports_item_failures=True)


def test_mapping_without_properties_has_lambda_s_defaults() -> None:
    """Ten records, no window, no item failures."""
    assert EventSourceMapping.from_properties({}) == EventSourceMapping(10, 0, 5, reports_item_failures=False)


@pytest.mark.parametrize(
    ("batch_size", "window_s", "max_concurrency", "message"),
    [
        (0, 0, 2, "BatchSize is 0"),
        (10_001, 1, 2, "BatchSize is 10001"),
        (10, 301, 2, "MaximumBatchingWindowInSeconds is 301"),
        (11, 0, 2, "needs a MaximumBatchingWindowInSeconds"),
        (10, 0, 0, "MaximumConcurrency is 0"),
    ],
)
def test_mapping_refuses_what_lambda_refuses(
    batch_size: int, window_s: int, max_concurrency: int, message: str
) -> None:
    """A setting that could not be deployed does not run here either."""
    with pytest.raises(ValueError, match=message):
        EventSourceMapping(batch_size, window_s, max_concurrency, reports_item_failures=True)
