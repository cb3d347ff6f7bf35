"""A row of the Log: its key, what it tells, when it goes."""

import re

import pytest
from hypothesis import given

from tests.builders import NOW_MS, make_raw
from tests.corpus import MARKER
from tests.strategies import any_json
from whyness_events.log_entry import KEEP_S, SHARDS, LogEntry, LogKey, log_key, to_dynamodb
from whyness_events.outcomes import State


def _key(raw: object, position: int = 0) -> LogKey:
    return log_key(raw, message_id="message-1", position=position)


def test_key_is_the_insert_id_and_a_hash_of_the_other_three() -> None:
    """Who has the event finds its row."""
    key = _key(make_raw(insert_id="4711"))

    assert key.pk == "4711"
    assert re.fullmatch("[0-9a-f]{16}", key.sk)
    assert str(key) == f"4711/{key.sk}"


def test_same_event_has_the_same_row_wherever_it_comes_from() -> None:
    """A redriven event that fails again has one row, not two; nothing but the four fields counts."""
    raw = make_raw(insert_id="4711")

    again = log_key({**raw, "data": "x", "tenant": 1}, message_id="message-2", position=7)

    assert again == _key(raw)


@pytest.mark.parametrize("field", ["event", "user", "time"])
def test_same_insert_id_with_another_field_is_another_row(field: str) -> None:
    """Two tables may use the same row key: their events differ by name."""
    raw = make_raw(insert_id="4711")
    other = raw | {field: raw[field] * 2}

    assert _key(other).pk == _key(raw).pk
    assert _key(other).sk != _key(raw).sk


def test_hash_is_frozen() -> None:
    """Rows are found again by later releases."""
    raw = {"insert_id": "1", "event": "Audio upload", "user": "p:45", "time": 1_795_000_000_000}

    assert str(_key(raw)) == "1/da62e195b6ef0864"


@pytest.mark.parametrize("insert_id", [None, 7, "", "null", "a" * 37, f"{MARKER}:1", ["x"], {}])
def test_without_a_valid_insert_id_the_place_is_the_key(insert_id: object) -> None:
    """An invalid insert id appears neither in the row nor in the dead letter."""
    key = _key(make_raw(insert_id=insert_id), position=3)

    assert key.pk == "message-1#3"


@pytest.mark.parametrize("raw", [None, 7, "text", [], [1], {}, {"time": float("inf")}])
def test_what_is_no_event_has_a_row_too(raw: object) -> None:
    """Its key has its position in the message."""
    assert _key(raw, position=1).pk == "message-1#1"


def test_hostile_nesting_has_a_row_too() -> None:
    """The key is made without walking the event."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    assert _key({"insert_id": "1", "event": deep, "user": deep, "time": deep}).pk == "1"


@given(any_json)
def test_key_is_total(raw: object) -> None:
    """Any JSON has a key that both tables and queues accept."""
    key = _key(raw)

    assert re.fullmatch("[A-Za-z0-9-]{1,36}|message-1#0", key.pk)
    assert re.fullmatch("[0-9a-f]{16}", key.sk)


def _entry(**fields: object) -> LogEntry:
    whole = {
        "key": LogKey("4711", "0123456789abcdef"),
        "reason": "rejected",
        "detail": "time: found null",
        "last_failed_at_ms": NOW_MS,
    }
    return LogEntry(**{**whole, **fields})  # type: ignore[arg-type]  # the fields of the test


def test_row_tells_all_there_is_to_know() -> None:
    """Names and units as the tools read them."""
    entry = _entry(
        event="Audio upload",
        http_status=400,
        message_id="m",
        dead_letter_message_id="d",
        attempts=3,
        first_failed_at_ms=NOW_MS - 30_000,
    )

    item = entry.to_item()

    assert item == {
        "pk": "4711",
        "sk": "0123456789abcdef",
        "gsi1pk": item["gsi1pk"],
        "gsi1sk": "2026-11-18T11:06:40.000+00:00#4711",
        "event": "Audio upload",
        "reason": "rejected",
        "detail": "time: found null",
        "http_status": 400,
        "state": "dead",
        "message_id": "m",
        "dead_letter_message_id": "d",
        "attempts": 3,
        "first_failed_at": NOW_MS - 30_000,
        "last_failed_at": NOW_MS,
        "event_count": 1,
        "expires_at": NOW_MS // 1000 + 90 * 24 * 3600,
    }
    assert re.fullmatch(r"2026-11-18#rejected#\d{1,2}", item["gsi1pk"])


def test_row_expires_after_ninety_days_in_seconds() -> None:
    """DynamoDB's expiry counts whole seconds."""
    item = _entry(last_failed_at_ms=NOW_MS + 999).to_item()

    assert item["expires_at"] == (NOW_MS + 999) // 1000 + KEEP_S
    assert KEEP_S == 7_776_000


def test_empty_text_is_left_out_and_zero_is_not() -> None:
    """An attribute is there where it says something; a status of 0 says that no answer came."""
    item = _entry().to_item()

    assert "event" not in item
    assert "dead_letter_message_id" not in item
    assert item["http_status"] == 0


def test_index_spreads_a_bad_day_over_sixteen_shards_and_sorts_by_time() -> None:
    """One day's failures of one reason are spread over partitions, and can be listed in order."""
    items = [_entry(key=LogKey(f"id-{n}", "0")).to_item() for n in range(500)]

    assert SHARDS == 16
    assert {item["gsi1pk"] for item in items} == {f"2026-11-18#rejected#{n}" for n in range(16)}
    later = _entry(key=LogKey("id-0", "0"), last_failed_at_ms=NOW_MS + 1).to_item()
    assert later["gsi1pk"] == items[0]["gsi1pk"]
    assert later["gsi1sk"] > items[0]["gsi1sk"]


@pytest.mark.parametrize(
    ("now_ms", "day"), [(1_795_046_399_999, "2026-11-18"), (1_795_046_400_000, "2026-11-19")]
)
def test_day_of_the_index_is_in_utc(now_ms: int, day: str) -> None:
    """The day is that of UTC to the millisecond, in any time zone of the machine."""
    assert _entry(last_failed_at_ms=now_ms).to_item()["gsi1pk"].startswith(f"{day}#")


def test_dynamodb_gets_integers_as_numbers_and_all_else_as_text() -> None:
    """As the Lambda writes rows and people's tools change them."""
    assert to_dynamodb({"n": 7, "s": "7", "state": State.DEAD}) == {
        "n": {"N": "7"},
        "s": {"S": "7"},
        "state": {"S": "dead"},
    }
