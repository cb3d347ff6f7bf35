"""The dead-letter queue that refuses, fails, hangs or has no room: what is not safe is not acknowledged."""

import json

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import DENIED, DOWN, SEND, THROTTLED, WRITE, AwsError, AwsStub, always, times
from tests.builders import large_properties, make_body, make_raw, make_record
from tests.integration.delivery.function import Function, counted, recent_event, sent
from tests.loopback import Trouble
from whyness_events import Event, decode_message
from whyness_events.delivery.items import Record

MESSAGE_BYTES = 1_048_576
SHORTEST_S = 10.0  # that a call to AWS may not make late
BROKEN = [DENIED, DOWN, THROTTLED, AwsError("QueueDoesNotExist"), Trouble.RESET, Trouble.GARBAGE]


def bad_record(**fields: object) -> Record:
    """Return a record with one event that is refused here: its time is in 1969."""
    return make_record(json.dumps(make_raw(time=-1, **fields)))


def good_record() -> tuple[Event, Record]:
    """Return an event and its record."""
    event = recent_event()
    return event, make_record(event)


@pytest.mark.parametrize("found", BROKEN, ids=str)
def test_a_queue_that_fails_leaves_the_record_unacknowledged(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, found: AwsError | Trouble
) -> None:
    """The bad record stays queued until its dead letter is stored; its neighbour is delivered at once."""
    event, neighbour = good_record()
    bad = bad_record()
    aws.scripts[SEND] = always(found)

    first = function.invoke(bad, neighbour)
    aws.scripts.clear()
    second = function.invoke(bad)

    assert first.failed_ids == [bad.message_id]
    assert first.metric("DeadLettersRefused") == 1
    assert second.failed_ids == []
    assert aws.reasons == ["rejected"]
    assert counted(mixpanel) == sent([event])


