"""Events that are equal: one is sent, and all share its outcome."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import NOW_MS, make_body, make_event, make_record
from tests.fakes import Posted, report
from tests.responders import (
    LOST,
    always,
    name_each_of,
)
from tests.world import World
from whyness_events import Event
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import Answer
from whyness_events.outcomes import Reason


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda e: [make_record(make_body(e, e))], id="twice in one record"),
        pytest.param(lambda e: [make_record(make_body(e)), make_record(make_body(e))], id="two records"),
        pytest.param(
            lambda e: [make_record(json.dumps(e.to_wire())), make_record(make_body(e))],
            id="alone and in an envelope",
        ),
        pytest.param(
            lambda e: [make_record(make_body(e)), make_record(make_body(e), receive_count=7)],
            id="fresh and received often",
        ),
    ],
)
class TestRepeats:
    """An event that is equal in every field to another of the invocation."""

    def test_is_sent_once_and_every_record_is_acknowledged(
        self, make: Callable[[Event], list[Record]]
    ) -> None:
        """It shares the outcome of the one that is sent."""
        world = World()
        event = make_event()

        report = world.deliver(*make(event))

        assert world.delivered_ids == [event.insert_id]
        assert report.repeats == 1
        assert report.outcomes == {Reason.DELIVERED: 2}
        assert report.settled.failed_message_ids == []

    def test_is_dead_with_one_dead_letter_and_every_record_is_acknowledged(
        self, make: Callable[[Event], list[Record]]
    ) -> None:
        """One event, one dead letter, one row."""
        event = make_event()
        world = World(name_each_of([event.insert_id]))

        report = world.deliver(*make(event))

        assert world.dead_letters.reasons == ["rejected"]
        assert len(world.log.rows) == 1
        assert report.settled.failed_message_ids == []

    def test_waits_with_all_its_records(self, make: Callable[[Event], list[Record]]) -> None:
        """An event that is not delivered is delivered in none of its records."""
        world = World(always(LOST))
        records = make(make_event())

        report = world.deliver(*records)

        assert report.settled.failed_message_ids == [record.message_id for record in records]

    def test_brings_back_all_its_records_where_the_dead_letter_is_refused(
        self, make: Callable[[Event], list[Record]]
    ) -> None:
        """A dead letter that is not confirmed makes none of them safe."""
        event = make_event()
        world = World(name_each_of([event.insert_id]))
        world.dead_letters.refuse = lambda _: True
        records = make(event)

        report = world.deliver(*records)

        assert report.settled.failed_message_ids == [record.message_id for record in records]


def test_repeat_in_a_finished_record_is_safe_while_the_first_ones_record_waits() -> None:
    """The dead letter is sent with the record that is finished; the other record returns."""
    bad, waiting = make_event(), make_event()
    unfinished = make_record(make_body(bad, waiting))
    finished = make_record(make_body(bad), receive_count=3)

    def respond(posted: Posted) -> Answer:
        if posted.insert_ids == [waiting.insert_id]:
            return LOST
        apart = posted.insert_ids == [bad.insert_id]
        return report(400, imported=0 if apart else None, failed=[{"index": 0}])

    world = World(respond)

    told = world.deliver(unfinished, finished)

    assert told.settled.failed_message_ids == [unfinished.message_id]
    assert world.dead_letters.reasons == ["rejected"]


@pytest.mark.parametrize(
    "other",
    [
        {"data": "POST"},
        {"ip": "8.8.8.8"},
        {"useragent": "curl/8.0"},
        {"prospect": "45"},
        {"properties": {"plan": "gold"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_same_four_fields_with_other_content_are_both_sent(other: dict[str, Any]) -> None:
    """Which of the two counts is Mixpanel's to decide, not ours."""
    event = make_event()
    world = World()

    report = world.deliver(make_record(event), make_record(replace(event, **other)))

    assert world.delivered_ids == [event.insert_id] * 2
    assert report.repeats == 0


@pytest.mark.parametrize(
    "other",
    [{"event": "User click"}, {"user": "124"}, {"time": NOW_MS - 61_000}],
    ids=lambda other: next(iter(other)),
)
def test_same_row_key_from_two_tables_is_two_events(other: dict[str, Any]) -> None:
    """Bare row keys repeat between tables: the insert id alone makes no repeat."""
    event = make_event(insert_id="17")
    world = World()

    report = world.deliver(make_record(event), make_record(replace(event, **other)))

    assert len(world.pool.posted[0].events) == 2
    assert report.repeats == 0


def test_values_that_only_python_calls_equal_are_different() -> None:
    """1, 1.0, true and "1" are four values in JSON."""
    values = [1, 1.0, True, "1"]
    event = make_event()
    world = World()

    report = world.deliver(*(make_record(replace(event, properties={"x": value})) for value in values))

    sent = [repr(posted["properties"]["x"]) for posted in world.pool.posted[0].events]
    assert sent == ["1", "1.0", "True", "'1'"]
    assert report.repeats == 0


def test_same_event_in_two_modes_is_no_repeat() -> None:
    """The mode decides the person, and the person is one of the four fields."""
    event = make_event(user="p:45")
    world = World()

    report = world.deliver(
        make_record(make_body(event)), make_record(make_body(event, identity="simplified"))
    )

    assert len(world.pool.posted[0].events) == 2
    assert report.repeats == 0
