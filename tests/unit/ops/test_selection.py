import json
from typing import Any

import pytest

from tests.builders import NOW_MS, make_body, make_event, make_raw
from whyness_events.log_entry import LogKey, log_key
from whyness_ops import DeadLetter, Selection
from whyness_ops.dead_letter_message import read_dead_letter
from whyness_ops.rebuilding import entries

EVENT = make_event(insert_id="row-x", event="Click", user="p:45")
DEAD_LETTER = DeadLetter(
    "id",
    make_body(EVENT),
    {"reason": "rejected", "failed_at": "2026-11-20T10:00:00.000+00:00", "log_key": "row-x/0123456789abcdef"},
    sent_ms=NOW_MS,
)
DIED_MS = 1_795_168_800_000


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"reason": "rejected"}, True),
        ({"reason": "crashed"}, False),
        ({"event": "Click"}, True),
        ({"event": "click"}, False),
        ({"user": "p:45"}, True),
        ({"user": ""}, False),
        ({"insert_id": "row-x"}, True),
        ({"insert_id": "row"}, False),
        ({"since_ms": DIED_MS}, True),
        ({"since_ms": DIED_MS + 1}, False),
        ({"until_ms": DIED_MS}, False),
        ({"until_ms": DIED_MS + 1}, True),
        ({"reason": "rejected", "event": "Other"}, False),
    ],
)
def test_dead_letter_matches_when_all_filters_do(given: dict[str, Any], expected: bool) -> None:  # noqa: FBT001  (a column)
    """Each condition counts, and all together; the moments are from-including and to-excluding."""
    assert Selection(**given).matches(DEAD_LETTER) is expected


@pytest.mark.parametrize(
    "body", ["", "no JSON", "[]", "17", '{"events": 5}', '{"events": [1, null, {"user": []}]}', "[" * 9_000]
)
def test_dead_letter_of_any_body_can_be_described(body: str) -> None:
    """Whatever somebody wrote: it can be described, selected by reason, and gets a Log row."""
    dead_letter = DeadLetter(
        "id", body, {"failed_at": "yesterday", "log_key": "nonsense", "http_status": "²"}
    )

    described = dead_letter.describe()

    assert described["reason"] == "unknown"
    assert Selection(reason="unknown").matches(dead_letter)
    assert not Selection(user="1", event="x", insert_id="y").matches(dead_letter)
    assert all(entry.to_item()["pk"] for entry in entries(dead_letter, now_ms=NOW_MS))


def test_of_several_events_any_may_match() -> None:
    """A message that crashed holds many events: it matches as a whole."""
    dead_letter = DeadLetter(
        "id", make_body(make_event(user="1"), make_event(user="2")), {}, source_arn="arn"
    )

    assert Selection(user="2", reason="crashed").matches(dead_letter)
    assert dead_letter.insert_id == ""
    assert dead_letter.log_key is None


def test_the_log_key_is_carried_or_computed() -> None:
    """It comes from the attribute; where that had no room, from the event, as the Lambda makes it."""
    bare = DeadLetter("id", make_body(EVENT), {})

    assert DEAD_LETTER.log_key == LogKey("row-x", "0123456789abcdef")
    assert bare.log_key == log_key(EVENT.to_wire(), message_id="any", position=0)
    assert DeadLetter("id", json.dumps(make_raw(insert_id="null")), {}).log_key is None


def test_the_audit_row_tells_no_person() -> None:
    """A user is a person: the description has a hash in its place."""
    described = Selection(user="p:45", since_ms=DIED_MS, limit=3).describe()

    assert "p:45" not in json.dumps(described)
    assert described["since"] == "2026-11-20T10:00:00.000+00:00"
    assert set(described) == {"user_sha256", "since", "limit"}


def test_a_message_without_any_attribute_is_read() -> None:
    """What a person sent by hand has nothing but a body."""
    dead_letter = read_dead_letter({"MessageId": "id", "ReceiptHandle": "h", "Body": "b"})

    assert (dead_letter.reason, dead_letter.died_ms, dead_letter.describe()["sent_at"]) == ("unknown", 0, "")
