"""A lone event is blamed only between two requests that pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_event, make_record
from tests.fakes import Late, Posted, Responder, accept
from tests.responders import LOST, UNEXPLAINED, always, decline_any_of
from tests.world import World
from whyness_events.delivery.ports import Answer
from whyness_events.outcomes import Reason

FORBIDDEN = Answer(403, b"<html>no</html>")


def everything_refused_between(first: int, last: int, answer: Answer) -> Responder:
    """Refuse the requests from `first` to before `last`, whatever is in them."""
    numbers = iter(range(10_000))

    def respond(posted: Posted) -> Answer:
        return answer if first <= next(numbers) < last else accept(posted)

    return respond


@given(until=st.integers(0, 40), answer=st.sampled_from([FORBIDDEN, UNEXPLAINED]), records=st.integers(2, 8))
def test_a_refusal_of_everything_that_ends_at_any_moment_blames_nobody(
    until: int, answer: Answer, records: int
) -> None:
    """It was refused while all was refused: that another one passed later proves nothing."""
    world = World(everything_refused_between(0, until, answer))

    world.deliver(*[make_record(receive_count=1 + n % 3) for n in range(records)])

    assert world.dead_letters.letters == []


@given(since=st.integers(0, 40), answer=st.sampled_from([FORBIDDEN, UNEXPLAINED]), records=st.integers(2, 8))
def test_a_refusal_of_everything_that_begins_at_any_moment_blames_nobody(
    since: int, answer: Answer, records: int
) -> None:
    """That another one passed before proves nothing either."""
    world = World(everything_refused_between(since, 10_000, answer))

    world.deliver(*[make_record(receive_count=1 + n % 3) for n in range(records)])

    assert world.dead_letters.letters == []


def test_an_event_that_is_really_disliked_is_blamed_and_the_control_counts_once() -> None:
    """It is refused once more between two copies of a confirmed event."""
    disliked = make_event()
    world = World(decline_any_of([disliked.insert_id], FORBIDDEN))

    report = world.deliver(make_record(disliked), *[make_record() for _ in range(3)])

    *_, before, again, after = world.pool.posted
    assert report.outcomes == {Reason.DELIVERED: 3, Reason.REJECTED: 1}
    assert again.insert_ids == [disliked.insert_id]
    assert before.body == after.body
    assert "to this event alone" in world.dead_letters.letters[0].attributes["detail"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(503), Reason.RETRY),
        (LOST, Reason.RETRY),
        (Answer(429), Reason.THROTTLED),
        (Answer(401), Reason.SETUP),
    ],
    ids=["503", "lost", "429", "401"],
)
def test_where_the_control_does_not_pass_the_event_waits(answer: Answer, outcome: Reason) -> None:
    """What is wrong now may have been wrong then."""
    disliked = make_event()
    controls = iter([False, True, True, True])

    def respond(posted: Posted) -> Answer:
        if disliked.insert_id in posted.insert_ids:
            return FORBIDDEN
        return answer if next(controls) else accept(posted)

    world = World(respond)

    report = world.deliver(make_record(disliked), make_record(receive_count=3))

    assert report.outcomes == {Reason.DELIVERED: 1, outcome: 1}
    assert world.dead_letters.letters == []


def test_an_event_that_passes_the_second_time_is_delivered() -> None:
    """It was not the event."""
    disliked = make_event()
    refusals = iter([True])

    def respond(posted: Posted) -> Answer:
        mine = disliked.insert_id in posted.insert_ids
        return FORBIDDEN if mine and next(refusals, False) else accept(posted)

    world = World(respond)

    report = world.deliver(make_record(disliked), make_record(receive_count=3))

    assert report.outcomes == {Reason.DELIVERED: 2}


def test_without_time_for_the_control_the_event_waits() -> None:
    """There is another invocation."""
    disliked = make_event()

    def respond(posted: Posted) -> Answer | Late:
        return (
            Late(FORBIDDEN, 14.0) if disliked.insert_id in posted.insert_ids else Late(accept(posted), 14.0)
        )

    world = World(respond, timeout_s=20.0)

    report = world.deliver(make_record(disliked), make_record(receive_count=3))

    assert report.outcomes[Reason.RETRY] >= 1
    assert world.dead_letters.letters == []


def test_where_nothing_passes_it_is_the_set_up() -> None:
    """There is no control to hold it against."""
    world = World(always(FORBIDDEN))

    report = world.deliver(make_record(), make_record())

    assert report.outcomes == {Reason.SETUP: 2}
    assert world.dead_letters.letters == []
