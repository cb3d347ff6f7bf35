"""What happens to events that have waited too long."""

import pytest

from tests.builders import NOW_MS, make_body, make_event, make_raw, make_record
from tests.fakes import Posted, accept
from tests.world import World
from whyness_events.delivery.exhaust import EXHAUST_AFTER_S, MAX_RECEIVE_COUNT
from whyness_events.delivery.ports import Answer
from whyness_events.outcomes import Reason

LONG_AGO_MS = NOW_MS - int(EXHAUST_AFTER_S * 1000)


def down(_: Posted) -> Answer:
    """Answer as in an outage."""
    return Answer(503)


def test_event_that_waited_72_hours_is_dead_lettered_with_the_last_reason() -> None:
    """The letter says how long, how often and what it was that kept it."""
    world = World(down)

    report = world.deliver(make_record(sent_ms=LONG_AGO_MS, receive_count=290))

    assert report.outcomes == {Reason.EXHAUSTED: 1}
    assert report.settled.failed_message_ids == []
    (letter,) = world.dead_letters.letters
    assert letter.attributes["reason"] == "exhausted"
    assert letter.attributes["detail"] == (
        "undelivered after 72 h and 290 receives; last retry: Mixpanel answered 503"
    )
    assert letter.attributes["http_status"] == "503"


def test_event_a_moment_younger_stays() -> None:
    """Before its time nothing is given up."""
    world = World(down)

    report = world.deliver(make_record(sent_ms=LONG_AGO_MS + 1_000, receive_count=290))

    assert report.outcomes == {Reason.RETRY: 1}
    assert world.dead_letters.letters == []


@pytest.mark.parametrize(("receive_count", "dead"), [(979, False), (980, True), (999, True)])
def test_record_near_the_queues_own_count_is_settled_with_a_reason(receive_count: int, *, dead: bool) -> None:
    """SQS would move it whole and without a reason, at maxReceiveCount."""
    world = World(down)

    report = world.deliver(make_record(receive_count=receive_count))

    assert report.outcomes == {Reason.EXHAUSTED if dead else Reason.RETRY: 1}
    assert MAX_RECEIVE_COUNT == 1_000


def test_old_record_is_settled_event_by_event() -> None:
    """What passes is delivered, what is bad is rejected, only the rest is exhausted."""
    good, waiting = make_event(), make_event(event="Waiting")
    body = make_body(good, make_raw(time=1), waiting)
    world = World(lambda posted: accept(posted) if good.insert_id in posted.insert_ids else down(posted))
    world.deliverer.learned.size.limit_bytes = 1  # one event a request

    report = world.deliver(make_record(body, sent_ms=LONG_AGO_MS))

    assert report.outcomes == {Reason.DELIVERED: 1, Reason.REJECTED: 1, Reason.EXHAUSTED: 1}
    assert sorted(world.dead_letters.reasons) == ["exhausted", "rejected"]
    assert report.settled.failed_message_ids == []


def test_message_of_a_newer_version_is_kept_whole_when_its_time_is_over() -> None:
    """No reader came for it in three days: a person decides."""
    body = make_body(make_event()).replace('"schema_version":1', '"schema_version":2')
    world = World()

    report = world.deliver(make_record(body, sent_ms=LONG_AGO_MS))

    assert report.outcomes == {Reason.EXHAUSTED: 1}
    assert [letter.body for letter in world.dead_letters.letters] == [body]


def test_repeat_in_an_old_record_does_not_exhaust_the_fresh_one() -> None:
    """Each record has its own time; the old copy alone is given up."""
    body = make_body(make_event())
    fresh, old = make_record(body), make_record(body, sent_ms=LONG_AGO_MS)
    world = World(down)

    report = world.deliver(fresh, old)

    assert report.outcomes == {Reason.RETRY: 1, Reason.EXHAUSTED: 1}
    assert report.settled.failed_message_ids == [fresh.message_id]
    assert world.dead_letters.reasons == ["exhausted"]


def test_delivered_event_is_never_too_old() -> None:
    """Age alone kills nothing."""
    world = World()

    report = world.deliver(make_record(sent_ms=1, receive_count=999))

    assert report.outcomes == {Reason.DELIVERED: 1}
