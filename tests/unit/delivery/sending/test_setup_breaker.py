"""The setup breaker: a container whose setup is refused stops sending, probes, and recovers by itself."""

import pytest

from tests.builders import make_event, make_record
from tests.fakes import accept
from tests.mixpanel_model import MixpanelModel
from tests.responders import UNEXPLAINED, always, decline_any_of, in_turn
from tests.world import World
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.sending.setup_breaker import BREAKER_S
from whyness_events.outcomes import Reason

UNAUTHORISED = Answer(401, b"{}")
FORBIDDEN = Answer(403, b"<html>no</html>")


def records_of(count: int) -> list[Record]:
    """Return records of one event each."""
    return [make_record() for _ in range(count)]


def test_after_a_401_that_stays_nothing_is_sent_for_a_while() -> None:
    """The secret is fetched again and tried once; then invocations post nothing and lose nothing."""
    world = World(always(UNAUTHORISED))

    first = world.deliver(*records_of(3))
    posted = len(world.pool.posted)
    world.clock.sleep(BREAKER_S / 2)
    second = world.deliver(*records_of(3))

    assert posted == 2
    assert len(world.pool.posted) == posted
    assert first.is_breaker_open
    assert second.is_breaker_open
    assert second.outcomes == {Reason.SETUP: 3}
    assert world.dead_letters.sent == []
    assert "401" in second.details[Reason.SETUP]


def test_each_probe_is_one_event_of_another_record_with_a_fresh_secret() -> None:
    """One event may be what is refused, and the secret may have been rotated meanwhile."""
    world = World(always(UNAUTHORISED))
    records = records_of(3)
    world.deliver(*records)
    sent, refreshed = len(world.pool.posted), world.pool.refreshed

    for _ in range(2):
        world.clock.sleep(BREAKER_S + 1)
        world.deliver(*records)

    probes = world.pool.posted[sent:]
    assert [len(probe.events) for probe in probes] == [1, 1]
    assert probes[0].insert_ids != probes[1].insert_ids
    assert world.pool.refreshed == refreshed + 2


def test_it_recovers_by_itself_after_a_rotation() -> None:
    """The probe that passes closes it, and everything else goes in the same invocation."""
    model = MixpanelModel()
    world = World(always(UNAUTHORISED))
    records = records_of(20)
    world.deliver(*records)

    world.respond = model.ingest
    world.clock.sleep(BREAKER_S + 1)
    report = world.deliver(*records)

    assert report.outcomes == {Reason.DELIVERED: 20}
    assert not report.is_breaker_open
    assert len(model.arrived) == 20


def test_a_missing_secret_opens_it() -> None:
    """Without credentials nothing can be sent."""
    world = World()
    world.pool.credentials_fault = "MIXPANEL_SECRET_ARN: the secret cannot be read"

    report = world.deliver(*records_of(2))

    assert report.is_breaker_open
    assert world.pool.posted == []


@pytest.mark.parametrize("answer", [FORBIDDEN, UNEXPLAINED, Answer(404), Answer(302)])
def test_other_refusals_open_it_when_two_records_met_them(answer: Answer) -> None:
    """One refused event may be at fault itself; with one of another record, the setup is."""
    world = World(always(answer))

    first = world.deliver(make_record())
    second = world.deliver(make_record())

    assert not first.is_breaker_open
    assert second.is_breaker_open
    assert world.dead_letters.sent == []


def test_what_is_confirmed_between_two_refusals_keeps_it_closed() -> None:
    """A setup with which an event passes is not wrong."""
    world = World(always(FORBIDDEN))

    world.deliver(make_record())
    world.respond = accept
    world.deliver(make_record())
    world.respond = always(FORBIDDEN)
    report = world.deliver(make_record())

    assert not report.is_breaker_open


def test_a_proxy_that_dislikes_one_string_does_not_open_it() -> None:
    """The others pass, so only that event is refused."""
    disliked = make_event()
    world = World(decline_any_of([disliked.insert_id], FORBIDDEN))

    report = world.deliver(make_record(disliked), *records_of(30))

    assert not report.is_breaker_open
    assert report.outcomes == {Reason.DELIVERED: 30, Reason.RETRY: 1}


def test_a_probe_that_meets_an_outage_is_no_verdict_on_the_setup() -> None:
    """Nothing is known yet: it stays open, and the next probe decides."""
    world = World(always(UNAUTHORISED))
    world.deliver(make_record())

    world.respond = always(Answer(503))
    world.clock.sleep(BREAKER_S + 1)
    second = world.deliver(*records_of(2))
    resting = world.deliver(*records_of(2))
    world.respond = accept
    world.clock.sleep(BREAKER_S + 1)
    third = world.deliver(*records_of(2))

    assert second.outcomes == {Reason.RETRY: 2}
    assert second.is_breaker_open
    assert "401" in resting.details[Reason.SETUP]
    assert third.outcomes == {Reason.DELIVERED: 2}
    assert not third.is_breaker_open


def test_a_good_record_is_tried_although_two_others_are_disliked() -> None:
    """No record is probed with twice while another one was not."""
    disliked = [make_event(), make_event()]
    world = World(always(UNAUTHORISED))
    records = [*map(make_record, disliked), make_record()]
    world.deliver(*records)

    world.respond = decline_any_of([event.insert_id for event in disliked], FORBIDDEN)
    for _ in range(3):
        world.clock.sleep(BREAKER_S + 1)
        report = world.deliver(*records)

    assert not report.is_breaker_open
    assert report.outcomes == {Reason.DELIVERED: 1, Reason.RETRY: 2}


def test_after_it_opened_no_control_is_sent() -> None:
    """An isolated event waits for another invocation."""
    disliked = make_event()
    world = World(in_turn(FORBIDDEN, accept, then=always(UNAUTHORISED)), threads=1)
    world.deliverer.container_state.size.limit_bytes = 1

    report = world.deliver(make_record(disliked), make_record(), make_record())

    assert len(world.pool.posted) == 4
    assert report.is_breaker_open
    assert world.dead_letters.sent == []
