"""A dead letter holds its one event, as it was sent, whatever else the message holds."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.builders import NOW_MS, make_body, make_raw, make_record, read_record
from tests.strategies import any_json, any_text
from whyness_events import UnreadableMessage, decode_message, limits
from whyness_events.delivery.ports import DeadLetter
from whyness_events.delivery.settling import dead_letter_writer as dead_letters_module
from whyness_events.delivery.settling.dead_letter_writer import write_dead_letters
from whyness_events.delivery.settling.event_texts import cut
from whyness_events.log_entry import log_key
from whyness_events.outcomes import DELIVERED, Outcome, Reason

DEEP = 600
# JSON that other writers make, and that would be another text, or none, if it were written again.
ODD = [
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 5_000,
    '"\\ud83d"',
    '"\\u0049nfinity ,]}\\\\\\""',
    "1.0000000000000000001",
    '{"a":1,"a":2}',
    "[" * DEEP + "]" * DEEP,
    ' { "b" :\t[ ] } ',
    "{}",
    "[]",
    '""',
]
odd_json = st.sampled_from(ODD)
plain_json = any_json.map(json.dumps)
any_raw_json = any_json.map(lambda value: json.dumps(value, ensure_ascii=False))
anything = odd_json | plain_json | any_raw_json


@st.composite
def event_texts(draw: st.DrawFn, number: int) -> str:
    """Return an event, valid or not, perhaps with an unknown field, or something that is not an event."""
    raw = make_raw(insert_id=f"row-{number}")
    if draw(st.booleans()):
        raw["event"] = draw(st.sampled_from([" ", None]))
    extra = draw(st.none() | anything)
    text = json.dumps(raw)
    known = text if extra is None else f'{text[:-1]},"tenant" : {extra}}}'
    return draw(st.just(known) | anything)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return an envelope, and the events in it."""
    events = [draw(event_texts(number)) for number in range(draw(st.integers(1, 4)))]
    blank = draw(st.sampled_from(["", " ", "\r\n\t"]))
    members = [f'"events"{blank}:[{blank}{f"{blank},{blank}".join(events)}{blank}]']
    members += [f"{json.dumps(draw(any_text))}:{draw(anything)}" for _ in range(draw(st.integers(0, 2)))]
    if draw(st.booleans()):
        members.insert(0, '"schema_version":1')
    if draw(st.booleans()):
        members.insert(0, '"events":[1,[2]],"identity":"simplified"')
    return f"{blank}{{{f'{blank},'.join(members)}}}", events


def dead_letters_of(body: str, *, all_die: bool) -> tuple[list[int], list[DeadLetter]]:
    """Return the places of the events that die, and their dead letters; the others are delivered."""
    record_events = read_record(make_record(body), now_ms=NOW_MS, default_identity="distinct_id")
    for item in record_events.items:
        if item.outcome is None:
            item.outcome = Outcome(Reason.REJECTED, "refused") if all_die else DELIVERED
    dead_letters = write_dead_letters(record_events, now_ms=NOW_MS)
    return [item.position for item in dead_letters], list(dead_letters.values())


def is_readable(body: str) -> bool:
    """Tell whether events can be found in it."""
    try:
        return bool(decode_message(body).raw_events)
    except UnreadableMessage:
        return False


def value(text: str) -> Any:
    """Return JSON as it would be read, pairs of surrogates as the one character they are."""
    whole = json.loads(text, parse_int=lambda digits: digits, parse_float=lambda digits: digits)
    return json.loads(json.dumps(whole))


def read_events(dead_letter: DeadLetter) -> Sequence[Any]:
    """Return the events in a dead letter's envelope."""
    found = value(dead_letter.body)["events"]
    assert isinstance(found, list)
    return found