def test_a_queue_that_hangs_does_not_hold_the_handler(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Calls that are never answered end by their own time-outs, in the function's own time."""
    event, neighbour = good_record()
    bad = bad_record()
    aws.scripts[SEND] = always(Trouble.HANG)

    invocation = function.invoke(bad, neighbour, timeout_s=SHORTEST_S)

    assert invocation.failed_ids == [bad.message_id]
    assert counted(mixpanel) == sent([event])
    assert aws.dead_letters == []


def test_one_passing_failure_is_retried_by_the_sdk(function: Function, aws: AwsStub) -> None:
    """A single 500 of SQS costs nothing."""
    aws.scripts[SEND] = times(1, DOWN)

    invocation = function.invoke(bad_record())

    assert invocation.failed_ids == []
    assert aws.reasons == ["rejected"]


def test_entries_reported_as_failed_leave_only_their_records_unacknowledged(
    function: Function, aws: AwsStub
) -> None:
    """Records of dead letters that SQS refuses return; the others, in the same three calls, are done."""
    records = [bad_record() for _ in range(25)]
    refused = {records[at].message_id for at in (0, 9, 10, 24)}
    aws.refuse_entry = lambda e: e["MessageAttributes"]["source_message_id"]["StringValue"] in refused

    first = function.invoke(*records)
    aws.refuse_entry = lambda _: False
    second = function.invoke(*[record for record in records if record.message_id in first.failed_ids])

    assert set(first.failed_ids) == refused
    assert second.failed_ids == []
    assert sorted(dead_letter.attributes["source_message_id"] for dead_letter in aws.dead_letters) == sorted(
        record.message_id for record in records
    )


def test_a_record_with_one_refused_dead_letter_of_three_comes_back_whole(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """A record is acknowledged when each of its events is safe, not before."""
    good = recent_event()
    bad_raws = [make_raw(time=-1) for _ in range(3)]
    record = make_record(make_body(good, *bad_raws))
    aws.refuse_entry = lambda e: (
        e["MessageAttributes"]["insert_id"]["StringValue"] == bad_raws[1]["insert_id"]
    )

    first = function.invoke(record)
    aws.refuse_entry = lambda _: False
    second = function.invoke(record)

    assert first.failed_ids == [record.message_id]
    assert second.failed_ids == []
    assert {dead_letter.attributes["insert_id"] for dead_letter in aws.dead_letters} == {
        r["insert_id"] for r in bad_raws
    }
    assert counted(mixpanel) == sent([good])


def test_no_dead_letter_goes_while_another_event_of_its_record_waits(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """An outage that brings a record back time and again does not multiply its dead letters."""
    record = make_record(make_body(recent_event(), make_raw(time=-1)))
    fault = mixpanel.faults.add(status=503)

    first = [function.invoke(record).failed_ids for _ in range(3)]
    dead_letters_in_the_outage = len(aws.dead_letters)
    mixpanel.faults.remove(fault)
    last = function.invoke(record)

    assert first == [[record.message_id]] * 3
    assert dead_letters_in_the_outage == 0
    assert last.failed_ids == []
    assert aws.reasons == ["rejected"]


# --- size and characters


def body_of_bytes(size_bytes: int, filling: str = "x") -> str:
    """Return a body of exactly so many bytes, holding one event that is too large."""
    raw = make_raw(properties={})
    room_bytes = size_bytes - len(json.dumps(raw, separators=(",", ":"))) + len("{}")
    raw["properties"] = large_properties(room_bytes, filling)
    body = json.dumps(raw, ensure_ascii=False, separators=(",", ":"))
    assert len(body.encode()) == size_bytes
    return body


@pytest.mark.parametrize("filling", ["x", "語", "𠮷"])
def test_a_body_of_exactly_the_limit_goes_verbatim_and_its_row_says_why(
    function: Function, aws: AwsStub, filling: str
) -> None:
    """With no room for a single attribute, the reason stands in the Log row alone."""
    body = body_of_bytes(MESSAGE_BYTES, filling)
    record = make_record(body)

    invocation = function.invoke(record)

    [dead_letter], [row] = aws.dead_letters, aws.rows.values()
    assert invocation.failed_ids == []
    assert dead_letter.body == body
    assert dead_letter.attributes == {}
    assert row["reason"] == "oversized"
    assert row["dead_letter_message_id"] == dead_letter.message_id
    assert row["message_id"] == record.message_id


def test_an_unreadable_body_of_exactly_the_limit_goes_verbatim(function: Function, aws: AwsStub) -> None:
    """The same for a text that no decoder can read."""
    body = "{" * MESSAGE_BYTES

    invocation = function.invoke(make_record(body))

    assert invocation.failed_ids == []
    assert [dead_letter.body for dead_letter in aws.dead_letters] == [body]
    assert [row["reason"] for row in aws.rows.values()] == ["unreadable"]


def test_without_attributes_and_without_a_row_nothing_is_acknowledged(
    function: Function, aws: AwsStub
) -> None:
    """A dead letter that nobody could explain is not safe: its record comes back until the row is written."""
    record = make_record("{" * MESSAGE_BYTES)
    aws.scripts[WRITE] = always(AwsError("ResourceNotFoundException"))

    first = function.invoke(record)
    aws.scripts.clear()
    second = function.invoke(record)

    assert first.failed_ids == [record.message_id]
    assert second.failed_ids == []
    assert [row["reason"] for row in aws.rows.values()] == ["unreadable"]


@pytest.mark.parametrize("short_by_bytes", [1, 20, 60, 150, 300, 600])
def test_as_many_attributes_go_as_there_is_room_for(
    function: Function, aws: AwsStub, short_by_bytes: int
) -> None:
    """Near the limit the least needed go first: the key to the Log row and the reason stay longest."""
    record = make_record("{" * (MESSAGE_BYTES - short_by_bytes))

    invocation = function.invoke(record)

    [dead_letter] = aws.dead_letters
    kept = [name for name in ("reason", "log_key", "detail") if name in dead_letter.attributes]
    assert invocation.failed_ids == []
    assert dead_letter.body == record.body
    assert kept == ["reason", "log_key", "detail"][: len(kept)]
    assert len(aws.rows) == 1


def test_large_dead_letters_share_no_call_that_sqs_would_refuse(function: Function, aws: AwsStub) -> None:
    """Ten dead letters of 400 kB are five calls: the sum of a call has a limit, too."""
    records = [make_record("{" * 400_000) for _ in range(10)]

    invocation = function.invoke(*records)

    assert invocation.failed_ids == []
    assert len(aws.dead_letters) == 10
    assert aws.call_count(SEND) == 5


@pytest.mark.parametrize("size_bytes", [999_990, 1_000_000, 1_000_001, 1_048_000])
def test_an_event_in_cjk_just_under_the_limits_fits_into_the_queue(
    function: Function, aws: AwsStub, size_bytes: int
) -> None:
    """Escaped as ASCII it would be twice the size: the dead letter keeps its characters as they are."""
    raw = make_raw(event="", time=-1)
    room = size_bytes - len(json.dumps(raw, ensure_ascii=False).encode())
    raw["event"] = "語" * (room // 3)

    invocation = function.invoke(make_record(json.dumps(raw, ensure_ascii=False)))

    [dead_letter] = aws.dead_letters
    [event] = decode_message(dead_letter.body).raw_events
    assert invocation.failed_ids == []
    assert event == raw
    assert len(aws.rows) == 1


CHARACTERS = [
    "\x00",
    "\x0b",
    "\x1f",
    "\x7f",
    "\x85",
    "\ud800",
    "\udfff",
    "\ufffe",
    "\uffff",
    "\U0001ffff",
    "\\u0000",
]


@pytest.mark.parametrize("character", CHARACTERS, ids=ascii)
def test_characters_that_sqs_refuses_reach_the_queue_escaped(
    function: Function, aws: AwsStub, character: str
) -> None:
    """What a producer wrote as an escape is one in the dead letter again, and reads back the same."""
    text = f"a{character}b"
    raw = make_raw(time=-1, data=text, properties={text: text}, other={text: [text]})

    invocation = function.invoke(make_record(json.dumps(raw)))

    [dead_letter] = aws.dead_letters
    assert invocation.failed_ids == []
    assert decode_message(dead_letter.body).raw_events == [raw]


@pytest.mark.parametrize("character", ["\ufffe", "\uffff", "\ud800"], ids=ascii)
def test_characters_that_sqs_refuses_are_escaped_in_an_event_that_has_to_be_written_anew(
    function: Function, aws: AwsStub, character: str
) -> None:
    """A body that only the lenient decoder reads (NaN) is encoded again for its dead letter."""
    raw = make_raw(data=f"a{character}b", properties={"share": float("nan")})

    invocation = function.invoke(make_record(json.dumps({"events": [make_raw(time=-1), raw]})))

    dead_letters = [decode_message(dead_letter.body).raw_events[0] for dead_letter in aws.dead_letters]
    assert invocation.failed_ids == []
    assert [
        dead_letter["data"]
        for dead_letter in dead_letters
        if isinstance(dead_letter, dict) and "data" in dead_letter
    ] == [raw["data"]]


def test_a_dead_letter_can_be_sent_in_again(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """The body of a dead letter is a message: edited, or accepted by Mixpanel later, it is delivered."""
    mixpanel.configure(max_items=2)
    events = [recent_event(properties={"plans": [1, 2, 3]}), recent_event()]
    function.invoke(make_record(make_body(*events)))
    mixpanel.configure(max_items=254)

    invocation = function.invoke(*[make_record(dead_letter.body) for dead_letter in aws.dead_letters])

    assert invocation.outcomes == {"delivered": 1}
    assert counted(mixpanel) == sent(events)
