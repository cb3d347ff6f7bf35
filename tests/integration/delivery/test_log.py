"""The Log table that is slow, missing or throttled: a row lost is a count, never an event or a delay."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import DENIED, DOWN, EXECUTE, THROTTLED, WRITE, AwsError, AwsStub, always, times
from tests.builders import make_body, make_raw, make_record
from tests.integration.delivery.function import Function, counted, recent_event, records_of, sent
from tests.loopback import Response, Trouble
from whyness_events.delivery.items import Record
from whyness_events.log_entry import LogKey

LONG_S = 120.0
ROWS_PER_CALL = 25
MISSING = AwsError("ResourceNotFoundException")


def bad_record(count: int = 1) -> Record:
    """Return a record with events that are refused here: they are of 1969."""
    return make_record(make_body(*[make_raw(time=-1) for _ in range(count)]))


@pytest.mark.parametrize("found", [MISSING, DENIED, DOWN, Trouble.RESET, Trouble.GARBAGE], ids=str)
def test_a_table_that_fails_costs_its_rows_and_nothing_else(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, found: AwsError | Trouble
) -> None:
    """Dead letters are stored, events delivered, records acknowledged; the lost rows are counted."""
    event = recent_event()
    aws.scripts[WRITE] = always(found)

    invocation = function.invoke(bad_record(3), make_record(event), timeout_s=LONG_S)

    assert invocation.failed_ids == []
    assert invocation.metric("LogWritesLost") == 3
    assert aws.reasons == ["rejected"] * 3
    assert counted(mixpanel) == sent([event])


@pytest.mark.parametrize("found", [THROTTLED, Trouble.HANG], ids=str)
def test_a_table_that_is_slow_does_not_hold_the_handler(
    function: Function, aws: AwsStub, found: AwsError | Trouble
) -> None:
    """With 1,000 rows to write and not one taken, it gives up before it has tried them all."""
    aws.scripts[WRITE] = always(found)

    invocation = function.invoke(bad_record(1_000), timeout_s=LONG_S)

    assert invocation.failed_ids == []
    assert invocation.metric("LogWritesLost") == 1_000
    assert len(aws.dead_letters) == 1_000
    assert aws.call_count(WRITE) < 1_000 / ROWS_PER_CALL


@pytest.mark.parametrize("found", [THROTTLED, DOWN], ids=str)
def test_a_passing_failure_costs_no_row(function: Function, aws: AwsStub, found: AwsError) -> None:
    """Two refused calls, and the third stores the row."""
    aws.scripts[WRITE] = times(2, found)

    invocation = function.invoke(bad_record(), timeout_s=LONG_S)

    assert invocation.metric("LogWritesLost") == 0
    assert [row["reason"] for row in aws.rows.values()] == ["rejected"]


def test_what_dynamodb_left_out_is_put_again(function: Function, aws: AwsStub) -> None:
    """Of 60 rows every third is unprocessed at first; in the end all are there, once."""
    left_out: set[str] = set()

    def leave_out(item: Mapping[str, Any]) -> bool:
        pk = item["pk"]["S"]
        first_time = pk not in left_out and int(pk.rpartition("-")[2]) % 3 == 0
        left_out.update({pk} if first_time else ())
        return first_time

    aws.leave_out = leave_out

    invocation = function.invoke(bad_record(60), timeout_s=LONG_S)

    assert invocation.metric("LogWritesLost") == 0
    assert len(left_out) == 20
    assert len(aws.rows) == 60


def test_what_dynamodb_never_takes_is_counted(function: Function, aws: AwsStub) -> None:
    """One item is left out for ever: its neighbours are stored, it is one lost row."""
    record = bad_record(30)
    first = []

    def leave_out(item: Mapping[str, Any]) -> bool:
        first.append(item["pk"])
        return bool(item["pk"] == first[0])

    aws.leave_out = leave_out

    invocation = function.invoke(record, timeout_s=LONG_S)

    assert invocation.failed_ids == []
    assert invocation.metric("LogWritesLost") == 1
    assert len(aws.rows) == 29


NOT_ITS_ANSWER = [
    b"{}",
    b"[]",
    b'{"UnprocessedItems": null, "Responses": null}',
    b'{"UnprocessedItems": {"Log": [{}, null]}, "Responses": [null]}',
    b'{"UnprocessedItems": {"Log": [{"PutRequest": {"Item": {}}}]}, "Responses": [{"Error": {}}]}',
    b'{"UnprocessedItems": {"Log": "?"}, "Responses": [{}, {}]}',
]


@pytest.mark.parametrize("body", NOT_ITS_ANSWER)
@pytest.mark.parametrize("operation", [WRITE, EXECUTE])
@pytest.mark.usefixtures("no_pauses")
def test_an_answer_that_is_another_calls_or_makes_no_sense_stores_no_row(
    function: Function, aws: AwsStub, operation: str, body: bytes
) -> None:
    """What does not name each item is no confirmation; it is counted, told, and harms nothing else."""
    aws.scripts[operation] = lambda _: Response(200, body, {"Content-Type": "application/x-amz-json-1.0"})
    redriven = make_record(recent_event(), log_key=str(LogKey("row-0", "0123456789abcdef")))

    invocation = function.invoke(bad_record() if operation == WRITE else redriven, timeout_s=30)

    assert invocation.failed_ids == []
    assert invocation.metric("LogWritesLost") == 1
    assert [line["operation"] for line in invocation.refusals] == [operation]


def test_equal_keys_are_one_row(function: Function, aws: AwsStub) -> None:
    """DynamoDB refuses a call that names a key twice: two dead events with one key share the row."""
    raw = make_raw(time=-1)
    record = make_record(make_body(raw, {**raw, "data": "other"}, make_raw(time=-1)))

    invocation = function.invoke(record)

    assert invocation.failed_ids == []
    assert invocation.metric("LogWritesLost") == 0
    assert len(aws.dead_letters) == 3
    assert len(aws.rows) == 2


def test_a_row_says_why_and_holds_no_payload(function: Function, aws: AwsStub) -> None:
    """Every attribute of a dead event's row is what the design names, and its dead letter leads to it."""
    raw = make_raw(time=-1, ip="203.0.113.9", useragent="Mozilla", data="GET", properties={"plan": "gold"})
    record = make_record(make_body(raw), receive_count=2, sent_ms=int(time.time() * 1000) - 5_000)

    function.invoke(record)

    [row], [dead_letter] = aws.rows.values(), aws.dead_letters
    assert f"{row['pk']}/{row['sk']}" == dead_letter.attributes["log_key"]
    assert row["pk"] == raw["insert_id"]
    assert row["dead_letter_message_id"] == dead_letter.message_id
    assert row["message_id"] == record.message_id
    assert (row["reason"], row["state"], row["attempts"]) == ("rejected", "dead", 2)
    assert row["first_failed_at"] == record.sent_ms
    assert row["expires_at"] * 1000 > row["last_failed_at"] >= record.sent_ms
    assert row["detail"].startswith("time: ")
    assert row.keys() == {
        *("pk", "sk", "gsi1pk", "gsi1sk", "reason", "detail", "http_status", "state", "message_id"),
        *("dead_letter_message_id", "attempts", "first_failed_at", "last_failed_at"),
        *("event_count", "expires_at"),
    }


def test_an_outage_writes_one_row_per_reason_not_per_event(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """What waits is a row of the invocation with a count: an outage must not become a storm of writes."""
    _, records = records_of(200)
    mixpanel.faults.add(status=503)

    invocation = function.invoke(*records)

    [row] = aws.rows.values()
    assert len(invocation.failed_ids) == 200
    assert row["pk"].startswith("run#")
    assert (row["reason"], row["state"], row["event_count"]) == ("retry", "waiting", 200)
