"""The events in events/: what SQS would really hand to the function."""

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from whyness_events import InvalidEvent, UnreadableEvent, UnreadableMessage, decode_message, parse_event

FOLDER = Path(__file__).resolve().parents[2] / "events"
NAMES = ("envelope", "partial-failure", "sample", "unreadable")
NOW_MS = 1_800_000_000_000

Record = dict[str, Any]


def records(name: str) -> list[Record]:
    """Return the records of one of the files."""
    found: list[Record] = json.loads((FOLDER / f"{name}.json").read_text())["Records"]
    return found


def verdicts(record: Record) -> list[str]:
    """Return for each event of the record what the contract says of it."""
    try:
        message = decode_message(record["body"])
    except UnreadableMessage:
        return ["unreadable"]
    return [_verdict(raw) for raw in message.raw_events]


def _verdict(raw: object) -> str:
    try:
        parse_event(raw, now_ms=NOW_MS)
    except UnreadableEvent:
        return "unreadable"
    except InvalidEvent:
        return "rejected"
    return "good"


def test_the_folder_holds_these_files() -> None:
    """A file that no test looks at would rot."""
    assert sorted(path.stem for path in FOLDER.iterdir()) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_an_sqs_event(name: str) -> None:
    """Each record has all that Lambda gives, its checksum is right, and no two share an id."""
    found = records(name)

    for record in found:
        assert str(uuid.UUID(record["messageId"])) == record["messageId"]
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()
        assert record["attributes"]["ApproximateReceiveCount"].isdigit()
        assert record["attributes"]["SentTimestamp"].isdigit()
        assert record["receiptHandle"]
        assert (record["eventSource"], record["messageAttributes"]) == ("aws:sqs", {})
        assert record["eventSourceARN"].startswith(f"arn:aws:sqs:{record['awsRegion']}:")
    assert len({record["messageId"] for record in found}) == len(found) > 0


@pytest.mark.parametrize("name", ["sample", "envelope"])
def test_the_good_files_hold_good_events(name: str) -> None:
    """What they hold is delivered, both shapes of message among them."""
    assert {verdict for record in records(name) for verdict in verdicts(record)} == {"good"}


def test_the_sample_has_both_shapes_and_both_kinds_of_people() -> None:
    """The first thing that people look at shows what there is."""
    found = [decode_message(record["body"]) for record in records("sample")]
    users = {parse_event(raw, now_ms=NOW_MS).user for message in found for raw in message.raw_events}

    assert any("events" not in json.loads(record["body"]) for record in records("sample"))
    assert any(len(message.raw_events) > 1 for message in found)
    assert any(user.startswith("p:") for user in users)
    assert any(user.isdigit() for user in users)


def test_the_partial_failure_mixes_good_and_bad() -> None:
    """Good, rejected and unreadable stand side by side, also within one record."""
    found = [verdicts(record) for record in records("partial-failure")]

    assert {verdict for record in found for verdict in record} == {"good", "rejected", "unreadable"}
    assert any({"good", "rejected"} <= set(record) for record in found)


def test_nothing_in_the_unreadable_file_can_be_read() -> None:
    """Each of its records is bad in a way of its own."""
    found = records("unreadable")

    assert {verdict for record in found for verdict in verdicts(record)} == {"unreadable"}
    assert len({record["body"] for record in found}) == len(found)
