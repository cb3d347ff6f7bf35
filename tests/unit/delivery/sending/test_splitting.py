"""Requests that are refused as a whole are split until the parts pass."""

from collections import Counter
from itertools import chain

import pytest

from tests.fakes import report
from tests.responders import (
    UNEXPLAINED,
    always,
    decline_above,
    decline_any_of,
    in_turn,
    name_each_of,
)
from tests.unit.delivery.sending.runs import DISLIKED, TOO_LARGE, Run, ids, make_batches, make_item
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.sending.container_state import RequestSize
from whyness_events.delivery.sending.packing import REQUEST_BYTES
from whyness_events.delivery.sending.splitting import EXTRA_REQUESTS
from whyness_events.outcomes import Reason


@pytest.mark.parametrize("answer", [DISLIKED, UNEXPLAINED, TOO_LARGE], ids=["403", "400", "413"])
def test_at_most_64_extra_requests(answer: Answer) -> None:
    """Splitting is limited however much is refused; the rest is handed back, and not blamed."""
    batches = [[make_item() for _ in range(500)] for _ in range(4)]

    run = Run(always(answer)).send(batches)

    assert len(run.posted) == 4 + EXTRA_REQUESTS == 68
    assert run.outcomes[Reason.RETRY] + run.outcomes[Reason.SETUP] == 2_000


def test_batches_after_the_cap_are_still_sent() -> None:
    """The cap ends the splitting of what is refused, not the sending of what is fine."""
    refused = [make_item() for _ in range(1_000)]
    fine = make_batches(5, events=10)

    run = Run(decline_any_of(ids(refused), DISLIKED), threads=1).send([refused, *fine])

    assert run.outcomes[Reason.DELIVERED] == 50


def test_every_half_of_a_refused_request_is_sent_before_time_is_up() -> None:
    """Splitting loses and repeats nothing; copies of one control come last."""
    batch = [make_item() for _ in range(37)]
    disliked = [batch[n].insert_id for n in (0, 17, 36)]

    run = Run(decline_any_of(disliked, DISLIKED), threads=1).send([batch])

    passed = [posted.insert_ids for posted in run.posted if not {*disliked}.intersection(posted.insert_ids)]
    sent = list(chain(*passed))
    assert [found for found in ids(batch) if found not in disliked] == sent[:34]
    assert len(set(sent[34:])) == 1
    assert run.outcomes == {Reason.DELIVERED: 34, Reason.RETRY: 3}


def test_request_too_large_is_halved_until_it_passes() -> None:
    """A limit below our own costs requests, never an event."""
    batch = [make_item(size_bytes=10_000) for _ in range(200)]

    run = Run(decline_above(600_000)).send([batch])

    assert run.outcomes == {Reason.DELIVERED: 200}
    assert all(len(posted.body) <= 600_000 for posted in run.posted[-4:])


def test_size_that_passed_is_remembered_and_grows_back_slowly() -> None:
    """The next invocations start below what was refused, and try a quarter more each time."""
    size = RequestSize()
    Run(decline_above(600_000), size=size).send([[make_item(size_bytes=10_000) for _ in range(200)]])
    container_state = size.limit_bytes

    grown: list[float] = []
    while size.limit_bytes < REQUEST_BYTES and len(grown) < 100:
        before = size.limit_bytes
        size.grow()
        grown.append(size.limit_bytes / before)

    assert 300_000 <= container_state <= 600_000
    assert 5 <= len(grown) <= 20
    assert max(grown) <= 1.25
    assert size.limit_bytes == REQUEST_BYTES


def test_size_never_falls_below_what_one_event_may_have() -> None:
    """A proxy that refuses everything with 413 does not shrink requests to nothing."""
    size = RequestSize()

    Run(always(TOO_LARGE), size=size).send(make_batches(3, events=100))

    assert size.limit_bytes >= 100_000


def test_two_refused_at_once_shrink_once() -> None:
    """Requests of the same size that are under way together say the same thing."""
    size = RequestSize()
    batches = [[make_item(size_bytes=90_000) for _ in range(50)] for _ in range(4)]

    Run(decline_above(3_000_000), size=size).send(batches)

    assert size.limit_bytes >= 2_000_000


def test_event_named_in_an_answer_that_does_not_add_up_is_sent_apart() -> None:
    """Zero imported and one named: the others go again without it, and it goes alone."""
    batch = [make_item() for _ in range(10)]
    unexplained = report(400, imported=0, failed=[{"index": 3, "insert_id": batch[3].insert_id}])

    run = Run(in_turn(unexplained)).send([batch])

    apart = [posted.insert_ids for posted in run.posted[1:]]
    assert sorted(map(len, apart)) == [1, 9]
    assert [batch[3].insert_id] in apart
    assert run.outcomes == {Reason.DELIVERED: 10}


def test_only_the_answer_to_the_event_alone_decides() -> None:
    """The named event is rejected where a report that adds up names it again."""
    batch = [make_item() for _ in range(10)]
    bad = batch[3].insert_id
    unexplained = report(400, imported=0, failed=[{"index": 3, "insert_id": bad}])

    run = Run(in_turn(unexplained, then=name_each_of([bad]))).send([batch])

    assert run.outcomes == {Reason.DELIVERED: 9, Reason.REJECTED: 1}
    assert batch[3].result.reason is Reason.REJECTED
    assert len(run.posted) == 3


def test_all_named_and_none_confirmed_by_the_numbers_is_halved() -> None:
    """If all events are named and the sum is wrong, there are no others to send apart."""
    batch = [make_item() for _ in range(4)]
    failed = [{"index": n, "insert_id": item.insert_id} for n, item in enumerate(batch)]

    run = Run(in_turn(report(400, failed=failed))).send([batch])

    assert [len(posted.events) for posted in run.posted] == [4, 2, 2]
    assert run.outcomes == {Reason.DELIVERED: 4}


@pytest.mark.parametrize("imported", [None, 9, 0, 11, True, "10"])
def test_200_that_does_not_add_up_is_asked_again_in_parts(imported: object) -> None:
    """Events are delivered when an answer says so with the right number; copies count once at Mixpanel."""
    batch = [make_item() for _ in range(10)]

    run = Run(in_turn(report(200, imported=imported))).send([batch])

    assert [len(posted.events) for posted in run.posted] == [10, 5, 5]
    assert run.outcomes == {Reason.DELIVERED: 10}


@pytest.mark.parametrize("count", [1, 7, 2_000])
@pytest.mark.parametrize("key", ["insert_id", "$insert_id"])
def test_partial_400_in_a_full_request(count: int, key: str) -> None:
    """Those named are rejected, the others delivered, and nothing is sent twice."""
    batch = [make_item() for _ in range(2_000)]
    bad = ids(batch[:: 2_000 // count][:count])

    run = Run(name_each_of(bad, key=key)).send([batch])

    assert len(run.posted) == 1
    assert run.outcomes == Counter({Reason.DELIVERED: 2_000 - count, Reason.REJECTED: count}) - Counter()
    assert sorted(bad) == sorted(item.insert_id for item in batch if item.result.reason is Reason.REJECTED)


def test_failed_records_as_strings_are_resolved_by_splitting() -> None:
    """An answer that names events in an unusable way rejects none of them."""
    batch = [make_item() for _ in range(16)]
    strings = report(400, imported=0, failed=["identity events are not allowed when project is using ..."])

    run = Run(decline_any_of([batch[5].insert_id], strings)).send([batch]).send_again()

    assert run.outcomes == {Reason.DELIVERED: 15, Reason.REJECTED: 1}
    assert batch[5].result.reason is Reason.REJECTED
