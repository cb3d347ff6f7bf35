"""What makes a record safe: its dead letters confirmed, and its rows where nothing else says why."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.builders import NOW_MS, REMOVED, make_body, make_event, make_raw, make_record
from tests.fakes import FakeLog, Late, accept
from tests.responders import LOST, NEVER, always, decline_any_of, in_turn, name_each_of
from tests.world import World, handed_back
from whyness_events import limits
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.settling.redelivery import HandedBack
from whyness_events.delivery.settling.settlement import Settled
from whyness_events.log_entry import LogEntry
from whyness_events.outcomes import Reason

FULL = "x" * limits.MESSAGE_BYTES  # no room for any attribute


def make_bad(count: int) -> list[Record]:
    """Return records that no decoder can read."""
    return [make_record(f"no JSON {n}") for n in range(count)]


def ids(records: Sequence[Record]) -> list[str]:
    """Return their message ids."""
    return [record.message_id for record in records]


# --- the dead-letter queue


def test_record_is_acknowledged_once_its_dead_letter_is_confirmed() -> None:
    """A bad record is done when the dead-letter queue has it."""
    world = World()
    bad = make_bad(25)

    report = world.deliver(*bad)

    assert [dead_letter.body for dead_letter in world.dead_letters.sent] == [record.body for record in bad]
    assert report.settled.failed_message_ids == []


def test_dead_letter_queue_that_refuses_all_acknowledges_nothing_bad() -> None:
    """Every bad record returns, every good one is done, and no row names a missing dead letter."""
    world = World()
    world.dead_letters.refuse = lambda _: True
    bad, good = make_bad(12), [make_record() for _ in range(5)]

    report = world.deliver(*bad, *good)

    assert report.settled.failed_message_ids == ids(bad)
    assert report.settled.dead_letters_refused == 12
    assert world.log.rows == {}


def test_dead_letters_reported_as_failed_bring_back_only_their_records() -> None:
    """In a call of ten some may fail; only their records return."""
    world = World()
    world.dead_letters.refuse = lambda dead_letter: dead_letter.body.endswith(("3", "7"))
    bad = make_bad(10)

    report = world.deliver(*bad)

    assert report.settled.failed_message_ids == [bad[3].message_id, bad[7].message_id]
    assert report.settled.dead_letters_refused == 2
    assert len(world.log.rows) == 8


def test_one_refused_dead_letter_brings_back_the_whole_record() -> None:
    """A record is safe when each of its events is."""
    world = World()
    world.dead_letters.refuse = lambda dead_letter: '"refuse-me"' in dead_letter.body
    raws = [make_raw(event=REMOVED), make_raw(event=REMOVED, insert_id="refuse-me"), make_event()]
    record = make_record(make_body(*raws))

    report = world.deliver(record)

    assert report.settled.failed_message_ids == [record.message_id]
    assert report.outcomes == {Reason.UNREADABLE: 2, Reason.DELIVERED: 1}


def test_dead_letter_queue_that_recovers_gets_everything() -> None:
    """Refused dead letters are sent again when their record returns."""
    world = World()
    world.dead_letters.refuse = lambda _: True
    bad = make_bad(12)
    world.deliver(*bad)
    world.dead_letters.refuse = lambda _: False

    world.deliver_until_settled(*bad, at_most=1)

    assert [dead_letter.body for dead_letter in world.dead_letters.sent] == [record.body for record in bad]


def test_slow_dead_letter_queue_makes_progress_and_never_makes_the_handler_late() -> None:
    """Records without time return; each invocation gets further, in order."""
    world = World(always(Late(LOST, NEVER)))
    world.dead_letters.call_s = 3.0
    good, bad = make_record(), make_bad(200)

    first = world.deliver(good, *bad)
    sent = len(world.dead_letters.sent)
    world.respond = accept
    world.deliver_until_settled(good, *handed_back(bad, first), at_most=5)

    assert 0 < sent < 200
    assert [dead_letter.body for dead_letter in world.dead_letters.sent] == [record.body for record in bad]


def test_dead_letters_larger_than_a_call_go_in_several() -> None:
    """Five bodies of 1 MiB are five calls, and none is refused for its size."""
    world = World()
    bad = [make_record(FULL) for _ in range(5)]

    report = world.deliver(*bad)

    assert report.settled.failed_message_ids == []
    assert all(dead_letter.size_bytes <= limits.MESSAGE_BYTES for dead_letter in world.dead_letters.sent)


# --- records that wait


def test_record_with_a_waiting_event_sends_no_dead_letters() -> None:
    """An outage of ten receives makes one dead letter of a bad event, not ten."""
    world = World(always(LOST))
    record = make_record(make_body(make_raw(event=REMOVED), make_event()))
    records = [record]

    for _ in range(10):
        records = handed_back(records, world.deliver(*records))
    sent_in_outage = len(world.dead_letters.sent)
    world.respond = accept
    world.deliver_until_settled(*records, at_most=1)

    assert sent_in_outage == 0
    assert world.dead_letters.reasons == ["unreadable"]


def test_event_that_mixpanel_named_waits_with_its_record() -> None:
    """The same holds for what Mixpanel rejected while another event of the record got no answer."""
    bad, lost = make_event(), make_event()
    naming = name_each_of([bad.insert_id])
    world = World(
        in_turn(
            Answer(413), then=lambda posted: naming(posted) if bad.insert_id in posted.insert_ids else LOST
        )
    )
    record = make_record(make_body(bad, lost))

    first = world.deliver(record)
    world.respond = naming
    second = world.deliver(record)

    assert first.settled.failed_message_ids == [record.message_id]
    assert first.outcomes == {Reason.REJECTED: 1, Reason.RETRY: 1}
    assert second.settled.failed_message_ids == []
    assert world.dead_letters.reasons == ["rejected"]


def test_other_records_are_settled_while_one_waits() -> None:
    """Each record is settled by itself."""
    lost = make_event()
    world = World(decline_any_of([lost.insert_id], LOST))
    waiting = make_record(make_body(lost), receive_count=3)
    bad, good = make_bad(3), [make_record() for _ in range(3)]

    report = world.deliver(*bad, waiting, *good)

    assert report.settled.failed_message_ids == [waiting.message_id]
    assert len(world.dead_letters.sent) == 3


# --- the Log


def test_row_says_where_the_dead_letter_is() -> None:
    """Reason, detail, status, both message ids, how often and since when."""
    event = make_event()
    world = World(name_each_of([event.insert_id]))

    world.deliver(make_record(event, message_id="source", receive_count=2, sent_ms=NOW_MS - 90_000))

    ((key, row),) = world.log.rows.items()
    (dead_letter,) = world.dead_letters.sent
    assert "/".join(key) == dead_letter.attributes["log_key"]
    assert row["pk"] == event.insert_id
    assert row["event"] == event.event
    assert (row["reason"], row["detail"]) == (
        dead_letter.attributes["reason"],
        dead_letter.attributes["detail"],
    )
    assert (row["http_status"], row["state"], row["attempts"]) == (400, "dead", 2)
    assert (row["message_id"], row["dead_letter_message_id"]) == ("source", "dead-1")
    assert row["first_failed_at"] == NOW_MS - 90_000
    assert NOW_MS <= row["last_failed_at"] <= world.clock.now_s() * 1_000


def test_lost_rows_hand_nothing_back() -> None:
    """The Log is worth a count and an alarm, never a delivery."""
    world = World()
    world.log.lose = lambda _: True
    bad, good = make_bad(30), make_record()

    report = world.deliver(*bad, good)

    assert report.settled.failed_message_ids == []
    assert report.settled.log_writes_lost == 30
    assert len(world.dead_letters.sent) == 30


def test_dead_letter_without_room_for_a_reason_needs_its_row() -> None:
    """If the dead letter has no room for the reason, its row must have it, or the record returns."""
    world = World()
    world.log.lose = lambda _: True
    full, other = make_record(FULL), make_record("no JSON")

    lost = world.deliver(full, other)
    world.log.lose = lambda _: False
    stored = world.deliver(full)

    assert world.dead_letters.reasons == ["", "unreadable", ""]
    assert lost.settled.failed_message_ids == [full.message_id]
    assert stored.settled.failed_message_ids == []
    assert [row["reason"] for row in world.log.rows.values()] == ["unreadable"]


@pytest.mark.parametrize("room_bytes", [22, 100, 300])
def test_dead_letter_with_room_for_its_reason_does_not_need_its_row(room_bytes: int) -> None:
    """The reason is the last attribute to go: with it a person knows where to begin."""
    world = World()
    world.log.lose = lambda _: True

    report = world.deliver(make_record("x" * (limits.MESSAGE_BYTES - room_bytes)))

    assert world.dead_letters.reasons == ["unreadable"]
    assert report.settled.failed_message_ids == []


@dataclass
class FullLog(FakeLog):
    """A table that takes so many rows and then throttles."""

    takes: int = 1

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Keep the first ones."""
        kept = super().write(entries[: self.takes], deadline_s=deadline_s)
        return kept + [False] * len(entries[self.takes :])


