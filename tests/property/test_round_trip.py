"""What is written is what is read, in characters that SQS takes."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW_MS, as_event, make_record, read_record
from tests.strategies import any_json, events
from whyness_events import IDENTITIES, Event, check_event, decode_message, encode_message, parse_event
from whyness_events.wire import to_sqs_json

_ALLOWED_BY_SQS = re.compile(r"[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


def _exactly(value: object) -> str:
    return repr(value)  # 1, 1.0 and True are equal, and not the same; so are 0.0 and -0.0


@given(st.lists(events(), min_size=1, max_size=2), st.sampled_from(IDENTITIES))
def test_events_come_out_as_they_went_in(sent: list[Event], identity: str) -> None:
    """Whatever a valid event holds, the Lambda reads the same event, of the same identity."""
    record = make_record(encode_message(sent, identity=identity))

    items = read_record(record, now_ms=NOW_MS, default_identity="distinct_id").items

    assert [_exactly(as_event(item)) for item in items] == [_exactly(event) for event in sent]
    assert {item.identity for item in items} == {identity}


@given(st.lists(events(), min_size=1, max_size=2))
def test_contract_reads_what_it_writes(sent: list[Event]) -> None:
    """Without the Lambda's decoder, too: other programs have the contract only."""
    message = decode_message(encode_message(sent, identity="simplified"))

    found = [parse_event(raw, now_ms=NOW_MS) for raw in message.raw_events]

    assert [_exactly(event) for event in found] == [_exactly(event) for event in sent]


@given(events())
def test_drawn_events_are_valid(event: Event) -> None:
    """The strategy keeps the rules, or these tests would test nothing."""
    check_event(event, now_ms=NOW_MS)


@given(any_json)
def test_only_characters_that_sqs_takes_are_written(document: Any) -> None:
    """Any JSON at all; and it can be read back as the same."""
    text = to_sqs_json(document)

    assert _ALLOWED_BY_SQS.fullmatch(text)
    text.encode()
    # Two halves of a surrogate pair, each written by its escape, are read as the one character they make.
    assert json.dumps(json.loads(text)) == json.dumps(document)
    assert "\\u" not in re.sub(r"\\\\|\\u(00[01]|d[89a-f]|fff[ef])", "", text)
