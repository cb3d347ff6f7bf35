"""The requests of one invocation: what is posted when, and what each answer does to the events."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any

import pytest
from msgspec import structs

from tests.builders import make_event, make_record
from tests.fakes import FakeClock, FakePool, Late, Posted, Responder, accept, report
from tests.responders import (
    LOST,
    NEVER,
    PAGE,
    UNEXPLAINED,
    always,
    decline_above,
    decline_any_of,
    in_turn,
    name_each_of,
    slowly,
)
from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.answers import Reaction
from whyness_events.delivery.ports import Answer, SetupFault
from whyness_events.delivery.sending.container_state import ContainerState, RequestSize
from whyness_events.delivery.sending.in_flight import InFlight
from whyness_events.delivery.sending.pacing import Concurrency
from whyness_events.delivery.sending.packing import REQUEST_BYTES
from whyness_events.delivery.sending.sender import Sender
from whyness_events.delivery.sending.setup_breaker import SetupBreaker
from whyness_events.delivery.sending.splitting import EXTRA_REQUESTS
from whyness_events.outcomes import Reason

UNAUTHORISED = Answer(401, b'{"code":401,"error":"Invalid credentials","status":"Unauthorized"}')
TOO_MANY = Answer(429, b'{"code":429,"status":"Too Many Requests"}')
DISLIKED = Answer(403, b"<html>Forbidden</html>")
TOO_LARGE = Answer(413, b'{"code":413,"status":"Request Entity Too Large"}')
DOWN = Answer(503, b"upstream connect error")


class Seconds:
    """The rng port with the jitter fixed: the shortest, or the longest."""

    def __init__(self, part: float) -> None:
        self._part = part

    def uniform(self, low: float, high: float) -> float:
        """Return the point between."""
        return low + self._part * (high - low)

    def shuffle(self, found: list[Any]) -> None:
        """Keep the order."""


def make_item(*, size_bytes: int = 0) -> Item:
    """Return an event ready to be posted, of exactly `size_bytes` where that is more than it needs."""
    event = make_event()
    document = {"event": event.event, "properties": {"$insert_id": event.insert_id, "x": ""}}
    missing = size_bytes - len(json.dumps(document))
    document["properties"] = {"$insert_id": event.insert_id, "x": "x" * max(0, missing)}
    return Item(make_record(event), 0, event, "distinct_id", json.dumps(document).encode())


def make_batches(count: int, *, events: int = 1) -> list[list[Item]]:
    """Return batches that are one request each."""
    return [[make_item() for _ in range(events)] for _ in range(count)]


@dataclass
class Run:
    """Runs of Sending over a fake pool, in one container."""

    respond: Responder = accept
    threads: int = 4
    budget_s: float = 90.0
    jitter: float = 0.5
    size: RequestSize = field(default_factory=RequestSize)
    breaker: SetupBreaker = field(default_factory=SetupBreaker)
    clock: FakeClock = field(default_factory=FakeClock)
    pool: FakePool | None = None

    def __post_init__(self) -> None:
        """Begin with a container that knows nothing."""
        self.pool = self.pool or FakePool(self.clock, self.respond)
        self.container_state = ContainerState(Concurrency(self.threads), self.breaker, self.size)

    def send(self, batches: Sequence[Sequence[Item]]) -> "Run":
        """Run it; every event must have its outcome in time."""
        self.batches = batches
        self._run(batches)
        return self

    def send_again(self) -> "Run":
        """Run it once more with what waits, as it comes back."""
        waiting = [[item for item in batch if item.result.reason.is_waiting] for batch in self.batches]
        for item in chain(*waiting):
            item.outcome = None
            item.record = structs.replace(item.record, receive_count=item.record.receive_count + 1)
        self._run([batch for batch in waiting if batch])
        return self

    def _run(self, batches: Sequence[Sequence[Item]]) -> None:
        assert self.pool is not None
        self.in_flight = InFlight(self.pool, self.clock, answer_timeout_s=30.0)
        jitter: Any = Seconds(self.jitter)  # a random.Random of which two methods are used
        deadline_s = self.clock.monotonic_s() + self.budget_s
        Sender(self.in_flight, self.clock, jitter, self.container_state).run(batches, deadline_s=deadline_s)
        assert self.clock.monotonic_s() <= deadline_s, "it did not return in time"

    @property
    def posted(self) -> list[Posted]:
        """The requests, in order."""
        assert self.pool is not None
        return self.pool.posted

    @property
    def outcomes(self) -> Counter[Reason]:
        """How many events had which outcome."""
        return Counter(item.result.reason for batch in self.batches for item in batch)

    @property
    def pauses_s(self) -> list[float]:
        """The seconds between the starts of the requests."""
        return [after.started_s - before.started_s for before, after in pairwise(self.posted)]


def ids(items: Sequence[Item]) -> list[str]:
    """Return their insert ids."""
    return [item.insert_id for item in items]


# --- all is well


def test_every_batch_is_one_request() -> None:
    """What was packed is posted, once, and confirmed."""
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


# --- splitting, and whom to blame


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
    """An answer that confirms some events proves the set-up right."""
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
    """An answer that confirms nobody proves nothing."""
    lone, named = make_item(), make_item()
    declining = decline_any_of([lone.insert_id], DISLIKED)
    naming = name_each_of([named.insert_id])

    Run(lambda posted: declining(posted) if lone.insert_id in posted.insert_ids else naming(posted)).send(
        [[lone], [named]]
    )

    assert lone.result.reason is Reason.SETUP


def test_control_of_an_earlier_invocation_must_pass_now() -> None:
    """Set-ups change between invocations: the container's control is sent again."""
    run = Run().send(make_batches(1))
    assert run.pool is not None
    run.pool.respond = always(DISLIKED)
    lone = make_item()

    run.send([[lone]])

    assert lone.result.reason is Reason.SETUP
    assert "another event did not pass either" in lone.result.detail


