"""Records received often are handled last, alone at first, and hidden before they are touched."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.builders import SENT_MS, make_body, make_event, make_raw, make_record
from tests.fakes import Late, Posted, accept
from tests.mixpanel_model import MixpanelModel
from tests.responders import LOST, NEVER, always
from tests.world import World
from whyness_events.delivery.items import Record, RecordEvents
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.reading.reader import Reader
from whyness_events.delivery.settling.exhaust import SUSPECT_FROM
from whyness_events.outcomes import Reason

KILLER = "killer"


class Death(BaseException):
    """The process ends."""


def suspect(message_id: str, **fields: Any) -> Record:
    """Return a record that was received often."""
    defaults = {"receive_count": SUSPECT_FROM, "receipt_handle": f"receipt-{message_id}"}
    return make_record(make_event(), message_id=message_id, **{**defaults, **fields})


def fresh(message_id: str) -> Record:
    """Return a record received for the first time."""
    return suspect(message_id, receive_count=1)


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die when it reads the killer."""
    read = Reader.read

    def reading(self: Reader, records: Sequence[Record], *, now_ms: int) -> list[RecordEvents]:
        if any(record.message_id == KILLER for record in records):
            raise Death
        return read(self, records, now_ms=now_ms)

    monkeypatch.setattr(Reader, "read", reading)


def test_a_record_received_three_times_is_no_suspect_yet() -> None:
    """It travels apart from fresher ones; that is all."""
    world = World()

    report = world.deliver(suspect("a", receive_count=SUSPECT_FROM - 1), fresh("b"))

    assert report.suspects == 0
    assert world.queue.deleted == []


def test_all_else_is_deleted_and_they_are_hidden_before_they_are_touched() -> None:
    """When a suspect's request goes out, nothing that is settled can come back any more."""
    seen: list[tuple[list[str], set[str]]] = []

    def respond(posted: Posted) -> Answer:
        seen.append((list(world.queue.deleted), set(world.queue.delays)))
        return accept(posted)

    world = World(respond)

    report = world.deliver(suspect("s1"), fresh("f1"), suspect("s2"), fresh("f2"))

    assert report.outcomes == {Reason.DELIVERED: 4}
    assert report.suspects == 2
    assert seen[0] == ([], set())
    assert set(seen[1][0]) == {"receipt-f1", "receipt-f2"}
    assert seen[1][1] == {"receipt-s1", "receipt-s2"}


def test_they_are_hidden_for_longer_than_the_invocation_each_for_another_time() -> None:
    """No other invocation gets them while they are handled; after a crash they do not return together."""
    world = World(always(Late(LOST, NEVER)))
    suspects = [suspect(f"s{n}") for n in range(40)]
    hidden: dict[str, int] = {}
    delay = world.queue.delay

    def delaying(delays: Any, *, deadline_s: float) -> int:
        hidden.update({handle: s for handle, s in delays if handle not in hidden})
        return delay(delays, deadline_s=deadline_s)

    world.queue.delay = delaying  # type: ignore[method-assign]
    world.deliver(*suspects)

    assert len(hidden) == 40
    assert min(hidden.values()) >= world.timeout_s * 0.7
    assert len(set(hidden.values())) > 10


def test_the_first_is_alone_and_groups_double() -> None:
    """Each group is one request here, for they share a receive count."""
    world = World()

    world.deliver(*[suspect(f"s{n}") for n in range(15)])

    assert [len(posted.events) for posted in world.pool.posted] == [1, 2, 4, 8]


@pytest.mark.usefixtures("deadly")
@pytest.mark.parametrize("neighbours", [1, 10, 300])
def test_a_record_that_kills_takes_no_other_with_it_for_long(neighbours: int) -> None:
    """Each round the process dies at the killer; its neighbours get through in a few rounds."""
    model = MixpanelModel()
    world = World(model.ingest)
    left = {f"s{n}": suspect(f"s{n}") for n in range(neighbours)}
    rounds = 0
    while left:
        rounds += 1
        assert rounds <= 25, f"{len(left)} neighbours are still there"
        with pytest.raises(Death):
            world.deliver(suspect(KILLER), *left.values())
        gone = {handle.removeprefix("receipt-") for handle in world.queue.deleted}
        left = {name: record for name, record in left.items() if name not in gone}

    assert len(set(model.arrived)) == neighbours


