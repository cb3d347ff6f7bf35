"""Whatever a producer sends: one clear reason, the original in the dead letters, and no harm to others."""

import json
from typing import Any

import pytest

from tests.builders import make_event, make_raw, make_record
from tests.corpus import (
    BAD_BODIES,
    BAD_EVENTS,
    MARKER,
    BadBody,
    BadEvent,
    deep_text,
    event_text,
    oversized_event,
)
from tests.world import World
from whyness_events import limits
from whyness_events.delivery.ports import DeadLetter

NEIGHBOURS = ["before", "after", "elsewhere"]


def _exact(text: str) -> Any:
    """Read JSON so that two texts are equal only where they say the same: no number is replaced."""
    return json.loads(text, parse_int=str, parse_constant=lambda name: f"constant {name}")


def _among_neighbours(event: str) -> str:
    before, after = (json.dumps(make_raw(insert_id=name)) for name in NEIGHBOURS[:2])
    return f'{{"schema_version":1,"identity":"distinct_id","events":[{before},{event},{after}]}}'


def _only_row(world: World, dead_letter: DeadLetter) -> dict[str, Any]:
    assert len(world.log.rows) == 1
    ((pk, sk), row) = next(iter(world.log.rows.items()))
    assert dead_letter.attributes.get("log_key", f"{pk}/{sk}") == f"{pk}/{sk}"
    return row


@pytest.mark.parametrize("bad", BAD_EVENTS, ids=lambda bad: bad.name)
def test_bad_event_is_dead_lettered_with_its_reason_and_its_neighbours_are_delivered(bad: BadEvent) -> None:
    """A bad event in an envelope is one dead letter that says why; all others of the invocation arrive."""
    world = World()
    record = make_record(_among_neighbours(bad.text), message_id="source")
    elsewhere = make_record(make_event(insert_id="elsewhere"))

    report = world.deliver(record, elsewhere)

    assert world.delivered_ids == NEIGHBOURS
    assert report.settled.failed_message_ids == []
    (dead_letter,) = world.dead_letters.sent
    assert dead_letter.attributes["reason"] == bad.reason
    assert dead_letter.attributes["detail"] == bad.detail
    assert dead_letter.attributes["source_message_id"] == "source"
    assert dead_letter.body == record.body or _exact(dead_letter.body) == _exact(
        f'{{"schema_version":1,"identity":"distinct_id","events":[{bad.text}]}}'
    )


@pytest.mark.parametrize("bad", BAD_EVENTS, ids=lambda bad: bad.name)
def test_log_row_says_why_and_shows_nothing_of_a_bad_event(bad: BadEvent) -> None:
    """The Log has one row, dead, with the dead letter's reason and no value of the event."""
    world = World()

    world.deliver(make_record(_among_neighbours(bad.text), message_id="source"))

    (dead_letter,) = world.dead_letters.sent
    row = _only_row(world, dead_letter)
    assert row["reason"] == bad.reason
    assert row["detail"] == bad.detail
    assert row["state"] == "dead"
    assert row["message_id"] == "source"
    assert row["dead_letter_message_id"] == "dead-1"
    # The name of an event that breaks no rule is what a person looks for in the Log.
    shown = {name: value for name, value in row.items() if name != "event" or bad.reason != "oversized"}
    assert MARKER not in repr(shown)
    assert MARKER not in repr(dead_letter.attributes)


@pytest.mark.parametrize("bad", [e for e in BAD_EVENTS if e.text[0] == "{"], ids=lambda bad: bad.name)
def test_bad_event_that_is_a_whole_message_gets_the_same_reason(bad: BadEvent) -> None:
    """A single event is judged as it would be in an envelope, and goes to the dead letters unharmed."""
    world = World()
    elsewhere = make_record(make_event(insert_id="elsewhere"))

    report = world.deliver(make_record(bad.text), elsewhere)

    assert world.delivered_ids == ["elsewhere"]
    assert report.settled.failed_message_ids == []
    (dead_letter,) = world.dead_letters.sent
    assert (dead_letter.attributes["reason"], dead_letter.attributes["detail"]) == (bad.reason, bad.detail)
    assert dead_letter.body == bad.text or _exact(dead_letter.body)["events"] == [_exact(bad.text)]