def test_rows_that_must_be_written_go_first() -> None:
    """A throttled table takes the rows that nothing else can stand in for."""
    world = World()
    world.log = world.deliverer.log = FullLog(world.clock)
    bad, full = make_bad(20), make_record(FULL)

    report = world.deliver(*bad, full)

    assert report.settled.failed_message_ids == []
    assert report.settled.log_writes_lost == 20


def test_rows_lost_are_counted_over_all_slices() -> None:
    """Dead letters go a few hundred at a time, and the metric is of the invocation."""
    world = World()
    world.log = world.deliverer.log = FullLog(world.clock)

    report = world.deliver(*make_bad(1_200))

    assert report.settled.log_writes_lost == 1_200 - len(world.log.rows)


@pytest.mark.parametrize(("takes", "lost"), [(0, 1), (1, 0)])
def test_row_of_what_waits_may_be_lost_too(takes: int, lost: int) -> None:
    """It is counted, and changes nothing else."""
    world = World(always(Answer(503)))
    world.log = world.deliverer.log = FullLog(world.clock, takes=takes)

    report = world.deliver(make_record())

    assert report.settled.log_writes_lost == lost


def test_what_came_of_groups_of_records_adds_up() -> None:
    """Lists and numbers alike."""
    back = [HandedBack(name, 1) for name in "ab"]
    first = Settled(["a"], [back[0]], ["x"], 1, 2, 3)

    first.add(Settled(["b"], [back[1]], ["y"], 10, 20, 30))

    assert first == Settled(["a", "b"], back, ["x", "y"], 11, 22, 33)


