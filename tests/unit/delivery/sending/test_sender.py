"""What each answer does to the events of its request, and what 401 does to the invocation."""

import json
from dataclasses import dataclass

import pytest

from tests.fakes import FakeClock, FakePool, Late, Posted, accept, report
from tests.responders import (
    LOST,
    NEVER,
    PAGE,
    UNEXPLAINED,
    always,
    in_turn,
)
from tests.unit.delivery.sending.runs import (
    DISLIKED,
    DOWN,
    TOO_LARGE,
    TOO_MANY,
    UNAUTHORISED,
    Run,
    ids,
    make_batches,
)
from whyness_events.delivery.mixpanel.answers import Reaction
from whyness_events.delivery.ports import Answer, SetupFault
from whyness_events.outcomes import Reason


def test_every_batch_is_one_request() -> None:
    """Each batch is posted once, and confirmed."""
    batches = make_batches(3, events=2)

    run = Run().send(batches)

    assert [ids(batch) for batch in batches] == [posted.insert_ids for posted in run.posted]
    assert run.outcomes == {Reason.DELIVERED: 6}
    assert run.in_flight.counts.requests == 3
    assert run.in_flight.counts.body_bytes == sum(len(posted.body) for posted in run.posted)


def test_nothing_to_send_posts_nothing_and_takes_no_time() -> None:
    """An invocation of unreadable bodies does not wait for Mixpanel."""
    run = Run().send([])

    assert run.posted == []
    assert run.clock.monotonic_s() == 0


@pytest.mark.parametrize("threads", [1, 2, 4, 20])
def test_no_more_requests_at_once_than_threads(threads: int) -> None:
    """The project's recommended number of clients holds, and is used."""
    run = Run(threads=threads).send(make_batches(40))

    assert run.pool is not None
    assert threads == run.pool.most_at_once
    assert run.outcomes[Reason.DELIVERED] == 40


def test_threads_bound_holds_while_requests_are_split_and_tried_again() -> None:
    """Parts and second tries wait for a free thread, too."""
    batches = make_batches(12, events=8)
    answers = [DISLIKED, DOWN, TOO_LARGE, UNEXPLAINED, LOST, PAGE] * 2

    run = Run(in_turn(*answers), threads=3).send(batches)

    assert run.pool is not None
    assert run.pool.most_at_once == 3
    assert run.outcomes[Reason.DELIVERED] == 96


def test_401_is_retried_once_with_credentials_fetched_again() -> None:
    """A rotated secret costs one extra request, and no event."""
    run = Run(in_turn(UNAUTHORISED)).send(make_batches(1, events=3))

    assert run.pool is not None
    assert run.pool.refreshed == 1
    assert run.posted[0].body == run.posted[1].body
    assert run.outcomes == {Reason.DELIVERED: 3}


def test_secret_rotated_in_the_middle_of_an_invocation() -> None:
    """All requests that were under way with the old secret go again; the secret is fetched once."""
    clock = FakeClock()
    pool = FakePool(clock)
    answered = 0

    def respond(posted: Posted) -> Answer:
        nonlocal answered
        answered += 1
        rotated = answered > 5
        return UNAUTHORISED if rotated and not pool.refreshed else accept(posted)

    pool.respond = respond

    run = Run(clock=clock, pool=pool).send(make_batches(12, events=2))

    assert pool.refreshed == 1
    assert run.outcomes == {Reason.DELIVERED: 24}


def test_second_401_stops_the_invocation() -> None:
    """With wrong credentials nothing more is posted, and no event is blamed."""
    run = Run(always(UNAUTHORISED)).send(make_batches(40))

    assert run.pool is not None
    assert run.pool.refreshed == 1
    assert len(run.posted) <= 2 * run.threads
    assert run.outcomes == {Reason.SETUP: 40}


def test_401_without_anywhere_to_fetch_credentials_from() -> None:
    """Credentials from the environment cannot change: no second try."""
    pool = FakePool(clock := FakeClock(), always(UNAUTHORISED), can_refresh=False)

    run = Run(clock=clock, pool=pool).send(make_batches(40))

    assert len(run.posted) == run.threads
    assert run.outcomes == {Reason.SETUP: 40}


