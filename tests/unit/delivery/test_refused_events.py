"""Events and requests that Mixpanel, or a proxy, refuses."""

from collections.abc import Sequence

import pytest

from tests.builders import make_body, make_event, make_raw, make_record
from tests.fakes import accept, report
from tests.mixpanel_model import MixpanelModel
from tests.responders import (
    UNEXPLAINED,
    always,
    decline_above,
    decline_any_of,
    name_each_of,
    slowly,
)
from tests.unit.delivery.records import ids_of, large_event, large_records, make_records
from tests.world import World, handed_back
from whyness_events import decode_message
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import Answer
from whyness_events.outcomes import Reason

DISLIKED = Answer(403, b"<html>Forbidden</html>")


@pytest.mark.parametrize("per_record", [1, 100])
@pytest.mark.parametrize("count", [1, 7, 2_000])
def test_partial_400_in_a_full_request(count: int, per_record: int) -> None:
    """Each event named is one dead letter and one row; every record of the 2,000 events is acknowledged."""
    records = make_records(2_000 // per_record, events=per_record)
    bad = ids_of(records)[:: 2_000 // count][:count]
    world = World(name_each_of(bad))

    report = world.deliver(*records)

    assert report.settled.failed_message_ids == []
    assert report.outcomes[Reason.REJECTED] == count
    assert len(world.pool.posted) == 1
    assert [dead_letter.attributes["insert_id"] for dead_letter in world.dead_letters.sent] == bad
    assert {pk for pk, _ in world.log.rows} == set(bad)


def test_dead_letter_of_a_rejected_event_says_what_mixpanel_said() -> None:
    """A person finds status, field and cause beside the event itself."""
    event = make_event()
    world = World(name_each_of([event.insert_id]))

    world.deliver(make_record(event, message_id="source"))

    (dead_letter,) = world.dead_letters.sent
    assert dead_letter.attributes["http_status"] == "400"
    assert dead_letter.attributes["detail"] == "properties.time: Mixpanel says: 'properties.time' is invalid"
    assert dead_letter.attributes["source_message_id"] == "source"
    assert decode_message(dead_letter.body).raw_events == [event.to_wire()]


def test_proxy_that_dislikes_one_string() -> None:
    """All others arrive at once; the one event is dead-lettered with its status when it comes again."""
    records = make_records(200)
    bad = ids_of(records)[133]
    world = World(decline_any_of([bad], DISLIKED))

    first, second = world.deliver_until_settled(*records, at_most=2)

    assert first.outcomes == {Reason.DELIVERED: 199, Reason.RETRY: 1}
    assert second.outcomes == {Reason.REJECTED: 1}
    (dead_letter,) = world.dead_letters.sent
    assert (dead_letter.attributes["insert_id"], dead_letter.attributes["http_status"]) == (bad, "403")


@pytest.mark.parametrize(
    "answer", [DISLIKED, UNEXPLAINED, report(400, imported=0), report(200, imported=0), Answer(413)], ids=str
)
@pytest.mark.parametrize(("records", "events"), [(1, 1), (3, 1), (300, 1), (3, 100), (2_000, 1), (1, 2_000)])
def test_where_everything_is_refused_nothing_is_dead_lettered(
    answer: Answer, records: int, events: int
) -> None:
    """A wrong project refuses all, whatever each event is like: all of it waits for the operator."""
    world = World(always(answer))
    batch = make_records(records, events=events)

    report = world.deliver(*batch)

    assert world.dead_letters.sent == []
    assert report.settled.failed_message_ids == [record.message_id for record in batch]
    assert len(world.pool.posted) <= 1 + 64


def test_where_everything_is_refused_again_and_again_nothing_is_ever_dead_lettered() -> None:
    """72 hours of a wrong project are 350 receives and more: no count of them makes an event guilty."""
    world = World(always(UNEXPLAINED))
    records = make_records(3) + make_records(1, events=5)

    for _ in range(400):
        records = handed_back(records, world.deliver(*records))

    assert len(records) == 4
    assert world.dead_letters.sent == []


def test_event_that_breaks_our_own_rules_is_dead_whatever_mixpanel_says() -> None:
    """A wrong project delays what is valid; what is invalid needs no answer."""
    world = World(always(UNEXPLAINED))
    bad, good = make_record(make_body(make_raw(event=" "))), make_record()

    report = world.deliver(bad, good)

    assert world.dead_letters.reasons == ["rejected"]
    assert report.settled.failed_message_ids == [good.message_id]


def test_setup_fault_is_seen_even_where_many_events_hide_it() -> None:
    """An alarm looks for `setup`: a wrong project under full load must raise it, too."""
    world = World(always(UNEXPLAINED))

    report = world.deliver(*make_records(2_000))

    assert report.outcomes[Reason.SETUP] > 0


@pytest.mark.parametrize("spread", [1, 33], ids=["side by side", "all over"])
@pytest.mark.parametrize("disliked", [5, 60])
def test_redelivery_settles_what_the_cap_left(spread: int, disliked: int) -> None:
    """With more disliked events than 64 extra requests can isolate, each receive still gets further."""
    records = make_records(2_000)
    bad = ids_of(records)[: disliked * spread : spread]
    good = set(ids_of(records)) - set(bad)
    model = MixpanelModel()
    world = World(lambda posted: DISLIKED if set(bad) & set(posted.insert_ids) else model.ingest(posted))

    deliver_among_traffic(world, records, at_most=25)

    assert sorted(dead_letter.attributes["insert_id"] for dead_letter in world.dead_letters.sent) == sorted(
        bad
    )
    assert good <= {insert_id for *_, insert_id in model.counted}


def deliver_among_traffic(world: World, records: Sequence[Record], *, at_most: int) -> None:
    """Redeliver until all is settled, each time beside a fresh event that passes."""
    for _ in range(at_most):
        report = world.deliver(*records, make_record())
        records = handed_back(records, report)
        if not records:
            return
    raise AssertionError(f"{len(records)} records are still handed back")


def test_redelivery_settles_one_record_of_many_events() -> None:
    """A packed record is settled in one piece: some receive must get through all of it."""
    (record,) = make_records(1, events=400)
    bad = ids_of([record])[::10]
    world = World(decline_any_of(bad, DISLIKED))

    world.deliver_until_settled(record, at_most=25)

    assert sorted(dead_letter.attributes["insert_id"] for dead_letter in world.dead_letters.sent) == sorted(
        bad
    )


@pytest.mark.parametrize(
    ("receive_count", "most"),
    [(3, 2_000), (5, 2_000), (6, 1_000), (7, 500), (8, 250), (13, 8), (16, 8), (40, 8)],
)
def test_requests_of_records_received_often_get_smaller(receive_count: int, most: int) -> None:
    """From the 6th receive the number of events in a request halves, as far as all get their turn."""
    world = World()

    report = world.deliver(*make_records(40, events=100, receive_count=receive_count))

    sizes = [len(posted.events) for posted in world.pool.posted]
    assert max(sizes) <= most
    assert report.settled.failed_message_ids == []


@pytest.mark.parametrize("events", [1, 20])
def test_event_that_provokes_nameless_failures_ends_up_alone(events: int) -> None:
    """A 500 for whatever request holds it delays its neighbours by some receives, never for good."""
    records = make_records(200 // events, events=events)
    poison = ids_of(records)[77]
    model = MixpanelModel()
    world = World(lambda posted: Answer(500) if poison in posted.insert_ids else model.ingest(posted))

    for _ in range(20):
        records = handed_back(records, world.deliver(*records))

    assert len(records) == 1
    assert len(model.counted) == 199
    assert world.dead_letters.sent == []


def test_large_record_is_settled_after_a_long_outage() -> None:
    """Many receives are not the record's fault: when the outage ends, it must get through."""
    world = World(slowly(accept, 0.1))
    (record,) = make_records(1, events=4_000, receive_count=40)

    world.deliver_until_settled(record, at_most=3)

    assert world.dead_letters.sent == []


def test_troubled_records_never_share_a_request_with_fresher_ones() -> None:
    """A record that was received three times may be the cause of the trouble."""
    world = World()
    records = [make_record(receive_count=count) for count in (1, 3, 2, 4, 1, 9)]
    by_id = dict(zip(ids_of(records), records, strict=True))

    world.deliver(*records)

    companies = {
        frozenset(by_id[i].receive_count >= 3 for i in posted.insert_ids) for posted in world.pool.posted
    }
    assert companies == {frozenset({False}), frozenset({True})}
    assert sorted(world.delivered_ids) == sorted(by_id)


def test_limit_below_our_own_is_learned_by_the_container() -> None:
    """The first invocation pays for it; the next one is below the limit at once; another container is not."""
    world = World(decline_above(1_000_000))

    first = world.deliver(*large_records(150))
    requests = len(world.pool.posted)
    second = world.deliver(*large_records(150))

    assert first.outcomes == second.outcomes == {Reason.DELIVERED: 150}
    assert all(len(posted.body) <= 1_000_000 for posted in world.pool.posted[requests:])
    assert (
        World(decline_above(1_000_000)).deliver(*large_records(150)).sending.requests
        == first.sending.requests
    )


def test_learned_size_grows_back_when_the_limit_is_gone() -> None:
    """When a proxy is fixed, requests grow to their old size."""
    world = World(decline_above(300_000))
    world.deliver(*large_records(60))
    world.respond = accept

    requests = [world.deliver(*large_records(60)).sending.requests for _ in range(14)]

    assert requests[0] > 3
    assert requests == sorted(requests, reverse=True)
    assert requests[-1] == 1


@pytest.mark.parametrize(("size_bytes", "dead"), [(80_000, False), (105_000, True), (600_000, True)])
def test_413_for_a_single_event(size_bytes: int, dead: bool) -> None:  # noqa: FBT001  (an example)
    """Above 100 kB it is oversized and dead; below it is somebody's wrong limit, and waits."""
    event, other = large_event(size_bytes), make_record()
    record = make_record(event)
    world = World(decline_any_of([event.insert_id], Answer(413)))

    first = world.deliver(record, other)
    second = world.deliver(*handed_back([record], first))

    assert world.dead_letters.reasons == (["oversized"] if dead else [])
    assert second.outcomes == {Reason.OVERSIZED if dead else Reason.SETUP: 1}
