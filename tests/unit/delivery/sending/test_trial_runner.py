"""Events that are refused alone: which are at fault, and which wait."""

import pytest

from tests.fakes import accept
from tests.responders import (
    UNEXPLAINED,
    always,
    decline_any_of,
    name_each_of,
)
from tests.unit.delivery.sending.runs import DISLIKED, TOO_LARGE, Run, make_batches, make_item
from whyness_events.delivery.ports import Answer
from whyness_events.outcomes import Reason


@pytest.mark.parametrize("answer", [DISLIKED, UNEXPLAINED, TOO_LARGE], ids=["403", "400", "413"])
def test_event_that_is_declined_alone_is_found_and_its_neighbours_pass(answer: Answer) -> None:
    """One event of a hundred is isolated by halves; the 99 are delivered."""
    batch = [make_item(size_bytes=100_100 if n == 41 else 0) for n in range(100)]

    run = Run(decline_any_of([batch[41].insert_id], answer)).send([batch])
    delivered, posted = run.outcomes[Reason.DELIVERED], len(run.posted)
    run.send_again()

    assert delivered == 99
    assert posted <= 1 + 2 * 7 + 19
    assert batch[41].result.reason.is_dead
    assert batch[41].result.http_status == answer.status


def test_reason_of_an_isolated_event_follows_the_status() -> None:
    """413 makes it oversized; 403 and an unexplained 400 make it rejected."""
    large, disliked, unexplained = (make_item(size_bytes=100_001) for _ in range(3))
    answers = {large.insert_id: TOO_LARGE, disliked.insert_id: DISLIKED, unexplained.insert_id: UNEXPLAINED}

    Run(lambda posted: answers.get(posted.insert_ids[0]) or accept(posted)).send(
        [[large], [disliked], [unexplained], [make_item()]]
    ).send_again()

    assert large.result.reason is Reason.OVERSIZED
    assert disliked.result.reason is Reason.REJECTED
    assert unexplained.result.reason is Reason.REJECTED


@pytest.mark.parametrize("answer", [DISLIKED, UNEXPLAINED, TOO_LARGE], ids=["403", "400", "413"])
@pytest.mark.parametrize("events", [1, 2, 50, 2_000])
def test_where_nothing_passes_nobody_is_blamed(answer: Answer, events: int) -> None:
    """A wrong project, a proxy that refuses all: every event stays, and an operator hears of it."""
    batch = [make_item(size_bytes=100_001 if events == 1 else 0) for _ in range(events)]

    run = Run(always(answer)).send([batch])

    assert not any(reason.is_dead for reason in run.outcomes)
    assert run.outcomes[Reason.SETUP] > 0
    assert run.outcomes.total() == events


def test_positive_control_may_come_from_any_other_request() -> None:
    """A lone event is blamed where an event of another request passed, before or after it."""
    for other_first in (True, False):
        lone, other = make_item(), make_item()
        batches = [[other], [lone]] if other_first else [[lone], [other]]

        Run(decline_any_of([lone.insert_id], DISLIKED), threads=1).send(batches).send_again()

        assert lone.result.reason is Reason.REJECTED


def test_partial_success_is_a_positive_control() -> None:
    """An answer that confirms some events proves that the setup is right."""
    lone, named, good = make_item(), make_item(), make_item()
    declining = decline_any_of([lone.insert_id], DISLIKED)
    naming = name_each_of([named.insert_id])

    Run(lambda posted: declining(posted) if lone.insert_id in posted.insert_ids else naming(posted)).send(
        [[lone], [named, good]]
    ).send_again()

    assert [item.result.reason for item in (lone, named, good)] == [
        Reason.REJECTED,
        Reason.REJECTED,
        Reason.DELIVERED,
    ]


def test_request_refused_by_name_alone_is_no_positive_control() -> None:
    """An answer that confirms no event proves nothing."""
    lone, named = make_item(), make_item()
    declining = decline_any_of([lone.insert_id], DISLIKED)
    naming = name_each_of([named.insert_id])

    Run(lambda posted: declining(posted) if lone.insert_id in posted.insert_ids else naming(posted)).send(
        [[lone], [named]]
    )

    assert lone.result.reason is Reason.SETUP


def test_control_of_an_earlier_invocation_must_pass_now() -> None:
    """The setup may change between invocations: the container's control is sent again."""
    run = Run().send(make_batches(1))
    assert run.pool is not None
    run.pool.respond = always(DISLIKED)
    lone = make_item()

    run.send([[lone]])

    assert lone.result.reason is Reason.SETUP
    assert "another event did not pass either" in lone.result.detail


@pytest.mark.parametrize(
    ("size_bytes", "reason"),
    [(100_000, Reason.SETUP), (100_001, Reason.OVERSIZED), (900_000, Reason.OVERSIZED)],
)
def test_413_for_one_event_blames_it_only_above_100_kb(size_bytes: int, reason: Reason) -> None:
    """Mixpanel takes ten times that: a 413 for a small event says nothing about the event."""
    item = make_item(size_bytes=size_bytes)
    assert len(item.encoded) == size_bytes

    Run(decline_any_of([item.insert_id], TOO_LARGE)).send([[item], [make_item()]]).send_again()

    assert item.result.reason is reason
