"""Dead letters go a few at a time; a record that time cuts off ends all the same."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.builders import make_body, make_event, make_raw, make_record
from tests.fakes import FakeDeadLetterQueue
from tests.world import World, handed_back
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import DeadLetter
from whyness_events.delivery.settling.slicing import FEW_DEAD_LETTERS
from whyness_events.outcomes import Reason


@dataclass
class Watching(FakeDeadLetterQueue):
    """Notes what a call holds, and how many dead letters there are at all."""

    sizes: list[tuple[int, int, int]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def send(self, dead_letters: Sequence[DeadLetter], *, deadline_s: float) -> list[str | None]:
        """Keep the reasons only."""
        alive = sum(type(found) is DeadLetter for found in gc.get_objects())  # asks no lazy object
        self.sizes.append(
            (len(dead_letters), sum(dead_letter.size_bytes for dead_letter in dead_letters), alive)
        )
        message_ids = super().send(dead_letters, deadline_s=deadline_s)
        self.kept += [dead_letter.attributes["insert_id"] for dead_letter in self.sent]
        self.sent.clear()
        return message_ids


@dataclass
class WatchingWorld(World):
    """A world that watches its dead letters."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dead_letters = self.deliverer.dead_letters = self.watching = Watching(self.clock)


@pytest.fixture
def world() -> WatchingWorld:
    """Return one of these."""
    return WatchingWorld()


def dying(count: int, **fields: object) -> Record:
    """Return a record of so many events that are refused here."""
    return make_record(make_body(*[make_raw(time=1, **fields) for _ in range(count)]))


@pytest.mark.parametrize(("records", "events"), [(3, 1_200), (2_500, 1)])
def test_few_dead_letters_are_in_memory_at_once(world: WatchingWorld, records: int, events: int) -> None:
    """However the dead events are spread over records, each has one dead letter and one row."""
    gc.collect()

    report = world.deliver(*[dying(events) for _ in range(records)])

    assert report.settled.failed_message_ids == []
    assert len(set(world.watching.kept)) == len(world.watching.kept) == records * events
    assert len(world.log.rows) == records * events
    assert max(alive for _, _, alive in world.watching.sizes) <= 1_100


def test_dead_letters_that_repeat_a_large_envelope_are_few_at_once(world: WatchingWorld) -> None:
    """A hostile envelope of 300 kB beside thousands of tiny events would be a gigabyte of dead letters."""
    body = make_body(*[make_raw(time=1) for _ in range(150)])
    hostile = body.replace("{", '{"other":"' + "x" * 300_000 + '",', 1)

    report = world.deliver(make_record(hostile), make_record(make_event()))

    assert report.settled.failed_message_ids == []
    assert max(size_bytes for _, size_bytes, _ in world.watching.sizes) <= 4_400_000
    assert report.outcomes[Reason.DELIVERED] == 1


@pytest.mark.parametrize("call_s", [0.3, 2.0, 9.0])
@pytest.mark.parametrize("timeout_s", [10.0, 120.0])
def test_record_with_more_dead_letters_than_there_is_time_for_is_kept_whole(
    call_s: float, timeout_s: float
) -> None:
    """It would begin with its first dead letter each time: instead it ends, once, with its first reason."""
    world = World(timeout_s=timeout_s)
    world.dead_letters.call_s = min(call_s, timeout_s / 30)
    record = dying(5_000)

    report = world.deliver(make_record("no JSON"), record)

    dead_letters = world.dead_letters.sent
    whole = [dead_letter for dead_letter in dead_letters if dead_letter.body == record.body]
    assert report.settled.failed_message_ids == []
    assert report.settled.dead_letters_refused == 0
    assert len(dead_letters) < 5_000
    assert [dead_letter.attributes["reason"] for dead_letter in whole] == ["rejected"]
    assert whole[0].attributes["may_count"] == "true"
    assert (
        "kept whole: there was no time to dead-letter its 5000 dead events one by one"
        in (whole[0].attributes["detail"])
    )
    assert "time" in whole[0].attributes["detail"].rpartition("first:")[2]


def test_record_whose_dead_letters_are_out_is_safe_when_time_ends_before_the_next(
    world: WatchingWorld,
) -> None:
    """Record by record: those that were not begun come back, without a single dead letter."""
    world.dead_letters.call_s = 1.0
    records = [dying(FEW_DEAD_LETTERS) for _ in range(30)]

    first = world.deliver(*records)
    sent = len(world.watching.kept)
    world.dead_letters.call_s = 0.01
    world.deliver_until_settled(*handed_back(records, first), at_most=3)

    assert 0 < len(first.settled.failed_message_ids) < 30
    assert len(set(world.watching.kept)) == 30 * FEW_DEAD_LETTERS
    assert len(world.watching.kept) <= 30 * FEW_DEAD_LETTERS + FEW_DEAD_LETTERS
    assert sent < 30 * FEW_DEAD_LETTERS
    assert first.settled.dead_letters_refused == 30 * FEW_DEAD_LETTERS - sent


def test_queue_that_refuses_keeps_no_record_whole(world: WatchingWorld) -> None:
    """If the queue refuses and time is not short, the dead letters are sent one by one later."""
    world.dead_letters.refuse = lambda dead_letter: dead_letter.attributes["insert_id"].endswith("7")
    record = dying(300)

    report = world.deliver(record)

    assert report.settled.failed_message_ids == [record.message_id]
    assert 0 < report.settled.dead_letters_refused == 300 - len(world.watching.kept)