@pytest.mark.usefixtures("deadly")
def test_fresh_records_are_safe_from_it_in_the_first_round() -> None:
    """They are delivered and deleted before it is touched."""
    model = MixpanelModel()
    world = World(model.ingest)

    with pytest.raises(Death):
        world.deliver(suspect(KILLER), *[fresh(f"f{n}") for n in range(50)])

    assert len(model.arrived) == 50
    assert len(world.queue.deleted) == 50


def test_after_an_outage_a_backlog_of_ten_thousand_drains_in_one_invocation() -> None:
    """An outage makes suspects of all: one by one they would take hours."""
    world = World(lambda posted: Late(accept(posted), 0.2))

    report = world.deliver(*[suspect(f"s{n}") for n in range(10_000)])

    assert report.outcomes == {Reason.DELIVERED: 10_000}
    assert len(world.pool.posted) < 30


def test_what_there_was_no_time_for_is_handed_back_unread() -> None:
    """A server that never answers leaves most of them for the next time, with their own pauses."""
    world = World(always(Late(LOST, NEVER)))

    report = world.deliver(*[suspect(f"s{n}") for n in range(500)])

    assert len(report.settled.failed_message_ids) == 500
    assert report.outcomes == {Reason.RETRY: 500}
    assert len(world.queue.delays) == 500
    assert world.dead_letters.sent == []


def test_what_is_too_old_is_settled_although_there_was_no_time() -> None:
    """An outage of days ends for each event with a reason, however many wait."""
    world = World(always(Late(LOST, NEVER)))
    long_ago_ms = SENT_MS - 73 * 3_600_000

    report = world.deliver(*[suspect(f"s{n}", sent_ms=long_ago_ms) for n in range(500)])

    assert report.outcomes == {Reason.EXHAUSTED: 500}
    assert len(world.dead_letters.sent) == 500
    assert report.settled.failed_message_ids == []


def test_what_there_is_no_time_to_read_is_handed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that take all the time to read leave the others as they are."""
    world = World()
    read = Reader.read

    def reading(self: Reader, records: Sequence[Record], *, now_ms: int) -> list[RecordEvents]:
        world.clock.sleep(1.88 * len(records))  # 63 of them take all the time
        return read(self, records, now_ms=now_ms)

    monkeypatch.setattr(Reader, "read", reading)

    report = world.deliver(*[suspect(f"s{n}") for n in range(100)])

    assert report.outcomes[Reason.RETRY] > 0
    assert len(report.settled.failed_message_ids) == report.outcomes[Reason.RETRY]
    assert report.outcomes.total() == 100


def test_an_event_equal_to_a_dead_one_of_an_earlier_group_has_one_dead_letter() -> None:
    """Repeats are repeats of the invocation, whichever group they are in."""
    body = make_body(make_raw(time=1))
    world = World()

    report = world.deliver(
        make_record(body, message_id="f", receive_count=1),
        make_record(body, message_id="s", receive_count=SUSPECT_FROM),
    )

    assert report.settled.failed_message_ids == []
    assert len(world.dead_letters.sent) <= 2


def test_calls_to_the_queue_that_fail_change_no_outcome() -> None:
    """Records that are not deleted here, Lambda deletes; those not hidden keep the queue's own timeout."""
    world = World()
    world.queue.most = 0

    report = world.deliver(fresh("f"), suspect("s1"), suspect("s2"))

    assert report.outcomes == {Reason.DELIVERED: 3}
    assert report.settled.failed_message_ids == []
    assert report.deletes_lost == 2


def test_half_of_the_time_is_left_for_them() -> None:
    """Fresh records whose answers never come do not starve the suspects."""
    stuck = make_event()
    world = World(
        lambda posted: Late(LOST, NEVER) if stuck.insert_id in posted.insert_ids else accept(posted)
    )

    report = world.deliver(make_record(stuck), suspect("s"))

    assert report.outcomes == {Reason.DELIVERED: 1, Reason.RETRY: 1}
