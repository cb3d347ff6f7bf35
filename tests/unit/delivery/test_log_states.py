"""A redriven message carries its row's key; what becomes of the event becomes of the row."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import NOW_MS, make_body, make_event, make_raw, make_record
from tests.fakes import FakeClock, FakeLog
from tests.responders import LOST, always
from tests.world import World
from whyness_events.log_entry import REDRIVEN_AS, DeliveredRow, LogEntry, LogKey, log_key
from whyness_events.outcomes import Reason, State

EVENT = make_event(insert_id="row-0")
KEY = log_key(EVENT.to_wire(), message_id="", position=0)
OTHER = LogKey("row-0", "0123456789abcdef")


def entry(state: str = State.REDRIVEN, key: LogKey = KEY) -> LogEntry:
    """Return a row."""
    return LogEntry(key=key, reason="rejected", detail="event: found a blank string", state=state)


def with_row(state: str = State.REDRIVEN) -> World:
    """Return a world whose table has the row."""
    world = World()
    world.log.rows[KEY.pk, KEY.sk] = entry(state).to_item()
    return world


@pytest.mark.parametrize("state", [State.DEAD, State.REDRIVEN])
def test_what_mixpanel_confirms_is_delivered_in_the_log(state: State) -> None:
    """The row is found by the key that the message carries, because its message id has changed."""
    world = with_row(state)

    report = world.deliver(make_record(EVENT, log_key=str(KEY)))

    row = world.log.rows[KEY.pk, KEY.sk]
    assert row["state"] == State.DELIVERED
    assert row["delivered_at"] >= NOW_MS
    assert report.settled.rows_delivered == 1


def test_an_edited_event_is_delivered_in_the_row_that_names_it() -> None:
    """Its fields have changed; the redrive wrote the new key into the row."""
    world = with_row()
    edited = make_event(insert_id="mended")
    world.log.rows[KEY.pk, KEY.sk][REDRIVEN_AS] = str(log_key(edited.to_wire(), message_id="", position=0))

    world.deliver(make_record(edited, log_key=str(KEY)))

    assert world.log.rows[KEY.pk, KEY.sk]["state"] == State.DELIVERED


FIELDS: dict[str, Any] = {"insert_id": "row-1", "event": "Other", "user": "8", "time": NOW_MS - 7}


@pytest.mark.parametrize("redriven_as", ["", str(KEY), str(OTHER)])
@pytest.mark.parametrize("changed", FIELDS)
def test_a_key_of_another_event_marks_no_row(changed: str, redriven_as: str) -> None:
    """A publisher could name any row: it stays as it is unless it belongs to this event."""
    world = with_row()
    world.log.rows[KEY.pk, KEY.sk][REDRIVEN_AS] = redriven_as
    other = replace(EVENT, **{changed: FIELDS[changed]})

    world.deliver(make_record(other, log_key=str(KEY)))

    assert world.log.rows[KEY.pk, KEY.sk]["state"] == State.REDRIVEN


def test_a_key_of_another_event_does_not_take_the_mark_from_the_event_itself() -> None:
    """Two messages of an invocation name one row; the one that holds its event counts."""
    world = with_row()

    world.deliver(make_record(EVENT, log_key=str(KEY)), make_record(make_event(), log_key=str(KEY)))

    assert world.log.rows[KEY.pk, KEY.sk]["state"] == State.DELIVERED


def test_a_message_of_several_events_marks_no_row() -> None:
    """A redriven message holds one."""
    world = with_row()

    world.deliver(make_record(make_body(EVENT, make_event()), log_key=str(KEY)))

    assert world.log.rows[KEY.pk, KEY.sk]["state"] == State.REDRIVEN


def test_rejected_again_it_is_dead_again_in_the_same_row() -> None:
    """One event has one row, however often it is tried."""
    raw = make_raw(time=1)
    key = log_key(raw, message_id="", position=0)
    world = World()
    world.log.rows[key.pk, key.sk] = entry(key=key).to_item()

    world.deliver(make_record(make_body(raw), log_key=str(key)))

    assert list(world.log.rows) == [(key.pk, key.sk)]
    assert world.log.rows[key.pk, key.sk]["state"] == State.DEAD
    assert world.dead_letters.sent[0].attributes["log_key"] == str(key)


@pytest.mark.parametrize("body", [make_body(make_raw(insert_id="not valid!")), make_body(7), "no JSON"])
def test_an_event_without_an_insert_id_keeps_its_row_when_it_dies_again(body: str) -> None:
    """The row is named by the message that it first came in."""
    world = World()
    world.deliver(make_record(body))
    [first] = world.dead_letters.sent

    world.deliver(make_record(first.body, log_key=str(first.key)))

    assert list(world.log.rows) == [(first.key.pk, first.key.sk)]


TWIN = {**EVENT.to_wire(), "insert_id": "not valid!"}


@pytest.mark.parametrize(
    "body",
    [make_body(make_raw(time=1)), make_body(TWIN), make_body(7), "no JSON"],
    ids=["rejected", "twin", "7", "-"],
)
def test_what_dies_does_not_take_the_row_of_another_event(body: str) -> None:
    """A key that is not the event's own is not believed, though all but the insert id be equal."""
    world = with_row()

    world.deliver(make_record(body, log_key=str(KEY)))

    assert len(world.log.rows) == 2
    assert world.log.rows[KEY.pk, KEY.sk]["state"] == State.REDRIVEN