@given(message=bodies(), all_die=st.booleans())
@example(
    message=('{"events":[7,{"a":1e999},"Infinity"],"x":"\ud83d"}', ["7", '{"a":1e999}', '"Infinity"']),
    all_die=False,
)
def test_a_dead_letter_holds_its_one_event_as_it_was_sent(
    message: tuple[str, list[str]], *, all_die: bool
) -> None:
    """Each that dies has a dead letter of its own, and no other event is in it."""
    body, events = message

    places, dead_letters = dead_letters_of(body, all_die=all_die)

    if is_readable(body):
        expected = [[value(events[place])] for place in places]
        assert repr([read_events(dead_letter) for dead_letter in dead_letters]) == repr(expected)
    else:
        assert [dead_letter.body for dead_letter in dead_letters] == [body]
    assert all(dead_letter.body.encode() for dead_letter in dead_letters if is_readable(body))


@given(bodies())
def test_a_body_is_cut_where_its_events_stand(message: tuple[str, list[str]]) -> None:
    """Character by character."""
    body, events = message

    assert list(cut(body).events) == [event.strip() for event in events]


@pytest.mark.parametrize("odd", ODD)
def test_a_delivered_neighbour_is_in_no_dead_letter(odd: str) -> None:
    """Whatever stands in the event, in a field of the envelope, or in the neighbour."""
    good, bad = json.dumps(make_raw(insert_id="good")), json.dumps(make_raw(insert_id="bad", event=" "))

    for body in (
        f'{{"events":[{good},{bad[:-1]},"x":{odd}}}]}}',
        f'{{"events":[{good},{bad}],"x":{odd}}}',
        f'{{"schema_version":1,"events":[{good[:-1]},"x":{odd}}},{bad}]}}',
    ):
        _, [dead_letter] = dead_letters_of(body, all_die=False)
        assert [event["insert_id"] for event in read_events(dead_letter)] == ["bad"]
        assert dead_letter.key == log_key(json.loads(bad), message_id="", position=1)


@pytest.mark.parametrize("fields", ["", f',"x":"{"y" * 200}"', ',"identity":"simplified"'])
@pytest.mark.parametrize("neighbour", ["1", json.dumps(make_raw())])
def test_an_event_of_nearly_a_message_goes_alone(neighbour: str, fields: str) -> None:
    """The stamp and the envelope's other members go before it takes its neighbour along."""
    bad = json.dumps(make_raw(insert_id="bad", event=" ", data=""))
    spare = limits.MESSAGE_BYTES - len(f'{{"events":[{bad},{neighbour}]{fields}}}')
    big = bad.replace('"data": ""', f'"data": "{"x" * spare}"')
    body = f'{{"events":[{big},{neighbour}]{fields}}}'
    assert len(body) == limits.MESSAGE_BYTES

    _, dead_letters = dead_letters_of(body, all_die=False)

    assert [event["insert_id"] for event in read_events(dead_letters[0])] == ["bad"]
    assert dead_letters[0].size_bytes <= limits.MESSAGE_BYTES
    # A delivered neighbour, or an unknown field, leaves room for the stamp.
    assert "identity" in value(dead_letters[0].body) or (neighbour, fields) == ("1", "")


def test_an_event_that_only_the_fast_decoder_can_read_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two decoders may differ in how deep they read; its row is found by what the fast one read."""

    def give_up(_: str) -> None:
        raise UnreadableMessage("body: found JSON nested too deeply to read; allowed: 3 levels")

    monkeypatch.setattr(dead_letters_module, "decode_message", give_up)
    good, bad = make_raw(insert_id="good"), make_raw(insert_id="bad")
    record_events = read_record(
        make_record(make_body(good, bad)), now_ms=NOW_MS, default_identity="distinct_id"
    )
    record_events.items[0].outcome, record_events.items[1].outcome = (
        DELIVERED,
        Outcome(Reason.REJECTED, "refused"),
    )

    [dead_letter] = write_dead_letters(record_events, now_ms=NOW_MS).values()

    assert read_events(dead_letter) == [value(json.dumps(bad))]
    assert dead_letter.key == log_key(bad, message_id="", position=1)
