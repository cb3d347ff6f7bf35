"""An event whose time is in the future waits in the queue until then, and delays nothing else."""

import pytest

from tests.builders import NOW_MS, make_body, make_event, make_raw, make_record
from tests.fakes import Posted
from tests.world import World, handed_back
from whyness_events import limits
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.telemetry import values
from whyness_events.log_entry import LogKey
from whyness_events.outcomes import Reason

HOUR_MS = int(limits.FUTURE_MS)


def at(early_ms: int, **over: object) -> dict[str, object]:
    """Return an event, as JSON data, dated so far ahead."""
    return make_raw(time=NOW_MS + early_ms, **over)


@pytest.mark.parametrize(
    ("early_ms", "expected"),
    [
        (-1, Reason.DELIVERED),
        (0, Reason.DELIVERED),
        (1, Reason.EARLY),
        (HOUR_MS, Reason.EARLY),
        (HOUR_MS + 1, Reason.REJECTED),
    ],
)
@pytest.mark.parametrize("extra", [{}, {"data": None}], ids=["fast decoder", "lenient decoder"])
def test_what_is_early_is_judged_to_the_millisecond(
    early_ms: int, expected: Reason, extra: dict[str, object]
) -> None:
    """Both decoders judge alike: alone, or beside an event that needs the lenient one."""
    body = make_body(at(early_ms), *([make_raw(**extra)] if extra else []))

    report = World().deliver(make_record(body))

    assert report.outcomes[expected] == (2 if extra and expected is Reason.REJECTED else 1)


@pytest.mark.parametrize(("early_ms", "pause_s"), [(1, 2), (999, 2), (60_000, 61), (HOUR_MS, 3_601)])
@pytest.mark.parametrize("receive_count", [1, 3, 8])
def test_its_record_is_hidden_until_its_time(early_ms: int, pause_s: int, receive_count: int) -> None:
    """And a second for clocks that differ, however often it came; then it is delivered as it was dated."""
    world = World()
    record = make_record(
        make_body(at(early_ms, insert_id="row")), receipt_handle="receipt", receive_count=receive_count
    )

    first = world.deliver(record)
    assert (first.outcomes, world.queue.delays["receipt"]) == ({Reason.EARLY: 1}, pause_s)
    world.clock.sleep(pause_s)
    (again,) = handed_back([record], first)
    second = world.deliver(again)

    assert second.outcomes == {Reason.DELIVERED: 1}
    assert [event["properties"]["time"] for event in world.pool.posted[0].events] == [NOW_MS + early_ms]


def test_its_neighbours_are_delivered_rejected_and_tried_again_as_ever() -> None:
    """Those of its message too: one that waits for something else does not wait for the early one's time."""
    delivered, lost = make_event(), make_event()
    body = make_body(delivered, at(HOUR_MS), at(60_000), lost)
    other = make_record(receipt_handle="other")
    world = World(
        lambda posted: Answer(503) if lost.insert_id in posted.insert_ids else accept_all(posted), threads=1
    )
    world.deliverer.container_state.size.limit_bytes = 1  # one event a request
    record = make_record(body, receipt_handle="mixed")

    first = world.deliver(record, other)
    mixed_s = world.queue.delays["mixed"]
    world.respond = accept_all
    second = world.deliver(*handed_back([record], first))

    assert first.outcomes == {Reason.DELIVERED: 2, Reason.EARLY: 2, Reason.RETRY: 1}
    assert first.settled.failed_message_ids == [record.message_id]
    assert mixed_s < 60
    assert second.outcomes == {Reason.DELIVERED: 2, Reason.EARLY: 2}
    assert world.delivered_ids.count(delivered.insert_id) == 1
    # The last of its early events decides, so that a message of many does not come again for each.
    assert 3_590 <= world.queue.delays["mixed"] <= 3_601


def accept_all(posted: Posted) -> Answer:
    """Answer as Mixpanel does when all is well."""
    return Answer(200, b'{"code":200,"status":"OK","num_records_imported":%d}' % len(posted.events))


def test_it_is_no_trouble() -> None:
    """No record handed back, no age from before its time; the row that says why it waits is there."""
    world = World()
    record = make_record(make_body(at(HOUR_MS)), receive_count=1, sent_ms=NOW_MS)

    first = world.deliver(record)
    world.clock.sleep(3_600)
    (again,) = handed_back([record], first)
    second = world.deliver(again)

    assert values(first)["RecordsHandedBack"] == 0
    assert first.settled.failed_message_ids == [record.message_id]
    assert values(second)["OldestRecordAge"] == 0
    assert values(second)["DeliveryLag"] <= 1_000
    assert [row["reason"] for row in world.log.rows.values()] == ["early"]
    assert next(iter(world.log.rows)) == (str(LogKey("run#run-1", "early").pk), "early")


def test_a_record_that_waits_for_more_than_its_time_is_counted() -> None:
    """It is handed back for the neighbour's sake."""
    lost = make_event()
    world = World(lambda _: Answer(503))

    report = world.deliver(make_record(make_body(lost, at(60_000))))

    assert values(report)["RecordsHandedBack"] == 1


@pytest.mark.parametrize("age_h", [0, 72, 73, 200])
def test_it_is_never_exhausted(age_h: int) -> None:
    """It was not tried; a neighbour that was, and for too long, is given up once the early one is sent."""
    early, lost = at(30_000), make_event()
    sent_ms = NOW_MS - age_h * HOUR_MS
    world = World(lambda posted: Answer(503) if lost.insert_id in posted.insert_ids else accept_all(posted))
    record = make_record(make_body(early, lost), sent_ms=sent_ms, receive_count=3, receipt_handle="receipt")

    first = world.deliver(record)
    assert first.outcomes[Reason.EARLY] == 1
    assert world.dead_letters.sent == []

    world.deliverer.container_state.size.limit_bytes = 1
    world.clock.sleep(31)
    report = world.deliver(record)
    assert report.outcomes[Reason.DELIVERED] == 1
    assert world.dead_letters.reasons == (["exhausted"] if age_h >= 72 else [])
