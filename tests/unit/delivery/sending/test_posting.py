"""When requests are posted: pauses, rate limits, and the invocation's deadline."""

from typing import Any

import pytest

from tests.fakes import FakeClock, FakePool, Late, accept
from tests.responders import (
    LOST,
    NEVER,
    PAGE,
    always,
    in_turn,
    slowly,
)
from tests.unit.delivery.sending.runs import DOWN, TOO_MANY, Run, Seconds, ids, make_batches
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.sending.container_state import ContainerState
from whyness_events.delivery.sending.in_flight import InFlight
from whyness_events.delivery.sending.pacing import Concurrency
from whyness_events.delivery.sending.sender import Sender
from whyness_events.outcomes import Reason


def test_pauses_double_from_two_seconds_plus_jitter() -> None:
    """2, then 4 s, with 1 to 5 s on top of each; the same bytes each time."""
    shortest = Run(in_turn(DOWN, DOWN), jitter=0.0).send(make_batches(1))
    longest = Run(in_turn(DOWN), jitter=1.0).send(make_batches(1))

    assert shortest.pauses_s == pytest.approx([3, 5], abs=0.1)
    assert longest.pauses_s == pytest.approx([7], abs=0.1)
    assert len({posted.body for posted in shortest.posted}) == 1
    assert shortest.outcomes == longest.outcomes == {Reason.DELIVERED: 1}


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("answer", [DOWN, TOO_MANY, LOST, PAGE])
def test_at_most_30_seconds_asleep(answer: Answer, jitter: float) -> None:
    """A request that must wait longer waits in the queue: sleep is billed like work."""
    run = Run(always(answer), jitter=jitter, budget_s=1_000).send(make_batches(6))

    reason = Reason.THROTTLED if answer is TOO_MANY else Reason.RETRY
    assert run.clock.monotonic_s() <= 31
    assert run.outcomes == {reason: 6}
    assert len(run.posted) <= 6 * 4


def test_pause_of_one_request_holds_up_no_other() -> None:
    """A single 503 is that request's own affair."""
    batches = make_batches(20)

    run = Run(in_turn(DOWN), threads=2).send(batches)

    assert [posted.insert_ids for posted in run.posted][-1] == ids(batches[0])
    assert all(posted.started_s < 2 for posted in run.posted[:-1])


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(status, b"<html></html>") for status in (500, 501, 502, 503, 504, 408, 425)),
        LOST,
        PAGE,
        Answer(200, b""),
        Answer(0, error="no answer in time"),
    ],
    ids=lambda answer: str(answer.status),
)
def test_passing_trouble_is_tried_again_with_the_same_bytes(answer: Answer) -> None:
    """One bad answer costs a pause; the retry is byte for byte the same, so that Mixpanel counts it once."""
    run = Run(in_turn(answer)).send(make_batches(1, events=5))

    first, second = run.posted
    assert first.body == second.body
    assert run.outcomes == {Reason.DELIVERED: 5}


@pytest.mark.parametrize("status", [301, 302, 307, 308, 402, 404, 405, 407, 410, 415, 422, 451])
def test_refusal_that_no_retry_helps_is_setup(status: int) -> None:
    """A redirect, a bill, a wrong path: kept for the operator, not tried again, not blamed on the events."""
    run = Run(always(Answer(status, b"<html></html>"))).send(make_batches(3, events=2))

    assert len(run.posted) == 3
    assert run.outcomes == {Reason.SETUP: 6}
    assert run.batches[0][0].result.http_status == status


def test_rate_limit_holds_the_whole_project() -> None:
    """After a 429 nothing is posted until its pause is over: the limit is the project's."""
    run = Run(in_turn(accept, TOO_MANY), threads=1, jitter=0.0).send(make_batches(8))

    assert run.pauses_s[0] < 1
    assert run.pauses_s[1] == pytest.approx(3, abs=0.1)
    assert run.outcomes == {Reason.DELIVERED: 8}


@pytest.mark.parametrize("threads", [2, 4])
def test_rate_limit_holds_the_other_threads_too(threads: int) -> None:
    """No request starts between the 429 and the end of its pause."""
    run = Run(in_turn(TOO_MANY), threads=threads, jitter=0.0).send(make_batches(20))

    started = [posted.started_s for posted in run.posted]
    assert all(moment < 0.01 or moment >= 3 for moment in started)
    assert run.outcomes == {Reason.DELIVERED: 20}


