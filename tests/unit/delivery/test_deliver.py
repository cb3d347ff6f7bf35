"""One invocation and those that follow it: which records are safe, which come back, and what Mixpanel got."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.builders import NOW_MS, REMOVED, make_body, make_event, make_raw, make_record
from tests.fakes import FakePool, Late, Posted, accept, report
from tests.mixpanel_model import PASSING, MixpanelModel
from tests.responders import (
    LOST,
    NEVER,
    UNEXPLAINED,
    always,
    decline_above,
    decline_any_of,
    in_turn,
    name_each_of,
    slowly,
)
from tests.world import VISIBILITY_S, World, handed_back
from whyness_events import Event, decode_message
from whyness_events.delivery.items import Record
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.ports import Answer, SetupFault
from whyness_events.delivery.sending.setup_breaker import BREAKER_S
from whyness_events.outcomes import Reason

DISLIKED = Answer(403, b"<html>Forbidden</html>")


def make_records(count: int, *, events: int = 1, **fields: Any) -> list[Record]:
    """Return records of so many events each."""
    return [make_record(make_body(*(make_event() for _ in range(events))), **fields) for _ in range(count)]


def ids_of(records: Sequence[Record]) -> list[str]:
    """Return the insert ids of all their events, in order."""
    return [event["insert_id"] for record in records for event in json.loads(record.body)["events"]]


def large_event(size_bytes: int) -> Event:
    """Return an event of a little more than `size_bytes`; no one value of it is over a limit."""
    lists = [["x" * 250] * 30] * (size_bytes // 7_590 + 1)
    return make_event(properties={f"list {n}": found for n, found in enumerate(lists)})


def large_records(count: int, size_bytes: int = 20_000) -> list[Record]:
    """Return records of one large event each."""
    return [make_record(large_event(size_bytes)) for _ in range(count)]


# --- what is posted


def test_single_events_fill_requests() -> None:
    """5,000 records of one event are three requests, in order, and every record is acknowledged."""
    world = World()
    records = make_records(5_000)

    found = world.deliver(*records)

    assert [len(posted.events) for posted in world.pool.posted] == [2_000, 2_000, 1_000]
    assert world.delivered_ids == ids_of(records)
    assert found.settled.failed_message_ids == []
    assert found.outcomes == {Reason.DELIVERED: 5_000}


def test_packed_records_fill_requests() -> None:
    """60 records of 200 events are six full requests."""
    world = World()
    records = make_records(60, events=200)

    found = world.deliver(*records)

    assert [len(posted.events) for posted in world.pool.posted] == [2_000] * 6
    assert sorted(world.delivered_ids) == sorted(ids_of(records))
    assert found.settled.failed_message_ids == []


def test_invocation_without_records_does_nothing() -> None:
    """An empty batch posts, dead-letters and logs nothing."""
    world = World()

    found = world.deliver()

    assert (world.pool.posted, world.dead_letters.sent, world.log.rows) == ([], [], {})
    assert found.settled.failed_message_ids == []


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


# --- repeats


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

        found = world.deliver(*make(event))

        assert world.delivered_ids == [event.insert_id]
        assert found.repeats == 1
        assert found.outcomes == {Reason.DELIVERED: 2}
        assert found.settled.failed_message_ids == []

    def test_is_dead_with_one_dead_letter_and_every_record_is_acknowledged(
        self, make: Callable[[Event], list[Record]]
    ) -> None:
        """One event, one dead letter, one row."""
        event = make_event()
        world = World(name_each_of([event.insert_id]))

        found = world.deliver(*make(event))

        assert world.dead_letters.reasons == ["rejected"]
        assert len(world.log.rows) == 1
        assert found.settled.failed_message_ids == []

    def test_waits_with_all_its_records(self, make: Callable[[Event], list[Record]]) -> None:
        """What is not delivered is delivered in none of them."""
        world = World(always(LOST))
        records = make(make_event())

        found = world.deliver(*records)

        assert found.settled.failed_message_ids == [record.message_id for record in records]

    def test_brings_back_all_its_records_where_the_dead_letter_is_refused(
        self, make: Callable[[Event], list[Record]]
    ) -> None:
        """A dead letter that is not confirmed makes none of them safe."""
        event = make_event()
        world = World(name_each_of([event.insert_id]))
        world.dead_letters.refuse = lambda _: True
        records = make(event)

        found = world.deliver(*records)

        assert found.settled.failed_message_ids == [record.message_id for record in records]


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

    found = world.deliver(unfinished, finished)

    assert found.settled.failed_message_ids == [unfinished.message_id]
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

    found = world.deliver(make_record(event), make_record(replace(event, **other)))

    assert world.delivered_ids == [event.insert_id] * 2
    assert found.repeats == 0


@pytest.mark.parametrize(
    "other",
    [{"event": "User click"}, {"user": "124"}, {"time": NOW_MS - 61_000}],
    ids=lambda other: next(iter(other)),
)
def test_same_row_key_from_two_tables_is_two_events(other: dict[str, Any]) -> None:
    """Bare row keys repeat between tables: the insert id alone makes no repeat."""
    event = make_event(insert_id="17")
    world = World()

    found = world.deliver(make_record(event), make_record(replace(event, **other)))

    assert len(world.pool.posted[0].events) == 2
    assert found.repeats == 0


def test_values_that_only_python_calls_equal_are_different() -> None:
    """1, 1.0, true and "1" are four values in JSON."""
    values = [1, 1.0, True, "1"]
    event = make_event()
    world = World()

    found = world.deliver(*(make_record(replace(event, properties={"x": value})) for value in values))

    sent = [repr(posted["properties"]["x"]) for posted in world.pool.posted[0].events]
    assert sent == ["1", "1.0", "True", "'1'"]
    assert found.repeats == 0


def test_same_event_in_two_modes_is_no_repeat() -> None:
    """The mode decides the person, and the person is one of the four fields."""
    event = make_event(user="p:45")
    world = World()

    found = world.deliver(make_record(make_body(event)), make_record(make_body(event, identity="simplified")))

    assert len(world.pool.posted[0].events) == 2
    assert found.repeats == 0


# --- rejected by Mixpanel


@pytest.mark.parametrize("per_record", [1, 100])
@pytest.mark.parametrize("count", [1, 7, 2_000])
def test_partial_400_in_a_full_request(count: int, per_record: int) -> None:
    """Each event named is one dead letter and one row; every record of the 2,000 events is acknowledged."""
    records = make_records(2_000 // per_record, events=per_record)
    bad = ids_of(records)[:: 2_000 // count][:count]
    world = World(name_each_of(bad))

    found = world.deliver(*records)

    assert found.settled.failed_message_ids == []
    assert found.outcomes[Reason.REJECTED] == count
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


# --- a proxy, a wrong project


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

    found = world.deliver(*batch)

    assert world.dead_letters.sent == []
    assert found.settled.failed_message_ids == [record.message_id for record in batch]
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

    found = world.deliver(bad, good)

    assert world.dead_letters.reasons == ["rejected"]
    assert found.settled.failed_message_ids == [good.message_id]


def test_setup_fault_is_seen_even_where_many_events_hide_it() -> None:
    """An alarm looks for `setup`: a wrong project under full load must raise it, too."""
    world = World(always(UNEXPLAINED))

    found = world.deliver(*make_records(2_000))

    assert found.outcomes[Reason.SETUP] > 0


# --- the cap, and what redelivery makes of it


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
        found = world.deliver(*records, make_record())
        records = handed_back(records, found)
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

    found = world.deliver(*make_records(40, events=100, receive_count=receive_count))

    sizes = [len(posted.events) for posted in world.pool.posted]
    assert max(sizes) <= most
    assert found.settled.failed_message_ids == []


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
    """Many receives are no fault of the record: when the outage ends, it must get through."""
    world = World(slowly(accept, 0.1))
    (record,) = make_records(1, events=4_000, receive_count=40)

    world.deliver_until_settled(record, at_most=3)

    assert world.dead_letters.sent == []


def test_troubled_records_never_share_a_request_with_fresher_ones() -> None:
    """What has been received three times may be the cause of the trouble."""
    world = World()
    records = [make_record(receive_count=count) for count in (1, 3, 2, 4, 1, 9)]
    by_id = dict(zip(ids_of(records), records, strict=True))

    world.deliver(*records)

    companies = {
        frozenset(by_id[i].receive_count >= 3 for i in posted.insert_ids) for posted in world.pool.posted
    }
    assert companies == {frozenset({False}), frozenset({True})}
    assert sorted(world.delivered_ids) == sorted(by_id)


# --- 413


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
    """A proxy that is repaired does not cost requests for ever."""
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


# --- credentials


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

    found = world.deliver(*large_records(32, 60_000))

    assert pool.refreshed == 1
    assert found.outcomes == {Reason.DELIVERED: 24, Reason.SETUP: 8}


def one_event_per_request(world: World) -> None:
    """Let the container believe that large bodies are refused: events of 60 kB then travel alone."""
    world.deliverer.container_state.size.limit_bytes = 100_000


# --- trouble that passes


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


# --- time


def test_what_is_invalid_is_settled_even_if_mixpanel_never_answers() -> None:
    """Time to settle is kept back: the dead letters of 300 bad records go out, and all else comes back."""
    world = World(always(Late(LOST, NEVER)))
    bad = [make_record("no JSON") for _ in range(300)]
    good = make_records(500)

    found = world.deliver(*good, *bad)

    assert len(world.dead_letters.sent) == 300
    assert found.settled.failed_message_ids == [record.message_id for record in good]


def test_what_mixpanel_rejects_late_is_settled_too() -> None:
    """An answer that names 2,000 events at the end of the budget leaves time for 2,000 dead letters."""
    records = make_records(2_000)
    naming = name_each_of(ids_of(records))
    world = World(in_turn(Late(LOST, NEVER), then=lambda posted: Late(naming(posted), 29.0)))  # type: ignore[arg-type]  # it never answers late

    found = world.deliver(*records)

    assert found.settled.failed_message_ids == []
    assert len(world.dead_letters.sent) == 2_000


@pytest.mark.parametrize("timeout_s", [0.0, 0.5, 3.0, 10.0, 30.0, 120.0, 900.0])
def test_handler_returns_in_time_whatever_the_timeout(timeout_s: float) -> None:
    """With a server that never answers and much to settle, at any function timeout."""
    world = World(always(Late(LOST, NEVER)), timeout_s=timeout_s)
    good, bad = make_records(50), [make_record("no JSON") for _ in range(50)]

    found = world.deliver(*good, *bad)

    safe = len(world.dead_letters.sent)
    assert len(found.settled.failed_message_ids) == 100 - safe


def test_more_requests_than_time_are_handed_back_and_delivered_later() -> None:
    """What an invocation does not reach, the next ones do; nothing is delivered twice in between."""
    model = MixpanelModel()
    world = World(lambda posted: Late(model.ingest(posted), 25.0), threads=2)
    one_event_per_request(world)
    records = large_records(12, 60_000)

    first = world.deliver(*records)
    world.deliver_until_settled(*handed_back(records, first), at_most=2)

    assert 0 < first.outcomes[Reason.DELIVERED] < 12
    assert sorted(insert_id for *_, insert_id in model.counted) == sorted(ids_of(records))


# --- what is kept


def test_message_newer_than_this_reader_is_kept() -> None:
    """A higher schema_version is not guessed at: it waits for the deploy, and its neighbours do not."""
    world = World()
    newer = make_record('{"schema_version":2,"events":[{"insert_id":"x"}]}')
    good = make_record()

    found = world.deliver(newer, good)

    assert found.settled.failed_message_ids == [newer.message_id]
    assert found.outcomes == {Reason.SETUP: 1, Reason.DELIVERED: 1}
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

    found = world.deliver(*records)

    assert found.settled.failed_message_ids == [records[position].message_id]
    assert len(world.delivered_ids) == 4
    assert found.internal_faults == {"ZeroDivisionError": 1}
    assert "Trap" not in found.details[Reason.RETRY]


# --- the report


def test_report_says_how_old_things_are() -> None:
    """Ages count from when the message was sent: of what was received, and of what was delivered."""
    world = World(slowly(accept, 5.0))
    young = make_record(sent_ms=NOW_MS - 1_000)
    old = make_record("no JSON", sent_ms=NOW_MS - 60_000)

    found = world.deliver(young, old)

    assert found.oldest_record_ms == 60_000
    assert 6_000 <= found.delivery_lag_ms < 7_000


def test_record_of_unknown_age_does_not_spoil_the_ages() -> None:
    """A record without SentTimestamp is not 56 years old."""
    found = World().deliver(make_record(sent_ms=0))

    assert (found.oldest_record_ms, found.delivery_lag_ms) == (0, 0)


def test_report_counts_every_event_once() -> None:
    """Delivered, dead and waiting add up to the events received, repeats included."""
    named, lost = make_event(), make_event()
    naming = name_each_of([named.insert_id])
    world = World(lambda posted: LOST if lost.insert_id in posted.insert_ids else naming(posted))
    repeated = make_event()

    found = world.deliver(
        make_record(make_body(repeated, named, make_raw(event=REMOVED), make_raw(user=7))),
        make_record(make_body(repeated)),
        make_record("[]"),
        make_record(make_body(lost), receive_count=3),
        make_record('{"schema_version":9}'),
    )

    assert found.outcomes == {
        Reason.DELIVERED: 2,
        Reason.REJECTED: 2,
        Reason.UNREADABLE: 2,
        Reason.RETRY: 1,
        Reason.SETUP: 1,
    }
    assert found.event_count == 8
    assert set(found.details) == set(found.outcomes) - {Reason.DELIVERED}
    assert found.repeats == 1


def test_report_counts_cut_strings() -> None:
    """Strings that Mixpanel would cut are cut by us, seen and counted."""
    world = World()

    found = world.deliver(
        make_record(make_event(data="x" * 300, properties={"long": ["y" * 256, "z" * 255]}))
    )

    assert found.strings_cut == 2
    assert len(world.pool.posted[0].events[0]["properties"]["data"]) == 255
