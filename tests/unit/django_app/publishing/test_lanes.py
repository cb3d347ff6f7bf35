"""When a relay looks, and from where on, in virtual time against a queue and an outbox that are lists."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from whyness_mixpanel.publishing.lanes import EACH_S, LONGEST_PAUSE_S, Lane, Lanes
from whyness_mixpanel.publishing.outbox import GATHER_S


@dataclass
class World:
    """One database, and one worker that does as the real one does."""

    bad: set[int] = field(default_factory=set)
    is_down: bool = False
    now_s: float = 0.0
    tries: list[float] = field(default_factory=list)
    # Each row's time from which it is free, and its attempts.
    rows: dict[int, tuple[float, int]] = field(default_factory=dict)
    lanes: Lanes = field(default_factory=lambda: Lanes(lambda: 0.5, 0.0))

    def write(self, *ids: int, tell: bool = True) -> None:
        """Commit rows."""
        self.rows |= dict.fromkeys(ids, (self.now_s, 0))
        if tell:
            self.lanes.told(min(ids), self.now_s)

    def run(self, for_s: float) -> None:
        """Let time pass."""
        end_s = self.now_s + for_s
        while self.lanes.next_due_s() <= end_s:
            self.now_s = max(self.now_s, self.lanes.next_due_s())
            for lane in self.lanes.due(self.now_s):
                self._look(lane)
        self.now_s = end_s

    def _look(self, lane: Lane) -> None:
        count = 10 if lane.failed_count else 500
        free = sorted(id_ for id_, (free_s, _) in self.rows.items() if free_s <= self.now_s)
        claimed = [id_ for id_ in free if id_ >= lane.from_id][:count]
        if not claimed:
            self.lanes.find_nothing(lane, self.now_s)
            return
        self.tries.append(self.now_s)
        left = [id_ for id_ in claimed if self.is_down or id_ in self.bad]
        for id_ in set(claimed) - set(left):
            del self.rows[id_]
        delays_s = [self._delay(id_) for id_ in left]
        if left:
            self.lanes.leave(left[::-1], self.now_s + max(delays_s))
        if len(left) == len(claimed):
            self.lanes.fail(lane, self.now_s, claimed[-1] + 1)
        else:
            self.lanes.take(lane, self.now_s, claimed[-1] + 1 if len(claimed) == count else None)

    def _delay(self, id_: int) -> float:
        attempts = self.rows[id_][1] + 1
        delay_s = min(30.0, 2.0 ** (attempts - 1))
        self.rows[id_] = (self.now_s + delay_s, attempts)
        return delay_s


def test_what_is_told_is_gone_after_a_gathering() -> None:
    """Rows that come while others are gathered go with them."""
    world = World()
    world.run(1)
    world.write(1)
    world.run(0.1)
    world.write(2)
    world.run(GATHER_S)

    assert world.rows == {}
    assert len(world.tries) == 1


def test_rows_that_nobody_was_woken_for_are_gone_within_a_minute() -> None:
    """Whatever happens meanwhile."""
    world = World()
    world.run(1)
    world.write(1, tell=False)
    for number in range(2, 60):
        world.write(number)
        world.run(1)

    assert world.rows == {}


def test_an_hours_outage_costs_few_tries_and_its_rows_are_gone_soon_after() -> None:
    """No wake shortens a pause; 30 s after the end a try goes through, and then nothing pauses."""
    world = World(is_down=True)
    for number in range(1, 3_601):
        world.write(number)
        world.run(1)
    tried = len(world.tries)
    world.is_down = False
    world.run(LONGEST_PAUSE_S + EACH_S)

    assert tried < 3_600 / 10
    assert world.rows == {}


@given(st.sets(st.integers(1, 1_200), max_size=900), st.integers(0, 40))
def test_what_the_queue_does_not_take_holds_up_nothing(bad: set[int], count: int) -> None:
    """Wherever it stands: all others are gone within a minute, and fresh ones within two seconds."""
    world = World(bad=bad)
    world.write(*range(1, 1_201))
    for number in range(2_000, 2_000 + count):
        world.run(1)
        world.write(number)
        world.run(2)
        assert number not in world.rows
    world.run(2 * EACH_S)
    assert set(world.rows) == bad

    world.bad = set()
    world.run(LONGEST_PAUSE_S + EACH_S)
    assert world.rows == {}


@given(st.integers(1, 1_500), st.floats(0.1, 30), st.floats(0, 1))
def test_what_an_outage_left_is_gone_within_two_pauses(count: int, outage_s: float, chance: float) -> None:
    """Long before the minute's look, wherever a try in the midst began."""
    world = World(is_down=True)
    world.lanes.random = lambda: chance
    world.run(1)
    for number in range(1, count + 1, max(1, count // 20)):
        world.write(*range(number, min(count + 1, number + max(1, count // 20))))
        world.run(outage_s / 20)
    world.is_down = False
    world.lanes.next_round_s = world.now_s + 1_000
    world.run(2 * LONGEST_PAUSE_S + 1)

    assert world.rows == {}


def test_tries_in_vain_become_rare() -> None:
    """Also where fresh rows go through beside them."""
    world = World(bad=set(range(1, 501)))
    world.write(*range(1, 501))
    for number in range(600, 660):
        world.write(number)
        world.run(2)

    assert len(world.tries) < 120


def test_a_database_that_fails_is_looked_at_again_from_the_same_row() -> None:
    """After a pause that grows."""
    lanes = Lanes(lambda: 1.0, 1_000.0)
    lanes.told(7, 0.0)
    (lane,) = lanes.due(1.0)
    pauses_s = []
    for _ in range(8):
        lanes.be_unread(lane, 10.0)
        pauses_s.append(lane.due_s - 10.0)

    assert pauses_s == [1, 2, 4, 8, 16, 30, 30, 30]
    assert lane.from_id == 7