@pytest.mark.parametrize("answer", [DISLIKED, UNEXPLAINED, TOO_LARGE], ids=["403", "400", "413"])
def test_at_most_64_extra_requests(answer: Answer) -> None:
    """However much is refused, an invocation stays affordable; the rest is handed back, not blamed."""
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


# --- 413


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


# --- answers that do not add up


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
    """Where everybody is named without the sum being right, there are no others to send apart."""
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
    """An answer that names nobody in a usable way rejects nobody by itself."""
    batch = [make_item() for _ in range(16)]
    strings = report(400, imported=0, failed=["identity events are not allowed when project is using ..."])

    run = Run(decline_any_of([batch[5].insert_id], strings)).send([batch]).send_again()

    assert run.outcomes == {Reason.DELIVERED: 15, Reason.REJECTED: 1}
    assert batch[5].result.reason is Reason.REJECTED


# --- 401 and credentials


def test_401_is_tried_once_more_with_credentials_fetched_afresh() -> None:
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
    """Wrong credentials are no reason to hammer: what was not posted is not posted, nothing is blamed."""
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
    """Of a request of many events as of one, whatever becomes of them; the other words are kept."""
    batches = make_batches(2, events=3)
    for item in (item for batch in batches for item in batch):
        item.encoded = item.encoded.replace(b'"x": ""', b'"x": "Confidential"')
    body = json.dumps({"error": "events of CONFIDENTIAL are not welcome"}).encode()

    run = Run(always(Answer(status, body))).send(batches)

    details = [item.result.detail for batch in run.batches for item in batch]
    assert all("events of '*' are not welcome" in detail for detail in details)
    assert "confidential" not in str(details).lower()


def test_missing_secret_posts_nothing() -> None:
    """Without credentials there is nothing to try: all waits, with the fault's own words."""
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


# --- pauses


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
    """Whoever must wait longer waits in the queue: sleeping costs the same as working."""
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
def test_refusal_that_no_retry_helps_is_set_up(status: int) -> None:
    """A redirect, a bill, a wrong path: kept for the operator, not tried again, not blamed on the events."""
    run = Run(always(Answer(status, b"<html></html>"))).send(make_batches(3, events=2))

    assert len(run.posted) == 3
    assert run.outcomes == {Reason.SETUP: 6}
    assert run.batches[0][0].result.http_status == status


# --- 429


def test_rate_limit_holds_the_whole_project() -> None:
    """After a 429 nobody posts until its pause is over: the limit is the project's."""
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
    """What was posted before the hand-back is judged by its own answer."""
    throttled = Answer(429, b"{}", retry_after="900")

    run = Run(in_turn(throttled, slowly(accept, 5)), threads=2).send(make_batches(4))

    assert run.outcomes == {Reason.DELIVERED: 1, Reason.THROTTLED: 3}


# --- time


def test_request_that_is_never_answered_is_left_behind() -> None:
    """A server that drips for hours holds nobody: after connecting and answering time it is cut."""
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
    """What time does not reach is handed back; what was answered is delivered."""
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


def test_answers_of_every_kind_in_one_invocation() -> None:
    """Each batch has the outcome of its own last answer; none disturbs another."""
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
    """A reaction that nobody handles would leave events without an outcome."""
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
