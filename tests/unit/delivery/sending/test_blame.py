"""An event is blamed on evidence that chance cannot give, and soon; its neighbours do not wait for that."""

import random
from collections.abc import Callable, Sequence
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_body, make_event, make_record
from tests.fakes import Late, Posted, Responder, accept
from tests.fleet import Fleet
from tests.responders import LOST, UNEXPLAINED, always, decline_any_of
from tests.world import World, handed_back
from whyness_events import Event
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import Answer
from whyness_events.outcomes import Reason

FORBIDDEN = Answer(403, b"<html>no</html>")
MINUTE_S, HOUR_S = 60.0, 3_600.0
LATENCY_S = 0.1
VALID = 3_000
# Events of a message, and messages of an invocation.
SIZES = [(1, 1_000), (10, 10), (10, 100), (1, VALID), (1_000, 1), (1_500, 2)]


def records_of(events: Sequence[Event], size: int) -> list[Record]:
    """Return messages of so many events each."""
    return [make_record(make_body(*events[at : at + size])) for at in range(0, len(events), size)]


def make_events(count: int) -> list[Event]:
    """Return valid events."""
    return [make_event() for _ in range(count)]


def check_nobody_dies(
    respond: Callable[[Fleet, Posted], Answer | Late], seed: int, count: int, *, all_arrive: bool = True
) -> None:
    """Deliver valid events for as long as they may wait; none is dead, and all arrive where they can."""
    size, batch_size = SIZES[seed % len(SIZES)]
    arrived: set[str] = set()

    def answer(posted: Posted) -> Answer | Late:
        found = respond(fleet, posted)
        if found in (accept(posted), Late(accept(posted), LATENCY_S)):
            arrived.update(posted.insert_ids)
        return found

    fleet = Fleet(answer, containers=1 + seed % 3, batch_size=batch_size, seed=seed)
    left = fleet.run(records_of(make_events(count), size), for_s=71 * HOUR_S if all_arrive else HOUR_S)

    assert fleet.dead == []
    assert (len(arrived), left) == (count, []) or not all_arrive


# --- no event is blamed for what may be chance


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("refusal", [FORBIDDEN, UNEXPLAINED], ids=["403", "400"])
@pytest.mark.parametrize("seed", range(10))
def test_refusals_at_random_kill_no_valid_event(part: float, refusal: Answer, seed: int) -> None:
    """Whatever part of the requests is refused, every event arrives, and none is dead."""
    rng = random.Random(seed)  # noqa: S311  (which requests are refused)

    def respond(_: Fleet, posted: Posted) -> Answer:
        return refusal if rng.random() < part else accept(posted)

    check_nobody_dies(respond, seed, VALID)


@pytest.mark.parametrize("seed", range(6))
def test_refusals_at_random_among_other_trouble_kill_no_valid_event(seed: int) -> None:
    """429, 5xx and lost answers prove nothing, for the event or against it."""
    rng = random.Random(seed)  # noqa: S311  (which requests are refused)
    trouble: list[Answer | Late] = [
        FORBIDDEN,
        UNEXPLAINED,
        Answer(429, b"{}"),
        Answer(503),
        LOST,
        Late(LOST, 40.0),
    ]

    def respond(_: Fleet, posted: Posted) -> Answer | Late:
        return rng.choice(trouble) if rng.random() < 0.4 else accept(posted)

    check_nobody_dies(respond, seed, 500)


@pytest.mark.parametrize("good_s", [0.1, 1.0, 7.0, 60.0])
@pytest.mark.parametrize("bad_s", [0.1, 1.0, 7.0, 60.0])
def test_good_and_bad_phases_in_turn_kill_no_valid_event(good_s: float, bad_s: float) -> None:
    """No pattern of refusals can match an order that is random."""

    def respond(fleet: Fleet, posted: Posted) -> Late:
        is_good = fleet.clock.monotonic_s() % (good_s + bad_s) < good_s
        return Late(accept(posted) if is_good else FORBIDDEN, LATENCY_S)

    for seed in range(3):
        check_nobody_dies(respond, seed, 300, all_arrive=good_s * 10 >= bad_s)


