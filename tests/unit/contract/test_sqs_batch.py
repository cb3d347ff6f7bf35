"""Batches of SQS: ids that no other call has, and answers that count for what they refer to."""

import re
from typing import Any

import pytest

from tests.aws_stub.sqs_rules import digests
from whyness_events import sqs_batch

ATTRIBUTES = {
    "reason": {"DataType": "String", "StringValue": "rejected"},
    "detail": {"DataType": "String", "StringValue": "über 255 bytes"},
}
ENTRIES: list[dict[str, Any]] = [
    {"MessageBody": "a"},
    {"MessageBody": "ü 語 𠮷", "MessageAttributes": ATTRIBUTES},
    {"MessageBody": "c"},
]


def taken(entry: Any, **fields: Any) -> dict[str, Any]:
    """Return an entry of `Successful` as SQS writes it."""
    return {"Id": entry["Id"], "MessageId": "m", **digests(entry), **fields}


def test_an_entry_keeps_its_fields_and_gets_an_id_that_sqs_takes() -> None:
    """At most 80 characters of letters, digits, hyphen and underscore."""
    numbered = sqs_batch.numbered(ENTRIES)

    assert [{n: v for n, v in entry.items() if n != "Id"} for entry in numbered] == ENTRIES
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,80}", entry["Id"]) for entry in numbered)


def test_no_id_occurs_twice() -> None:
    """An answer to one call then says nothing about another one, of whatever process."""
    ids = {entry["Id"] for _ in range(1_000) for entry in sqs_batch.numbered(ENTRIES)}

    assert len(ids) == 3_000


def test_what_sqs_confirms_is_confirmed_and_what_it_refuses_is_refused_with_its_code() -> None:
    """The third entry is in neither list: nothing is known about it."""
    first, second, _ = numbered = sqs_batch.numbered(ENTRIES)
    failed = {"Id": first["Id"], "Code": "InternalError", "SenderFault": False}

    found = sqs_batch.read({"Successful": [taken(second)], "Failed": [failed]}, numbered)

    assert found.confirmed == {1: taken(second)}
    assert found.refused == {0: failed}
    assert [found.code(index) for index in range(3)] == ["InternalError", "", ""]


def test_entries_without_a_message_are_confirmed_by_their_id_alone() -> None:
    """Deletions and changes of visibility have no digests."""
    numbered = sqs_batch.numbered([{"ReceiptHandle": "a"}, {"ReceiptHandle": "b"}])

    found = sqs_batch.read({"Successful": [{"Id": numbered[1]["Id"]}]}, numbered)

    assert list(found.confirmed) == [1]


NEVER_CONFIRMED: dict[str, Any] = {
    "no answer": lambda _: None,
    "an empty answer": lambda _: {},
    "null lists": lambda _: {"Successful": None, "Failed": None},
    "no list": lambda _: {"Successful": "Id", "Failed": 7},
    "null entries": lambda _: {"Successful": [None, {}, {"Id": None}, {"Id": ["x"]}]},
    "the place instead of the id": lambda _: {
        "Successful": [{"Id": "1", "MD5OfMessageBody": digests(ENTRIES[1])}]
    },
    "another call's ids": lambda _: {"Successful": [taken(e) for e in sqs_batch.numbered(ENTRIES)]},
    "both lists": lambda entries: {
        "Successful": [taken(entry) for entry in entries],
        "Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in entries],
    },
    "another body": lambda entries: {"Successful": [taken(e, MD5OfMessageBody="0" * 32) for e in entries]},
    "no digest": lambda entries: {"Successful": [{"Id": e["Id"], "MessageId": "m"} for e in entries]},
}


@pytest.mark.parametrize("name", NEVER_CONFIRMED)
def test_an_answer_that_does_not_refer_to_the_call_confirms_and_refuses_nothing(name: str) -> None:
    """An answer of any shape can be read without an exception."""
    numbered = sqs_batch.numbered(ENTRIES)

    found = sqs_batch.read(NEVER_CONFIRMED[name](numbered), numbered)

    assert (found.confirmed, found.refused) == ({}, {})


@pytest.mark.parametrize("digest", [None, "0" * 32, ""])
def test_attributes_that_are_not_stored_as_sent_are_not_confirmed(digest: str | None) -> None:
    """A dead letter without its reason would say nothing to anybody; its neighbours have no attributes."""
    numbered = sqs_batch.numbered(ENTRIES)
    first, second, third = numbered
    answer = {"Successful": [taken(first), taken(second, MD5OfMessageAttributes=digest), taken(third)]}

    assert sorted(sqs_batch.read(answer, numbered).confirmed) == [0, 2]


def test_digests_are_those_that_aws_documents() -> None:
    """Known values, computed by another implementation."""
    assert sqs_batch.body_digest("This is a test message") == "fafb00f5732ab283681e124bf8747ed1"
    assert sqs_batch.attributes_digest({}) == ""


def test_a_body_with_a_lone_surrogate_can_be_read() -> None:
    """SQS refuses it by its id; that must not raise here."""
    numbered = sqs_batch.numbered([{"MessageBody": "\ud800"}])
    failed = {"Id": numbered[0]["Id"], "Code": "InvalidMessageContents", "SenderFault": True}

    assert sqs_batch.read({"Failed": [failed]}, numbered).code(0) == "InvalidMessageContents"
    assert not sqs_batch.read({"Successful": [{"Id": numbered[0]["Id"]}]}, numbered).confirmed


@pytest.mark.parametrize(
    ("sizes", "calls"),
    [
        ([], []),
        ([1] * 10, [10]),
        ([1] * 11, [10, 1]),
        ([524_288, 524_288], [2]),
        ([524_288, 524_289], [1, 1]),
        ([1_048_576], [1]),
        ([1, 1_048_576, 1], [1, 1, 1]),
        ([1_048_575, 1, 1], [2, 1]),
    ],
)
def test_call_has_at_most_ten_entries_and_a_mebibyte(sizes: list[int], calls: list[int]) -> None:
    """To the byte."""
    assert [len(call) for call in sqs_batch.in_calls(sizes, int)] == calls