@pytest.mark.parametrize("bad", [b for b in BAD_BODIES if b.body], ids=lambda bad: bad.name)
def test_body_without_a_readable_event_goes_verbatim_and_other_records_are_delivered(bad: BadBody) -> None:
    """A body that no decoder can read is one dead letter, as it came; the other records arrive."""
    world = World()
    record = make_record(bad.body, message_id="source")

    report = world.deliver(record, make_record(make_event(insert_id="elsewhere")))

    assert world.delivered_ids == ["elsewhere"]
    assert report.settled.failed_message_ids == []
    (dead_letter,) = world.dead_letters.sent
    assert dead_letter.body == bad.body
    assert dead_letter.attributes["reason"] == "unreadable"
    assert dead_letter.attributes["detail"] == bad.detail
    row = _only_row(world, dead_letter)
    assert (row["pk"], row["reason"], row["detail"]) == ("source#0", "unreadable", bad.detail)
    assert MARKER not in repr(row) + repr(dead_letter.attributes)


def test_record_without_a_body_waits_and_harms_nobody() -> None:
    """An empty body, which SQS itself would not take as a dead letter, is never acknowledged unsaved."""
    world = World()
    empty = make_record("", message_id="empty")

    report = world.deliver(empty, make_record(make_event(insert_id="elsewhere")))

    assert world.delivered_ids == ["elsewhere"]
    assert report.settled.failed_message_ids == ["empty"]
    assert world.dead_letters.sent == []


def test_object_that_is_no_event_is_unreadable() -> None:
    """An empty object misses all that must be there: the first missing field is named."""
    world = World()

    world.deliver(make_record("{}", message_id="source"))

    (dead_letter,) = world.dead_letters.sent
    detail = "insert_id: found nothing (the field is missing); allowed: a string"
    assert (dead_letter.attributes["reason"], dead_letter.attributes["detail"]) == ("unreadable", detail)
    assert dead_letter.attributes["log_key"].startswith("source#0/")


def test_every_event_of_an_envelope_may_be_bad_in_its_own_way() -> None:
    """All bad events in one message: a dead letter for each, in order, each with its own reason."""
    world = World()
    small = [bad for bad in BAD_EVENTS if bad.reason != "oversized"]
    body = f'{{"schema_version":1,"events":[{",".join(bad.text for bad in small)}]}}'

    report = world.deliver(make_record(body))

    assert world.delivered_ids == []
    assert report.settled.failed_message_ids == []
    assert [each.attributes["detail"] for each in world.dead_letters.sent] == [bad.detail for bad in small]


@pytest.mark.parametrize("number", ["1e400", "9" * 5_000])
def test_dead_letter_holds_the_number_that_came_also_beside_an_event_that_is_no_json(number: str) -> None:
    """Numbers that Python cannot hold are not replaced: the dead letter has the event as received."""
    world = World()
    bad = event_text({"time": number})
    body = f'{{"schema_version":1,"events":[{event_text({"time": "NaN"})},{bad}]}}'

    world.deliver(make_record(body))

    _, dead_letter = world.dead_letters.sent
    assert dead_letter.body == body or _exact(dead_letter.body)["events"] == [_exact(bad)]


def test_at_least_twenty_bad_bodies_are_tried() -> None:
    """The corpus is as large as it says, and each of its names is told apart."""
    names = [*(bad.name for bad in BAD_EVENTS), *(bad.name for bad in BAD_BODIES)]

    assert len(names) > 100
    assert len(set(names)) == len(names)


ONE_MEBIBYTE = {
    "one event": (oversized_event(limits.MESSAGE_BYTES), "oversized"),
    "not JSON": ("x" * limits.MESSAGE_BYTES, "unreadable"),
}


@pytest.mark.parametrize(("body", "reason"), ONE_MEBIBYTE.values(), ids=ONE_MEBIBYTE)
def test_body_of_exactly_one_mebibyte_is_never_lost(body: str, reason: str) -> None:
    """If the body leaves no room for a reason, the dead letter has no attributes, and the Log row has it."""
    world = World()
    assert len(body.encode()) == 1_048_576

    report = world.deliver(make_record(body, message_id="source"))

    assert report.settled.failed_message_ids == []
    (dead_letter,) = world.dead_letters.sent
    assert (dead_letter.body, dead_letter.attributes) == (body, {})
    row = _only_row(world, dead_letter)
    assert row["reason"] == reason
    assert row["detail"]


def test_size_of_an_event_is_not_that_of_the_blanks_around_it() -> None:
    """A good event in a body of exactly 1 MiB, most of it blanks, is delivered."""
    world = World()

    world.deliver(make_record(event_text(insert_id="small").ljust(limits.MESSAGE_BYTES)))

    assert world.delivered_ids == ["small"]


