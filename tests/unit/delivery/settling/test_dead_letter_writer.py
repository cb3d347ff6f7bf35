"""Dead letters: what they hold, and how they fit into SQS to the exact byte."""

import json
import re
from typing import Any

import pytest

from tests.builders import NOW_MS, make_body, make_event, make_raw, make_record
from tests.corpus import event_text
from whyness_events import limits
from whyness_events.delivery.items import Item, RecordEvents
from whyness_events.delivery.ports import DeadLetter
from whyness_events.delivery.settling.dead_letter_writer import write_dead_letters
from whyness_events.log_entry import LogKey, log_key
from whyness_events.outcomes import DELIVERED, Outcome, Reason

REJECTED = Outcome(Reason.REJECTED, "properties.time: found null; allowed: a number", 400)
ALL = [
    *(
        "reason",
        "detail",
        "http_status",
        "insert_id",
        "log_key",
        "source_message_id",
        "failed_at",
        "may_count",
    )
]
# What is dropped first for lack of room: the sentence, then what can be found out otherwise.
GIVEN_UP = [
    *(
        "detail",
        "failed_at",
        "source_message_id",
        "http_status",
        "insert_id",
        "log_key",
        "may_count",
        "reason",
    )
]
ALLOWED_BY_SQS = re.compile(r"[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


def _record_events(body: str, *outcomes: Outcome, whole: bool = False, **record: Any) -> RecordEvents:
    found = make_record(body, **record)
    items = [Item(found, n, identity="distinct_id", outcome=outcome) for n, outcome in enumerate(outcomes)]
    return RecordEvents(found, items, whole)


def _dead_letter(body: str, outcome: Outcome = REJECTED, *, whole: bool = False, **record: Any) -> DeadLetter:
    (dead_letter,) = write_dead_letters(
        _record_events(body, outcome, whole=whole, **record), now_ms=NOW_MS
    ).values()
    return dead_letter


def test_dead_letter_holds_one_event_in_an_envelope_of_its_own() -> None:
    """The event is as received, with the same version, ready to be published again."""
    raw = make_raw(insert_id="4711", data="GET")

    dead_letter = _dead_letter(make_body(raw))

    assert json.loads(dead_letter.body) == {"schema_version": 1, "identity": "distinct_id", "events": [raw]}


@pytest.mark.parametrize("identity", ["distinct_id", "simplified"])
def test_dead_letter_is_stamped_with_the_identity_it_was_sent_with(identity: str) -> None:
    """Redriven under another setting, it must not become another person's event."""
    record_events = _record_events(json.dumps(make_raw()), REJECTED)
    record_events.items[0].identity = identity

    (dead_letter,) = write_dead_letters(record_events, now_ms=NOW_MS).values()

    assert json.loads(dead_letter.body)["identity"] == identity


def test_dead_letter_keeps_what_nobody_here_knows() -> None:
    """Unknown fields of the event and of the envelope: a newer reader may."""
    event = make_raw(tenant={"a": [1]})
    body = json.dumps({"published_at": "now", "events": [event], "schema_version": 1})

    found = json.loads(_dead_letter(body).body)

    assert found["events"] == [event]
    assert found["published_at"] == "now"


def test_single_event_that_is_stamped_becomes_an_envelope() -> None:
    """The event is kept whole; nothing of it is taken for the envelope's."""
    raw = make_raw(schema_version=1, identity="distinct_id", more=1)

    found = json.loads(_dead_letter(json.dumps(raw)).body)

    assert found["events"] == [raw]


def test_attributes_say_why() -> None:
    """All of them text; the key leads to the Log row."""
    raw = make_raw(insert_id="4711")

    dead_letter = _dead_letter(make_body(raw), message_id="source-1")

    key = log_key(raw, message_id="source-1", position=0)
    assert dead_letter.key == key
    assert dead_letter.attributes == {
        "reason": "rejected",
        "detail": "properties.time: found null; allowed: a number",
        "http_status": "400",
        "insert_id": "4711",
        "log_key": str(key),
        "source_message_id": "source-1",
        "failed_at": "2026-11-18T11:06:40.000+00:00",
        "may_count": "false",
    }
    assert list(dead_letter.attributes) == ALL


def test_attribute_without_a_value_is_left_out() -> None:
    """SQS refuses empty ones: no status where no answer came, no insert id where it is not valid."""
    raw = make_raw(insert_id="not valid!")

    dead_letter = _dead_letter(make_body(raw), Outcome(Reason.REJECTED), message_id="source-1")

    assert set(dead_letter.attributes) == {"reason", "log_key", "source_message_id", "failed_at", "may_count"}
    assert dead_letter.attributes["log_key"].startswith("source-1#0/")


def test_attributes_are_rebuilt_not_inherited() -> None:
    """A redriven message that fails again says why it failed this time."""
    first = _dead_letter(make_body(make_raw(insert_id="4711")), message_id="source-1")

    again = _dead_letter(first.body, Outcome(Reason.OVERSIZED, "too large"), message_id="source-2")

    assert again.body == first.body
    assert again.attributes["reason"] == "oversized"
    assert again.attributes["source_message_id"] == "source-2"
    assert again.attributes["log_key"] == first.attributes["log_key"]
    assert "http_status" not in again.attributes


def test_only_the_dead_have_dead_letters() -> None:
    """One each, in order; delivered and waiting events have none."""
    raws = [make_raw(insert_id=f"id-{n}") for n in range(4)]
    record_events = _record_events(make_body(*raws), REJECTED, DELIVERED, Outcome(Reason.RETRY), REJECTED)

    dead_letters = write_dead_letters(record_events, now_ms=NOW_MS)

    assert list(dead_letters) == [record_events.items[0], record_events.items[3]]
    assert [dead_letter.attributes["insert_id"] for dead_letter in dead_letters.values()] == ["id-0", "id-3"]


def test_repeats_share_one_dead_letter() -> None:
    """Equal events of one record are one event; so are those of two."""
    raw = make_raw(insert_id="4711")
    record_events = _record_events(make_body(raw, raw), REJECTED, REJECTED)
    record_events.items[1].first, record_events.items[1].outcome = record_events.items[0], None
    other = _record_events(json.dumps(raw), REJECTED)
    other.items[0].first, other.items[0].outcome = record_events.items[0], None

    dead_letters = write_dead_letters(record_events, now_ms=NOW_MS) | write_dead_letters(other, now_ms=NOW_MS)

    assert list(dead_letters) == [record_events.items[0]]


def test_body_nobody_can_read_goes_verbatim() -> None:
    """Character by character, whatever it is."""
    body = '\t{"events": [oops, "漢\ufffd"]}\r\n'

    dead_letter = _dead_letter(
        body, Outcome(Reason.UNREADABLE, "body: ..."), whole=True, message_id="source-1"
    )

    assert dead_letter.body == body
    assert dead_letter.attributes["log_key"].startswith("source-1#0/")


@pytest.mark.parametrize("char", ["\x00", "\x1f", "\ufffe", "\uffff", "\ud800", "漢", "🎧", "\u2028", "\x7f"])
def test_dead_letter_holds_only_characters_that_sqs_takes(char: str) -> None:
    """Only the characters that SQS refuses are escaped; the decoded content is the same."""
    body = event_text(data=f"a{char}b", properties={char: [char]})
    assert ALLOWED_BY_SQS.fullmatch(body)

    dead_letter = _dead_letter(body)

    assert ALLOWED_BY_SQS.fullmatch(dead_letter.body)
    assert all(ALLOWED_BY_SQS.fullmatch(value) for value in dead_letter.attributes.values())
    assert json.loads(dead_letter.body)["events"] == [json.loads(body)]


def _cjk_body(size_bytes: int) -> str:
    """Return a body in Chinese of so many bytes: an envelope just as a dead letter has it."""
    raw = make_raw(insert_id="4711", data="")
    raw["data"] = ""
    empty = json.dumps(_envelope(raw), separators=(",", ":"), ensure_ascii=False)
    count, rest = divmod(size_bytes - len(empty.encode()), 3)
    raw["data"] = "漢" * count + "x" * rest
    return json.dumps(_envelope(raw), separators=(",", ":"), ensure_ascii=False)


def _envelope(raw: dict[str, Any]) -> dict[str, Any]:
    return {"schema_version": 1, "identity": "distinct_id", "events": [raw]}


def test_event_in_chinese_just_under_the_limit_is_not_blown_up() -> None:
    """Escaped, each character would take six bytes instead of three, and the dead letter would not fit."""
    body = _cjk_body(1_000_000)

    dead_letter = _dead_letter(body)

    assert dead_letter.body == body
    assert set(dead_letter.attributes) == set(ALL)
    assert dead_letter.size_bytes <= limits.MESSAGE_BYTES


def test_size_is_what_sqs_counts() -> None:
    """Body, and of each attribute its name, type and value, in bytes."""
    dead_letter = DeadLetter("漢", {"reason": "rejected", "detail": "é"}, LogKey("a", "b"))

    assert dead_letter.size_bytes == 3 + len("reason" + "String" + "rejected") + len("detail" + "String") + 2


@pytest.mark.parametrize("dropped", range(len(GIVEN_UP) + 1))
def test_attributes_go_one_by_one_where_the_body_leaves_no_room(dropped: int) -> None:
    """The sentence first, the reason last; each stays as long as there is room to the exact byte."""
    whole = _dead_letter(_cjk_body(10_000), message_id="source-1").attributes
    kept = {name: value for name, value in whole.items() if name not in GIVEN_UP[:dropped]}
    room_bytes = sum(len(name) + len("String") + len(value) for name, value in kept.items())

    dead_letter = _dead_letter(_cjk_body(limits.MESSAGE_BYTES - room_bytes), message_id="source-1")

    assert dead_letter.attributes == kept
    assert dead_letter.size_bytes == limits.MESSAGE_BYTES
    if kept:
        tighter = _dead_letter(_cjk_body(limits.MESSAGE_BYTES - room_bytes + 1), message_id="source-1")
        assert set(tighter.attributes) < set(kept)


def test_envelope_that_makes_the_body_too_large_is_left_off() -> None:
    """A single event of exactly 1 MiB has no room for an envelope: it goes as it came."""
    raw = make_raw(data="")
    body = json.dumps(raw | {"data": "x" * (limits.MESSAGE_BYTES - len(json.dumps(raw)))})
    assert len(body) == limits.MESSAGE_BYTES

    dead_letter = _dead_letter(body, Outcome(Reason.OVERSIZED, "event: ..."))

    assert dead_letter.body == body
    assert dead_letter.attributes == {}


def test_attributes_count_in_the_size() -> None:
    """A dead letter is measured as SQS does: name, type and value of each attribute, and the body."""
    assert DeadLetter("x" * 500, {"reason": "x" * 988}, LogKey("a", "b")).size_bytes == 1_500


def test_event_of_a_valid_message_is_found_at_its_place() -> None:
    """Each dead letter holds the event that its item stands for."""
    raws = [make_event(insert_id=f"id-{n}").to_wire() for n in range(3)]
    record_events = _record_events(make_body(*raws), REJECTED, REJECTED, REJECTED)

    dead_letters = list(write_dead_letters(record_events, now_ms=NOW_MS).values())

    assert [json.loads(dead_letter.body)["events"] for dead_letter in dead_letters] == [[raw] for raw in raws]
    assert [dead_letter.key.pk for dead_letter in dead_letters] == ["id-0", "id-1", "id-2"]
