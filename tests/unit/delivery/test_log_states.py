"""A redriven message carries its row's key; what becomes of the event becomes of the row."""

from collections.abc import Sequence

import pytest

from tests.builders import make_body, make_event, make_raw, make_record
from tests.fakes import FakeClock, FakeLog
from tests.responders import LOST, always
from tests.world import World
from whyness_events.delivery.outcomes import Reason
from whyness_events.log_entry import LogEntry, LogKey

KEY = LogKey("row-0", "0123456789abcdef")


def entry(state: str = "redriven", key: LogKey = KEY) -> LogEntry:
    """Return a row."""
    return LogEntry(key=key, reason="rejected", detail="event: found a blank string", state=state)


def with_row(state: str = "redriven") -> World:
    """Return a world whose table has the row."""
    world = World()
    world.log.rows[KEY.pk, KEY.sk] = entry(state).to_item()
    return world


@pytest.mark.parametrize("state", ["dead", "redriven"])
def test_what_mixpanel_confirms_is_delivered_in_the_log(state: str) -> None:
    """By the key it carries: its own fields were edited, and its message id is another."""
    world = with_row(state)

    report = world.deliver(make_record(make_event(), log_key=str(KEY)))

    assert world.log.rows[KEY.pk, KEY.sk]["state"] == "delivered"
    assert report.settled.rows_delivered == 1


def test_rejected_again_it_is_dead_again_in_the_same_row() -> None:
    """One event has one row, however often it is tried."""
    world = with_row()

    world.deliver(make_record(make_body(make_raw(time=1)), log_key=str(KEY)))

    assert list(world.log.rows) == [(KEY.pk, KEY.sk)]
    assert world.log.rows[KEY.pk, KEY.sk]["state"] == "dead"
    assert world.dead_letters.letters[0].attributes["log_key"] == str(KEY)


def test_while_it_waits_the_row_stays_redriven() -> None:
    """Nothing is known yet."""
    world = with_row()
    world.respond = always(LOST)

    world.deliver(make_record(make_event(), log_key=str(KEY)))

    assert world.log.rows[KEY.pk, KEY.sk]["state"] == "redriven"


def test_a_body_of_which_one_event_is_dead_is_not_delivered() -> None:
    """The key stands for all of the message."""
    world = with_row()

    world.deliver(make_record(make_body(make_event(), make_raw(time=1)), log_key=str(KEY)))

    assert world.log.rows[KEY.pk, KEY.sk]["state"] == "redriven"


HEX = "0123456789abcdef"


@pytest.mark.parametrize(
    "log_key",
    [
        *("", "/", "a/b", "row-0", "row-0/0123456789abcdeF", f"../x/{HEX}", f"ro w/{HEX}"),
        *(f"row-0/{HEX}\n", f"{'a' * 101}/{HEX}", f"row-0#/{HEX}"),
    ],
)
def test_a_key_that_is_none_changes_nothing(log_key: str) -> None:
    """Whoever may publish may write an attribute."""
    world = with_row()

    report = world.deliver(make_record(make_event(), log_key=log_key))

    assert report.outcomes == {Reason.DELIVERED: 1}
    assert world.log.rows[KEY.pk, KEY.sk]["state"] == "redriven"


@pytest.mark.parametrize("key", [KEY, LogKey("message-1#12", "0123456789abcdef")])
def test_a_key_is_read_as_it_was_written(key: LogKey) -> None:
    """Of an event with an insert id, and of one without."""
    assert LogKey.parse(str(key)) == key


def test_a_row_that_is_missing_is_no_loss() -> None:
    """It has expired, or was never written."""
    world = World()

    report = world.deliver(make_record(make_event(), log_key=str(KEY)))

    assert world.log.rows == {}
    assert report.settled.log_writes_lost == 0


class Slow(FakeLog):
    """A table that takes all the time it is given."""

    def mark_delivered(self, keys: Sequence[LogKey], *, now_ms: int, deadline_s: float) -> int:
        """Wait."""
        del now_ms
        self.clock.sleep(max(0.0, deadline_s - self.clock.monotonic_s()))
        return len(keys)


def test_a_table_that_hangs_is_counted_and_holds_nobody_for_long() -> None:
    """The events are delivered; the rows are lost."""
    world = World(clock=FakeClock())
    world.deliverer.log = world.log = Slow(world.clock)

    report = world.deliver(*[make_record(make_event(), log_key=str(KEY)) for _ in range(3)])

    assert report.outcomes == {Reason.DELIVERED: 3}
    assert report.settled.log_writes_lost == 1
    assert world.clock.monotonic_s() < 5


class Stuck(FakeLog):
    """A table whose calls last as long as they are let."""

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Wait."""
        self.clock.sleep(max(0.0, deadline_s - self.clock.monotonic_s()))
        return [False] * len(entries)


def test_a_table_that_hangs_takes_its_time_once_however_many_groups_there_are() -> None:
    """A thousand bad suspects are ten groups; all their rows together have one measure of time."""
    world = World()
    world.deliverer.log = Stuck(world.clock)

    report = world.deliver(*[make_record(make_body(make_raw(time=1)), receive_count=4) for _ in range(1_000)])

    assert report.outcomes == {Reason.REJECTED: 1_000}
    assert report.settled.failed_message_ids == []
    assert report.settled.log_writes_lost == 1_000
    assert world.clock.monotonic_s() < 15


def test_a_storm_of_rejected_events_meets_a_table_that_takes_nothing() -> None:
    """100,000 in ten invocations: each is a dead letter, each lost row is counted, nobody is late."""
    world = World()
    world.log.lose = lambda _: True
    body = [make_raw(time=1) for _ in range(100)]
    lost = 0

    for number in range(10):
        events = [
            [{**raw, "insert_id": f"{number}-{n}-{i}"} for i, raw in enumerate(body)] for n in range(100)
        ]
        report = world.deliver(*[make_record(make_body(*raws)) for raws in events])
        lost += report.settled.log_writes_lost
        assert report.settled.failed_message_ids == []

    assert len(world.dead_letters.letters) == 100_000
    assert lost == 100_000