def test_while_it_waits_the_row_stays_redriven() -> None:
    """The row does not change while its event waits."""
    world = with_row()
    world.respond = always(LOST)

    world.deliver(make_record(EVENT, log_key=str(KEY)))

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
    """A publisher could write any attribute."""
    world = with_row()

    report = world.deliver(make_record(EVENT, log_key=log_key))

    assert report.outcomes == {Reason.DELIVERED: 1}
    assert world.log.rows[KEY.pk, KEY.sk]["state"] == "redriven"


@pytest.mark.parametrize("key", [KEY, LogKey("message-1#12", "0123456789abcdef")])
def test_a_key_is_read_as_it_was_written(key: LogKey) -> None:
    """Of an event with an insert id, and of one without."""
    assert LogKey.parse(str(key)) == key


def test_a_row_that_is_missing_is_no_loss() -> None:
    """It has expired, or was never written."""
    world = World()

    report = world.deliver(make_record(EVENT, log_key=str(KEY)))

    assert world.log.rows == {}
    assert report.settled.log_writes_lost == 0


class Slow(FakeLog):
    """A table that takes all the time it is given."""

    def mark_delivered(self, rows: Sequence[DeliveredRow], *, now_ms: int, deadline_s: float) -> int:
        """Wait."""
        del now_ms
        self.clock.sleep(max(0.0, deadline_s - self.clock.monotonic_s()))
        return len(rows)


def test_a_table_that_hangs_is_counted_and_holds_nobody_for_long() -> None:
    """The events are delivered; the rows are lost."""
    world = World(clock=FakeClock())
    world.deliverer.log = world.log = Slow(world.clock)

    report = world.deliver(*[make_record(EVENT, log_key=str(KEY)) for _ in range(3)])

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
    """A thousand bad suspects are ten groups; all their rows share one budget of time."""
    world = World()
    world.deliverer.log = Stuck(world.clock)

    report = world.deliver(*[make_record(make_body(make_raw(time=1)), receive_count=4) for _ in range(1_000)])

    assert report.outcomes == {Reason.REJECTED: 1_000}
    assert report.settled.failed_message_ids == []
    assert report.settled.log_writes_lost == 1_000
    assert world.clock.monotonic_s() < 15


def test_a_storm_of_rejected_events_meets_a_table_that_takes_nothing() -> None:
    """Of 100,000 in ten invocations, each is a dead letter, each lost row is counted, and none is late."""
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

    assert len(world.dead_letters.sent) == 100_000
    assert lost == 100_000
