"""One invocation, from records to Mixpanel and back to SQS."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from tests.builders import NOW_MS, REMOVED, make_body, make_event, make_raw, make_record
from tests.fakes import FakePool, Late, accept
from tests.mixpanel_model import PASSING, MixpanelModel
from tests.responders import (
    LOST,
    NEVER,
    always,
    in_turn,
    name_each_of,
    slowly,
)
from tests.unit.delivery.records import ids_of, large_records, make_records
from tests.world import VISIBILITY_S, World, handed_back
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.ports import Answer, SetupFault
from whyness_events.delivery.sending.setup_breaker import BREAKER_S
from whyness_events.outcomes import Reason


def test_single_events_fill_requests() -> None:
    """5,000 records of one event are three requests, in order, and every record is acknowledged."""
    world = World()
    records = make_records(5_000)

    report = world.deliver(*records)

    assert [len(posted.events) for posted in world.pool.posted] == [2_000, 2_000, 1_000]
    assert world.delivered_ids == ids_of(records)
    assert report.settled.failed_message_ids == []
    assert report.outcomes == {Reason.DELIVERED: 5_000}


def test_packed_records_fill_requests() -> None:
    """60 records of 200 events are six full requests."""
    world = World()
    records = make_records(60, events=200)

    report = world.deliver(*records)

    assert [len(posted.events) for posted in world.pool.posted] == [2_000] * 6
    assert sorted(world.delivered_ids) == sorted(ids_of(records))
    assert report.settled.failed_message_ids == []


def test_invocation_without_records_does_nothing() -> None:
    """An empty batch posts, dead-letters and logs nothing."""
    world = World()

    report = world.deliver()

    assert (world.pool.posted, world.dead_letters.sent, world.log.rows) == ([], [], {})
    assert report.settled.failed_message_ids == []


def test_the_four_fields_are_those_of_the_message() -> None:
    """Name, person, time and insert id arrive as published, and the modes differ in the person alone."""
    event = make_event(user="p:45")
    world = World()

    world.deliver(make_record(make_body(event)), make_record(make_body(event, identity="simplified")))

    (plain, simplified) = (found["properties"] for found in world.pool.posted[0].events)
    assert plain["distinct_id"] == "p:45"
    assert simplified["distinct_id"] == "$device:p-45"
    for properties in (plain, simplified):
        assert (properties["time"], properties["$insert_id"]) == (event.time, event.insert_id)


def test_message_without_a_stamp_is_sent_in_the_mode_of_the_setting() -> None:
    """The function's own setting serves those that publish by hand."""
    raw = make_raw(user="7")
    world = World(identity="simplified")

    world.deliver(make_record(json.dumps(raw)))

    assert world.pool.posted[0].events[0]["properties"]["$user_id"] == "7"


def test_outage_of_credentials_loses_nothing() -> None:
    """Wrong credentials, then no secret at all, then the right ones: all arrives, nothing is dead."""
    model = MixpanelModel()
    world = World(always(Answer(401)))
    records = make_records(30)

    first = world.deliver(*records)
    world.pool.credentials_fault = "MIXPANEL_SECRET_ARN: the secret cannot be read"
    world.clock.sleep(BREAKER_S)
    second = world.deliver(*records)
    world.pool.credentials_fault, world.respond = "", model.ingest
    world.clock.sleep(BREAKER_S)
    third = world.deliver(*records)

    assert first.outcomes == second.outcomes == {Reason.SETUP: 30}
    assert third.settled.failed_message_ids == []
    assert len(model.arrived) == 30
    assert world.dead_letters.sent == []


@dataclass
class PoolWithoutSecret(FakePool):
    """Secrets Manager does not answer a fresh fetch, which takes as long as a call can take."""

    def refresh_credentials(self) -> bool:
        """Fail slowly."""
        self.refreshed += 1
        self.clock.sleep(10.0)
        raise SetupFault("MIXPANEL_SECRET_ARN: the secret cannot be read (ReadTimeoutError)")