@pytest.mark.parametrize("body", [body for body, _ in ONE_MEBIBYTE.values()], ids=ONE_MEBIBYTE)
def test_body_without_room_for_a_reason_waits_while_the_log_is_lost(body: str) -> None:
    """A dead letter without attributes needs its row for the reason: without it the record is not safe."""
    world = World()
    world.log.lose = lambda _: True

    report = world.deliver(make_record(body, message_id="source"))

    assert report.settled.failed_message_ids == ["source"]


def test_duplicate_keys_count_as_the_last_of_them() -> None:
    """Both decoders take the last of equal keys, also where an earlier one is wrong."""
    world = World()
    text = (
        event_text({"insert_id": '"first"'})[:-1]
        + ',"insert_id":null,"insert_id":"last","time":1795000000000}'
    )

    world.deliver(make_record(text), make_record(_among_neighbours(text.replace("last", "last-too"))))

    assert sorted(world.delivered_ids) == ["after", "before", "last", "last-too"]


def test_raw_lone_surrogate_rejects_only_its_event() -> None:
    """A body that is not UTF-8 is still read, and its dead letter holds only characters that SQS accepts."""
    world = World()
    bad = event_text({"data": f'"{MARKER}\ud800"'})

    world.deliver(make_record(_among_neighbours(bad)))

    assert world.delivered_ids == NEIGHBOURS[:2]
    (dead_letter,) = world.dead_letters.sent
    assert dead_letter.attributes["detail"].startswith("data: found a string that is not valid UTF-8")
    assert _exact(dead_letter.body)["events"] == [_exact(bad)]
    dead_letter.body.encode()


LEVELS = [1, 100, *range(850, 1_000), 9_990, 10_000, 100_000]  # Python's own limits are near 1,000 or 10,000


@pytest.mark.parametrize("field", ["other", "ip"])
def test_nesting_where_any_value_is_taken_never_crashes(field: str) -> None:
    """However deep an unknown field is, the event is delivered, or dead with a reason."""
    for levels in LEVELS:
        world = World()
        deep = event_text({field: deep_text(levels)}, insert_id="deep")

        report = world.deliver(make_record(_among_neighbours(deep)), make_record(deep))

        assert (report.settled.failed_message_ids, report.internal_faults) == ([], {}), levels
        assert "deep" in world.delivered_ids or len(world.dead_letters.sent) == 2, levels


@pytest.mark.parametrize("field", ["other", "ip", "properties", "user"])
def test_bad_event_with_hostile_nesting_never_stops_other_records(field: str) -> None:
    """Also where one decoder just reads what another just does not: it has its dead letter, others arrive."""
    for levels in LEVELS:
        world = World()
        deep = event_text({field: deep_text(levels)}, event=" ")

        report = world.deliver(
            make_record(_among_neighbours(deep)),
            make_record(deep),
            make_record(make_event(insert_id="elsewhere")),
        )

        assert (report.settled.failed_message_ids, report.internal_faults) == ([], {}), levels
        assert len(world.dead_letters.sent) == 2, levels
        assert "elsewhere" in world.delivered_ids, levels


@pytest.mark.parametrize("place", ["before", "after"])
def test_hostile_nesting_beside_the_events_never_stops_other_records(place: str) -> None:
    """The same holds for an unknown field of the envelope, which its dead letters would repeat."""
    for levels in LEVELS:
        world = World()
        deep, events = f'"other":{deep_text(levels)}', f'"events":[{event_text(event=" ")}]'
        fields = [deep, events] if place == "before" else [events, deep]

        report = world.deliver(
            make_record(f'{{"schema_version":1,{",".join(fields)}}}'),
            make_record(make_event(insert_id="elsewhere")),
        )

        assert (report.settled.failed_message_ids, report.internal_faults) == ([], {}), levels
        assert len(world.dead_letters.sent) == 1, levels
        assert world.delivered_ids == ["elsewhere"], levels


def test_version_above_the_known_one_is_kept_not_guessed_at() -> None:
    """A newer message waits for a newer reader, and says so; its neighbours in the queue go on."""
    world = World()
    newer = f'{{"schema_version":2,"events":[{event_text()}]}}'

    report = world.deliver(
        make_record(newer, message_id="newer"), make_record(make_event(insert_id="elsewhere"))
    )

    assert world.delivered_ids == ["elsewhere"]
    assert report.settled.failed_message_ids == ["newer"]
    assert world.dead_letters.sent == []
    assert report.details == {"setup": "schema_version: found a version above 1; allowed: 1 to 1"}