@pytest.mark.parametrize("parts", [(0.0, 0.9, 0.0), (1.0, 0.3, 0.0), (0.0, 1.0, 0.05), (0.5, 0.02, 0.5)])
def test_a_refusal_rate_that_jumps_kills_no_valid_event(parts: Sequence[float]) -> None:
    """Evidence from another rate of refusals does not count at this one."""
    rng = random.Random(1)  # noqa: S311  (which requests are refused)

    def respond(fleet: Fleet, posted: Posted) -> Answer:
        part = parts[min(int(fleet.clock.monotonic_s() // 40), len(parts) - 1)]
        return FORBIDDEN if rng.random() < part else accept(posted)

    for seed in range(4):
        check_nobody_dies(respond, seed, 600)


def everything_refused_between(first: int, last: int, answer: Answer) -> Responder:
    """Refuse the requests from `first` to before `last`, whatever is in them."""
    numbers = iter(range(1_000_000))

    def respond(posted: Posted) -> Answer:
        return answer if first <= next(numbers) < last else accept(posted)

    return respond


@given(
    since=st.integers(0, 60),
    length=st.integers(1, 60),
    answer=st.sampled_from([FORBIDDEN, UNEXPLAINED]),
    records=st.integers(1, 8),
)
def test_a_refusal_of_everything_at_any_time_blames_nobody(
    since: int, length: int, answer: Answer, records: int
) -> None:
    """It was refused while all was refused: that another one passed before or later proves nothing."""
    world = World(everything_refused_between(since, since + length, answer))
    world.deliver(make_record())
    left = [make_record(receive_count=1 + n % 3) for n in range(records)]

    for _ in range(6):
        left = handed_back(left, world.deliver(*left))

    assert world.dead_letters.sent == []


@given(pattern=st.lists(st.booleans(), min_size=2, max_size=6), threads=st.sampled_from([1, 4]))
def test_refusals_in_a_rhythm_of_requests_blame_nobody(pattern: Sequence[bool], threads: int) -> None:
    """Every second request refused, or any other rhythm: the order of a trial keeps no time with it."""
    rhythm = cycle(pattern)
    world = World(accept, threads=threads)
    world.deliver(make_record())
    world.respond = lambda posted: FORBIDDEN if next(rhythm) else accept(posted)
    left = [make_record(), make_record()]

    for _ in range(6):
        left = handed_back(left, world.deliver(*left))

    assert world.dead_letters.sent == []


@pytest.mark.parametrize("seed", range(4))
def test_among_refusals_at_random_a_true_culprit_waits(seed: int) -> None:
    """While the control is refused, too, nothing distinguishes the two."""
    rng = random.Random(seed)  # noqa: S311  (which requests are refused)
    culprit = make_event()
    events = [culprit, *make_events(199)]

    def respond(posted: Posted) -> Answer:
        is_refused = culprit.insert_id in posted.insert_ids or rng.random() < 0.5
        return FORBIDDEN if is_refused else accept(posted)

    fleet = Fleet(respond, batch_size=50, seed=seed)

    left = fleet.run(records_of(events, 1), for_s=HOUR_S)

    assert [culprit.insert_id in record.body for record in left] == [True]
    assert fleet.dead == []


# --- a true culprit is dead soon, and its neighbours do not wait

LARGE = {f"list_{number}": ["x" * 60] * 110 for number in range(20)}
CULPRITS = {
    "a proxy refuses it": (FORBIDDEN, {}, "rejected"),
    "Mixpanel refuses it, and does not name it": (UNEXPLAINED, {}, "rejected"),
    "an answer does not add up": (Answer(200, b'{"num_records_imported":-1}'), {}, "rejected"),
    "it is above a proxy's limit": (Answer(413, b"{}"), LARGE, "oversized"),
}


class Refusing:
    """Refuses each request with one of these, and knows when it first took what else there was."""

    def __init__(self, culprits: Sequence[Event], answer: Answer, *, after_s: float = 0.02) -> None:
        self._respond = decline_any_of([event.insert_id for event in culprits], answer)
        self._after_s = after_s
        self.invocation_of: dict[str, int] = {}
        self.fleet: Fleet | None = None

    def __call__(self, posted: Posted) -> Late:
        """Return the answer to a request."""
        found = self._respond(posted)
        if found == accept(posted):
            assert self.fleet is not None
            for insert_id in posted.insert_ids:
                self.invocation_of.setdefault(insert_id, self.fleet.invocations)
        return Late(found, self._after_s)  # type: ignore[arg-type]  # it never answers late itself


@pytest.mark.parametrize("containers", [1, 10])
@pytest.mark.parametrize(("neighbours", "size"), [(0, 1), (1_999, 2_000), (1_999, 1), (1_999, 10)])
@pytest.mark.parametrize("kind", CULPRITS)
def test_a_culprit_is_dead_within_ten_minutes_of_its_third_receive(
    kind: str, neighbours: int, size: int, containers: int
) -> None:
    """With the right reason, wherever its message comes next; its neighbours are delivered at once."""
    answer, properties, reason = CULPRITS[kind]
    culprit = make_event(properties=properties)
    events = make_events(neighbours)
    events.insert(neighbours // 3, culprit)
    refusing = Refusing([culprit], answer)
    refusing.fleet = fleet = Fleet(refusing, containers=containers, seed=neighbours + size)
    for world in fleet.worlds:
        world.deliver(make_record())  # a container needs a confirmed event as the control

    left = fleet.run(records_of(events, size))

    ((dead_s, dead_letter),) = fleet.dead
    assert left == []
    assert dead_letter.attributes["reason"] == reason
    assert dead_letter.attributes["http_status"] == str(answer.status)
    assert dead_letter.attributes["detail"].endswith("to this event alone")
    assert "between requests that passed" in dead_letter.attributes["detail"]
    third_s = fleet.third_receive_s.get(dead_letter.attributes["source_message_id"], dead_s)
    assert dead_s - third_s <= 10 * MINUTE_S
    assert {refusing.invocation_of[event.insert_id] for event in events if event != culprit} <= {0, 1}


@pytest.mark.parametrize("containers", [1, 10])
@pytest.mark.parametrize(
    ("place", "size"), [("all over", 1), ("side by side", 10), ("all over", 2_000), ("side by side", 2_000)]
)
def test_500_culprits_among_2000_are_dead_within_an_hour(place: str, size: int, containers: int) -> None:
    """None of their neighbours is with them, and those are delivered in the first invocation."""
    events = make_events(2_000)
    culprits = events[300:800] if place == "side by side" else events[::4]
    refusing = Refusing(culprits, FORBIDDEN)
    refusing.fleet = fleet = Fleet(refusing, containers=containers, seed=size)
    for world in fleet.worlds:
        world.deliver(make_record())

    left = fleet.run(records_of(events, size), for_s=HOUR_S)

    assert left == []
    assert sorted(dead_letter.attributes["insert_id"] for _, dead_letter in fleet.dead) == sorted(
        event.insert_id for event in culprits
    )
    neighbours = {event.insert_id for event in events} - {event.insert_id for event in culprits}
    assert {refusing.invocation_of[insert_id] for insert_id in neighbours} == {1}


# --- what a trial heeds


def refuse_alone(event: Event, control: Callable[[Posted], Answer | Late]) -> World:
    """Return a container that has refused the event alone once, and whose control then meets something."""
    world = World(decline_any_of([event.insert_id], FORBIDDEN))
    world.deliver(make_record())
    world.respond = lambda p: FORBIDDEN if event.insert_id in p.insert_ids else control(p)
    return world


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (FORBIDDEN, Reason.SETUP),
        (UNEXPLAINED, Reason.SETUP),
        (Answer(404), Reason.SETUP),
        (Answer(401), Reason.SETUP),
        (Answer(503), Reason.RETRY),
        (LOST, Reason.RETRY),
        (Answer(429, retry_after="700"), Reason.THROTTLED),
    ],
    ids=["403", "400", "404", "401", "503", "lost", "429"],
)
def test_where_the_control_does_not_pass_the_event_waits(answer: Answer, outcome: Reason) -> None:
    """If the control is refused now, earlier refusals may not be the event's fault either."""
    world = refuse_alone(event := make_event(), always(answer))

    report = world.deliver(make_record(event))

    assert report.outcomes == {outcome: 1}
    assert world.dead_letters.sent == []
    assert not any(handed.soon for handed in report.settled.handed_back)


def test_one_control_that_is_refused_ends_all_evidence() -> None:
    """Valid events are refused, too: all evidence is dropped, for every event."""
    culprits = make_events(20)
    world = World(decline_any_of([event.insert_id for event in culprits], FORBIDDEN))
    records = [make_record(event) for event in culprits]
    left = handed_back(records, world.deliver(*records, make_record()))
    refusals = iter([True])
    declining = world.respond
    world.respond = lambda p: (
        FORBIDDEN if declining(p) == accept(p) and next(refusals, False) else declining(p)
    )

    second, third = [world.deliver(*left) for _ in range(2)]
    fourth = world.deliver(*left)

    assert (second.outcomes, third.outcomes) == ({Reason.SETUP: 20}, {Reason.RETRY: 20})
    assert fourth.outcomes == {Reason.REJECTED: 20}


def test_an_event_that_passes_is_delivered_and_nothing_is_held_against_it() -> None:
    """It was not the event."""
    event = make_event()
    world = World(decline_any_of([event.insert_id], FORBIDDEN))
    first = world.deliver(record := make_record(event), make_record())

    world.respond = accept
    second = world.deliver(*handed_back([record], first))

    assert first.outcomes == {Reason.DELIVERED: 1, Reason.RETRY: 1}
    assert second.outcomes == {Reason.DELIVERED: 1}
    assert not world.deliverer.container_state.evidence


def test_evidence_starts_anew_with_another_status() -> None:
    """A refusal by somebody else is another refusal."""
    event = make_event()
    world = World(decline_any_of([event.insert_id], FORBIDDEN))
    left = handed_back([record := make_record(event)], world.deliver(record, make_record()))

    world.respond = decline_any_of([event.insert_id], UNEXPLAINED)
    second = world.deliver(*left)
    third = world.deliver(*left)

    assert (second.outcomes, third.outcomes) == ({Reason.RETRY: 1}, {Reason.REJECTED: 1})
    assert world.dead_letters.sent[0].attributes["http_status"] == "400"


def test_what_is_sent_again_after_its_death_is_delivered_if_it_passes_now() -> None:
    """The operator has put the proxy right: what the container remembers is not the last word."""
    event = make_event()
    world = World(decline_any_of([event.insert_id], FORBIDDEN))
    world.deliver_until_settled(make_record(event), make_record(), at_most=2)

    world.respond = accept
    report = world.deliver(make_record(event, receive_count=2))

    assert world.dead_letters.reasons == ["rejected"]
    assert report.outcomes == {Reason.DELIVERED: 1}


def test_a_suspect_under_trial_waits_without_an_alarm_and_says_why() -> None:
    """Others pass, so the setup is right; the event returns after the shortest pause."""
    event = make_event()
    world = World(decline_any_of([event.insert_id], FORBIDDEN))
    record = make_record(event, receipt_handle="handle", receive_count=3)

    report = world.deliver(record, make_record())

    assert report.outcomes == {Reason.DELIVERED: 1, Reason.RETRY: 1}
    assert report.details[Reason.RETRY].startswith("refused alone 8 times while others passed")
    assert world.queue.delays["handle"] <= 18


def test_a_suspect_travels_apart_so_that_its_neighbours_pass_at_once() -> None:
    """What the container has refused alone before is not packed with others."""
    event, fresh = make_event(), make_events(50)
    world = World(decline_any_of([event.insert_id], FORBIDDEN))
    left = handed_back([record := make_record(event)], world.deliver(record, make_record()))
    world.pool.posted.clear()

    world.deliver(*left, *[make_record(each, receive_count=2) for each in fresh])

    assert sorted(world.pool.posted[0].insert_ids) == sorted(each.insert_id for each in fresh)


def test_what_was_delivered_is_not_sent_again_for_its_neighbours_sake() -> None:
    """Otherwise all events of a record would have to pass in the same invocation."""
    event, others = make_event(), make_events(50)
    world = World(decline_any_of([event.insert_id], FORBIDDEN))
    left = handed_back([record := make_record(make_body(event, *others))], world.deliver(record))
    world.pool.posted.clear()

    report = world.deliver(*left)

    assert report.outcomes == {Reason.DELIVERED: 50, Reason.REJECTED: 1}
    assert max(len(posted.events) for posted in world.pool.posted) == 1


def test_without_time_for_a_trial_the_event_waits() -> None:
    """The event waits for the next invocation, which may have time."""
    event = make_event()
    declining = decline_any_of([event.insert_id], FORBIDDEN)
    world = World(lambda p: Late(declining(p), 14.0), timeout_s=20.0)  # type: ignore[arg-type]  # not late

    for _ in range(4):
        report = world.deliver(make_record(event), make_record())

    assert report.outcomes[Reason.RETRY] >= 1
    assert world.dead_letters.sent == []


def test_where_nothing_passes_it_is_the_setup() -> None:
    """There is no control to compare it with."""
    world = World(always(FORBIDDEN))

    report = world.deliver(make_record(), make_record())

    assert report.outcomes == {Reason.SETUP: 2}
    assert world.dead_letters.sent == []