def test_secret_that_cannot_be_fetched_late_in_an_invocation_does_not_make_it_late() -> None:
    """Slow answers, then 401 for all that is under way, then Secrets Manager hangs: still back in time."""
    refused = slowly(lambda _: Answer(401), 10)
    world = World(in_turn(*[slowly(accept, 14.5)] * 24, then=refused), threads=4)
    pool = PoolWithoutSecret(world.clock, world.pool.respond)
    world.pool = world.deliverer.pool = pool
    one_event_per_request(world)

    report = world.deliver(*large_records(32, 60_000))

    assert pool.refreshed == 1
    assert report.outcomes == {Reason.DELIVERED: 24, Reason.SETUP: 8}


def one_event_per_request(world: World) -> None:
    """Let the container believe that large bodies are refused: events of 60 kB then travel alone."""
    world.deliverer.container_state.size.limit_bytes = 100_000


@pytest.mark.parametrize("fault", PASSING)
def test_passing_trouble_loses_nothing_and_counts_nothing_twice(fault: str) -> None:
    """Whatever one answer was, with or without ingestion: in the end every event counts once."""
    model = MixpanelModel()
    records = make_records(30) + make_records(3, events=10)
    world = World(
        in_turn(lambda posted: PASSING[fault](model, posted), then=model.ingest),
    )

    world.deliver_until_settled(*records, at_most=2)

    assert Counter(insert_id for *_, insert_id in model.counted) == Counter(ids_of(records))
    assert world.dead_letters.sent == []


@pytest.mark.parametrize("fault", PASSING)
def test_long_trouble_dead_letters_nothing(fault: str) -> None:
    """However long it takes, what is valid waits; each invocation writes one row per reason."""
    model = MixpanelModel()
    world = World(lambda posted: PASSING[fault](model, posted))
    records = make_records(12)

    for _ in range(30):
        records = handed_back(records, world.deliver(*records))
        world.clock.sleep(VISIBILITY_S)

    world.respond = model.ingest
    world.deliver_until_settled(*records, at_most=1)
    assert len(model.counted) == 12
    assert world.dead_letters.sent == []
    assert len(world.log.rows) <= 2


def test_what_is_invalid_is_settled_even_if_mixpanel_never_answers() -> None:
    """Time to settle is kept back: the dead letters of 300 bad records go out, and all else comes back."""
    world = World(always(Late(LOST, NEVER)))
    bad = [make_record("no JSON") for _ in range(300)]
    good = make_records(500)

    report = world.deliver(*good, *bad)

    assert len(world.dead_letters.sent) == 300
    assert report.settled.failed_message_ids == [record.message_id for record in good]


def test_what_mixpanel_rejects_late_is_settled_too() -> None:
    """An answer that names 2,000 events at the end of the budget leaves time for 2,000 dead letters."""
    records = make_records(2_000)
    naming = name_each_of(ids_of(records))
    world = World(in_turn(Late(LOST, NEVER), then=lambda posted: Late(naming(posted), 29.0)))  # type: ignore[arg-type]  # it never answers late

    report = world.deliver(*records)

    assert report.settled.failed_message_ids == []
    assert len(world.dead_letters.sent) == 2_000


@pytest.mark.parametrize("timeout_s", [0.0, 0.5, 3.0, 10.0, 30.0, 120.0, 900.0])
def test_handler_returns_in_time_whatever_the_timeout(timeout_s: float) -> None:
    """With a server that never answers and much to settle, at any function timeout."""
    world = World(always(Late(LOST, NEVER)), timeout_s=timeout_s)
    good, bad = make_records(50), [make_record("no JSON") for _ in range(50)]

    report = world.deliver(*good, *bad)

    safe = len(world.dead_letters.sent)
    assert len(report.settled.failed_message_ids) == 100 - safe