def test_what_is_handed_back_says_how_often_it_came() -> None:
    """From it follows when the record comes again."""
    world = World(always(Answer(429, retry_after="77")))
    record = make_record(receive_count=3, receipt_handle="receipt")

    report = world.deliver(record)

    assert report.settled.handed_back == [HandedBack("receipt", 3, 77.0, soon=False)]


def test_row_of_what_could_not_be_read_names_no_event() -> None:
    """The row has no event name, because the body has no event."""
    world = World()

    world.deliver(*make_bad(1))

    (row,) = world.log.rows.values()
    assert "event" not in row


@dataclass
class SlowLog(FakeLog):
    """A table that takes half a second for each row, as long as it is given."""

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Keep what the deadline allows."""
        stored = []
        for entry in entries:
            stored += super().write([entry], deadline_s=deadline_s)
            if stored[-1]:
                self.clock.sleep(0.5)
        return stored


def test_slow_log_delays_the_answer_only_by_a_bound() -> None:
    """Rows are worth a few seconds of everybody's time, however many are missing then."""
    world = World()
    world.log = world.deliverer.log = SlowLog(world.clock)

    report = world.deliver(*make_bad(500))

    assert world.clock.monotonic_s() < 10
    assert report.settled.failed_message_ids == []
    assert report.settled.log_writes_lost > 0


def test_equal_keys_are_one_row_and_two_dead_letters() -> None:
    """Two contents under the same four fields: both are kept whole, the row speaks of the event."""
    event = make_raw(insert_id="17", user=" ", prospect=7)
    world = World()

    report = world.deliver(make_record(make_body(event)), make_record(make_body({**event, "prospect": 8})))

    assert len(world.dead_letters.sent) == 2
    assert len(world.log.rows) == 1
    assert report.settled.failed_message_ids == []


def test_what_waits_is_one_row_per_reason() -> None:
    """An outage writes a row per invocation and reason, not one per event."""
    world = World(always(Answer(503)))
    waiting = [make_record(receive_count=count, sent_ms=NOW_MS - count) for count in (1, 2, 40)]
    newer = make_record('{"schema_version":2}')

    world.deliver(*waiting, newer)

    assert set(world.log.rows) == {("run#run-1", "retry"), ("run#run-1", "setup")}
    row = world.log.rows["run#run-1", "retry"]
    assert (row["state"], row["event_count"], row["attempts"]) == ("waiting", 3, 40)
    assert (row["http_status"], row["first_failed_at"]) == (503, NOW_MS - 40)
    assert (row["reason"], row["message_id"]) == ("retry", waiting[0].message_id)
    assert "503" in row["detail"]
    assert NOW_MS <= row["last_failed_at"] <= world.clock.now_s() * 1_000
    assert "event" not in row


def test_delivered_events_leave_no_row() -> None:
    """The Log is for what went wrong."""
    world = World()

    world.deliver(*(make_record() for _ in range(10)))

    assert world.log.rows == {}


# --- the same message twice


def test_message_that_arrives_twice_in_one_invocation_is_delivered_once() -> None:
    """SQS may hand out a message twice: both copies share one fate."""
    world = World()
    record = make_record()

    report = world.deliver(record, record)

    assert len(world.delivered_ids) == 1
    assert report.settled.failed_message_ids == []


def test_message_id_is_acknowledged_only_if_every_copy_is_safe() -> None:
    """One answer deletes or keeps both: with one copy unsafe the id must come back."""
    lost = make_event()
    world = World(decline_any_of([lost.insert_id], LOST))
    copies = [
        make_record(make_body(make_event()), message_id="same"),
        make_record(make_body(lost), message_id="same", receive_count=3),
        make_record("no JSON", message_id="same"),
    ]

    report = world.deliver(*copies)

    assert set(report.settled.failed_message_ids) == {"same"}
