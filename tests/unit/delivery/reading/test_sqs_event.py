from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyness_events.delivery.items import Record
from whyness_events.delivery.reading.sqs_event import InvocationFault, read_records

WHOLE = {
    "messageId": "id",
    "body": "{}",
    "receiptHandle": "handle",
    "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1763900000000", "SenderId": "AID"},
    "messageAttributes": {},
    "eventSource": "aws:sqs",
}
NOTHING: object = object()


def test_a_record_is_read_as_sqs_sends_it() -> None:
    """The numbers in its attributes are texts."""
    assert read_records({"Records": [WHOLE]}) == [Record("id", "{}", 3, 1_763_900_000_000, "handle")]


@pytest.mark.parametrize(
    ("attributes", "log_key"),
    [
        ({"log_key": {"stringValue": "a/b", "dataType": "String"}}, "a/b"),
        ({"log_key": {"binaryValue": "YQ==", "dataType": "Binary"}}, ""),
        ({"log_key": {"stringValue": 7}}, ""),
        ({"log_key": "a/b"}, ""),
        ({"log_key": None}, ""),
        ({}, ""),
        (None, ""),
        ("log_key", ""),
        ([1], ""),
    ],
)
def test_the_rows_key_is_read_from_the_messages_attribute(attributes: Any, log_key: str) -> None:
    """Any value of the attribute can be read: messages may be hostile."""
    raw = {**WHOLE, "messageAttributes": attributes}

    [record] = read_records({"Records": [raw]})

    assert record.log_key == log_key


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("body", None, Record("id", "", 3, 1_763_900_000_000, "handle")),
        ("body", NOTHING, Record("id", "", 3, 1_763_900_000_000, "handle")),
        ("receiptHandle", NOTHING, Record("id", "{}", 3, 1_763_900_000_000, "")),
        ("receiptHandle", 7, Record("id", "{}", 3, 1_763_900_000_000, "")),
        ("attributes", NOTHING, Record("id", "{}", 1, 0, "handle")),
        ("attributes", [], Record("id", "{}", 1, 0, "handle")),
        ("attributes", {}, Record("id", "{}", 1, 0, "handle")),
        ("attributes", {"ApproximateReceiveCount": "-1"}, Record("id", "{}", 1, 0, "handle")),
        ("attributes", {"ApproximateReceiveCount": "many"}, Record("id", "{}", 1, 0, "handle")),
        ("attributes", {"SentTimestamp": None}, Record("id", "{}", 1, 0, "handle")),
    ],
)
def test_an_odd_record_is_read_as_far_as_it_goes_and_its_neighbours_as_ever(
    field: str, value: object, expected: Record
) -> None:
    """Missing fields get their default; only the id is needed to answer for a record."""
    odd = {name: found for name, found in (WHOLE | {field: value}).items() if found is not NOTHING}

    found = read_records({"Records": [WHOLE, odd, WHOLE]})

    assert found == [*read_records({"Records": [WHOLE]}), expected, *read_records({"Records": [WHOLE]})]


_texts = st.text(max_size=20)
_numbers = st.integers(0, 2**63 - 1).map(str)


@given(
    st.fixed_dictionaries(
        {
            "messageId": st.text(min_size=1, max_size=20),
            "body": _texts,
            "receiptHandle": _texts,
            "attributes": st.fixed_dictionaries(
                {}, optional={"ApproximateReceiveCount": _numbers, "SentTimestamp": _numbers}
            ),
        },
        optional={
            "messageAttributes": st.none()
            | st.fixed_dictionaries({}, optional={"log_key": st.fixed_dictionaries({"stringValue": _texts})})
        },
    )
)
def test_the_closer_look_reads_the_same(raw: dict[str, Any]) -> None:
    """It is taken of all records where one is odd."""
    odd = {"messageId": "odd"}

    assert read_records({"Records": [raw, odd]})[0] == read_records({"Records": [raw]})[0]


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"Records": None},
        {"Records": {}},
        {"Records": [None]},
        {"Records": [{"body": "x"}]},
        {"Records": [WHOLE | {"messageId": ""}]},
        {"Records": [WHOLE | {"messageId": 7}]},
    ],
)
def test_what_cannot_be_answered_comes_back_whole(event: object) -> None:
    """An answer that names no record would acknowledge it."""
    with pytest.raises(InvocationFault):
        read_records(event)