@pytest.mark.parametrize(
    ("header", "pause_s"), [("0", 1), ("7", 8), ("Mon, 23 Nov 2026 10:00:12 GMT", 13)], ids=str
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_in_both_forms(header: str, pause_s: float, status: int) -> None:
    """What the server asks for replaces our own pause; the jitter stays."""
    clock = FakeClock(now_s=1_795_428_000.0)  # 2026-11-23T10:00:00Z
    answer = Answer(status, b"{}", retry_after=header)

    run = Run(in_turn(answer), jitter=0.0, clock=clock).send(make_batches(1))

    assert run.pauses_s == pytest.approx([pause_s], abs=0.1)
    assert run.outcomes == {Reason.DELIVERED: 1}


@pytest.mark.parametrize("header", ["27", "60", "900", "99999", "Fri, 31 Dec 2027 00:00:00 GMT"])
def test_rate_limit_longer_than_the_budget_is_handed_back_at_once(header: str) -> None:
    """Waiting is the queue's work: everything not posted comes back as throttled, in no time."""
    answer = Answer(429, b"{}", retry_after=header)

    run = Run(in_turn(accept, then=always(answer)), threads=1, jitter=1.0).send(make_batches(9))

    assert run.clock.monotonic_s() < 1
    assert len(run.posted) == 2
    assert run.outcomes == {Reason.DELIVERED: 1, Reason.THROTTLED: 8}


def test_requests_under_way_when_the_project_is_throttled_may_still_succeed() -> None:
    """A request in flight when the others are handed back is judged by its own answer."""
    throttled = Answer(429, b"{}", retry_after="900")

    run = Run(in_turn(throttled, slowly(accept, 5)), threads=2).send(make_batches(4))

    assert run.outcomes == {Reason.DELIVERED: 1, Reason.THROTTLED: 3}


def test_request_that_is_never_answered_is_left_behind() -> None:
    """A server that answers for hours is cut after the time for connecting and answering."""
    batches = make_batches(2)

    run = Run(in_turn(Late(LOST, NEVER)), threads=1, jitter=0.0).send(batches)

    assert run.pool is not None
    assert run.pool.abandoned == [1]
    assert run.posted[1].started_s == pytest.approx(35)
    assert run.outcomes == {Reason.DELIVERED: 2}


def test_server_that_never_answers_anything() -> None:
    """All is handed back in time, every connection cut, nothing blamed."""
    run = Run(always(Late(LOST, NEVER))).send(make_batches(30))

    assert run.pool is not None
    assert len(run.pool.abandoned) == len(run.posted)
    assert run.outcomes == {Reason.RETRY: 30}


def test_slow_answer_within_its_time_counts() -> None:
    """29 seconds are slow, not late."""
    run = Run(slowly(accept, 29)).send(make_batches(4))

    assert run.outcomes == {Reason.DELIVERED: 4}
    assert len(run.posted) == 4


def test_answer_just_before_the_deadline_counts() -> None:
    """The whole budget may be used for an answer."""
    run = Run(slowly(accept, 9.9), budget_s=10).send(make_batches(1))

    assert run.outcomes == {Reason.DELIVERED: 1}


def test_more_batches_than_time() -> None:
    """Batches without time are handed back; those that were answered are delivered."""
    run = Run(slowly(accept, 15), threads=4, budget_s=70).send(make_batches(40))

    assert run.outcomes == {Reason.DELIVERED: 16, Reason.RETRY: 24}
    assert "ran out of time" in run.batches[-1][0].result.detail


@pytest.mark.parametrize("budget_s", [-5.0, 0.0, 0.5, 1.0])
def test_without_time_nothing_is_posted(budget_s: float) -> None:
    """A request that could not be heard is not sent."""
    clock = FakeClock()
    pool = FakePool(clock)
    jitter: Any = Seconds(0.5)
    sending = Sender(InFlight(pool, clock, 30.0), clock, jitter, ContainerState(Concurrency(4)))
    batches = make_batches(3)

    sending.run(batches, deadline_s=budget_s)

    assert pool.posted == []
    assert {item.result.reason for batch in batches for item in batch} == {Reason.RETRY}
    assert clock.monotonic_s() == 0


def test_no_pause_that_the_deadline_would_cut_off() -> None:
    """A retry that cannot happen any more is not waited for."""
    run = Run(always(DOWN), budget_s=3.0, jitter=0.0).send(make_batches(1))

    assert run.clock.monotonic_s() < 1
    assert run.outcomes == {Reason.RETRY: 1}