def test_401_says_what_to_check() -> None:
    """The operator reads where to look."""
    run = Run(always(UNAUTHORISED)).send(make_batches(1))

    detail = run.batches[0][0].result.detail
    assert detail.startswith("Mixpanel answered 401: Invalid credentials; check the service account, ")
    assert "MIXPANEL_PROJECT_ID" in detail


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 503])
def test_what_an_answer_quotes_of_its_own_request_is_in_no_outcome(status: int) -> None:
    """Quoted values are masked in requests of one and of many events; other words are kept."""
    batches = make_batches(2, events=3)
    for item in (item for batch in batches for item in batch):
        item.encoded = item.encoded.replace(b'"x": ""', b'"x": "Confidential"')
    body = json.dumps({"error": "events of CONFIDENTIAL are not welcome"}).encode()

    run = Run(always(Answer(status, body))).send(batches)

    details = [item.result.detail for batch in run.batches for item in batch]
    assert all("events of '*' are not welcome" in detail for detail in details)
    assert "confidential" not in str(details).lower()


def test_missing_secret_posts_nothing() -> None:
    """Without credentials nothing is posted, and all events wait with the fault's text."""
    pool = FakePool(clock := FakeClock(), credentials_fault="MIXPANEL_SECRET_ARN: the secret cannot be read")

    run = Run(clock=clock, pool=pool).send(make_batches(9))

    assert run.posted == []
    assert run.outcomes == {Reason.SETUP: 9}
    assert {item.result.detail for batch in run.batches for item in batch} == {pool.credentials_fault}


@dataclass
class PoolWithoutSecret(FakePool):
    """Secrets Manager does not answer, which takes its time."""

    fetch_s: float = 10.0

    def refresh_credentials(self) -> bool:
        """Fail slowly."""
        self.refreshed += 1
        self.clock.sleep(self.fetch_s)
        raise SetupFault("MIXPANEL_SECRET_ARN: the secret cannot be read (ReadTimeoutError)")


def test_secret_that_cannot_be_fetched_after_a_401_is_asked_for_once() -> None:
    """Four requests refused at once are one reason to ask, and no reason to be late four times over."""
    pool = PoolWithoutSecret(clock := FakeClock(), always(UNAUTHORISED))

    run = Run(clock=clock, pool=pool).send(make_batches(9))

    assert run.outcomes == {Reason.SETUP: 9}
    assert pool.refreshed == 1


def test_answers_of_every_kind_in_one_invocation() -> None:
    """Each batch has the outcome of its own last answer."""
    kinds = {
        "delivered": accept,
        "retry": always(DOWN),
        "setup": always(Answer(404)),
        "lost": always(LOST),
        "never": always(Late(LOST, NEVER)),
    }
    batches = make_batches(len(kinds), events=3)
    by_first = dict(zip((ids(batch)[0] for batch in batches), kinds.values(), strict=True))

    Run(lambda posted: by_first[posted.insert_ids[0]](posted), threads=8).send(batches)

    reasons = [{item.result.reason for item in batch} for batch in batches]
    assert reasons == [{Reason.DELIVERED}, {Reason.RETRY}, {Reason.SETUP}, {Reason.RETRY}, {Reason.RETRY}]


def test_every_reaction_is_handled() -> None:
    """An unhandled reaction would leave events without an outcome."""
    answers = {
        Reaction.CONFIRMED: report(200, imported=1),
        Reaction.RETRY: DOWN,
        Reaction.THROTTLED: TOO_MANY,
        Reaction.SETUP: Answer(404),
        Reaction.UNAUTHORISED: UNAUTHORISED,
        Reaction.SPLIT: DISLIKED,
    }

    runs = {reaction: Run(always(answer)).send(make_batches(2)) for reaction, answer in answers.items()}

    assert set(runs) == set(Reaction)
    assert all(run.outcomes.total() == 2 for run in runs.values())