def test_more_requests_than_time_are_handed_back_and_delivered_later() -> None:
    """Later invocations send what one had no time for, and nothing is delivered twice."""
    model = MixpanelModel()
    world = World(lambda posted: Late(model.ingest(posted), 25.0), threads=2)
    one_event_per_request(world)
    records = large_records(12, 60_000)

    first = world.deliver(*records)
    world.deliver_until_settled(*handed_back(records, first), at_most=2)

    assert 0 < first.outcomes[Reason.DELIVERED] < 12
    assert sorted(insert_id for *_, insert_id in model.counted) == sorted(ids_of(records))


def test_message_newer_than_this_reader_is_kept() -> None:
    """A higher schema_version is not guessed at: it waits for the deploy, and its neighbours do not."""
    world = World()
    newer = make_record('{"schema_version":2,"events":[{"insert_id":"x"}]}')
    good = make_record()

    report = world.deliver(newer, good)

    assert report.settled.failed_message_ids == [newer.message_id]
    assert report.outcomes == {Reason.SETUP: 1, Reason.DELIVERED: 1}
    assert world.dead_letters.sent == []


@pytest.mark.parametrize("where", ["first", "in the middle", "last"])
def test_bug_in_one_record_leaves_the_others_delivered(where: str) -> None:
    """A fault of ours over one record brings that record back, counted, and no other."""
    world = World()
    records = make_records(5)
    position = {"first": 0, "in the middle": 2, "last": 4}[where]
    records[position] = make_record(make_body(make_event(), make_event(useragent="Trap/1.0"), make_event()))
    describe = world.deliverer.describe_useragent

    def trapped(header: str) -> Any:
        if header == "Trap/1.0":
            raise ZeroDivisionError(header)
        return describe(header)

    world.deliverer.translator = Translator(trapped)

    report = world.deliver(*records)

    assert report.settled.failed_message_ids == [records[position].message_id]
    assert len(world.delivered_ids) == 4
    assert report.internal_faults == {"ZeroDivisionError": 1}
    assert "Trap" not in report.details[Reason.RETRY]


def test_report_says_how_old_things_are() -> None:
    """Ages count from when the message was sent: of what was received, and of what was delivered."""
    world = World(slowly(accept, 5.0))
    young = make_record(sent_ms=NOW_MS - 1_000)
    old = make_record("no JSON", sent_ms=NOW_MS - 60_000)

    report = world.deliver(young, old)

    assert report.oldest_record_ms == 60_000
    assert 6_000 <= report.delivery_lag_ms < 7_000


def test_record_of_unknown_age_does_not_spoil_the_ages() -> None:
    """A record without SentTimestamp is not 56 years old."""
    report = World().deliver(make_record(sent_ms=0))

    assert (report.oldest_record_ms, report.delivery_lag_ms) == (0, 0)


def test_report_counts_every_event_once() -> None:
    """Delivered, dead and waiting add up to the events received, repeats included."""
    named, lost = make_event(), make_event()
    naming = name_each_of([named.insert_id])
    world = World(lambda posted: LOST if lost.insert_id in posted.insert_ids else naming(posted))
    repeated = make_event()

    report = world.deliver(
        make_record(make_body(repeated, named, make_raw(event=REMOVED), make_raw(user=7))),
        make_record(make_body(repeated)),
        make_record("[]"),
        make_record(make_body(lost), receive_count=3),
        make_record('{"schema_version":9}'),
    )

    assert report.outcomes == {
        Reason.DELIVERED: 2,
        Reason.REJECTED: 2,
        Reason.UNREADABLE: 2,
        Reason.RETRY: 1,
        Reason.SETUP: 1,
    }
    assert report.event_count == 8
    assert set(report.details) == set(report.outcomes) - {Reason.DELIVERED}
    assert report.repeats == 1


def test_report_counts_cut_strings() -> None:
    """Strings that Mixpanel would cut are cut by us, seen and counted."""
    world = World()

    report = world.deliver(
        make_record(make_event(data="x" * 300, properties={"long": ["y" * 256, "z" * 255]}))
    )

    assert report.strings_cut == 2
    assert len(world.pool.posted[0].events[0]["properties"]["data"]) == 255
