"""What happens to events that have waited too long."""

from collections.abc import Sequence

import pytest

from tests.builders import NOW_MS, make_body, make_event, make_raw, make_record
from tests.fakes import Posted, accept
from tests.world import World
from whyness_events.delivery.items import Record, RecordEvents
from whyness_events.delivery.ports import Answer
from whyness_events.delivery.reading.reader import Reader
from whyness_events.delivery.settling.exhaust import EXHAUST_AFTER_S, SUSPECT_FROM
from whyness_events.outcomes import Reason

LONG_AGO_MS = NOW_MS - int(EXHAUST_AFTER_S * 1000)


def down(_: Posted) -> Answer:
    """Answer as in an outage."""
    return Answer(503)


def test_event_that_waited_72_hours_is_dead_lettered_with_the_last_reason() -> None:
    """The dead letter says how long, how often and what it was that kept it."""
    world = World(down)

    report = world.deliver(make_record(sent_ms=LONG_AGO_MS, receive_count=290))

    assert report.outcomes == {Reason.EXHAUSTED: 1}
    assert report.settled.failed_message_ids == []
    (dead_letter,) = world.dead_letters.sent
    assert dead_letter.attributes["reason"] == "exhausted"
    assert dead_letter.attributes["detail"] == (
        "not delivered after 72 h and 290 receives; last outcome retry: Mixpanel answered 503"
    )
    assert dead_letter.attributes["http_status"] == "503"


def test_event_a_moment_younger_stays() -> None:
    """Before its time nothing is given up."""
    world = World(down)

    report = world.deliver(make_record(sent_ms=LONG_AGO_MS + 1_000, receive_count=290))

    assert report.outcomes == {Reason.RETRY: 1}
    assert world.dead_letters.sent == []


HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("age_h", "receive_count", "is_unread"),
    [
        (95.9, 979, False),
        (96.0, SUSPECT_FROM, True),
        (96.0, SUSPECT_FROM - 1, False),  # the function was switched off: nothing says that it kills
        (287.9, 1, False),
        (288.0, 1, True),  # two days before SQS forgets it
        (337.0, 1, False),  # SQS keeps none so long: a clock is wrong
        (337.0, 979, False),
        (0.0, 979, False),
        (0.0, 980, True),
        (0.0, 1_500, True),
        (-500.0, 979, False),  # a clock that runs wrong
        (-500.0, 980, True),
        (None, 979, False),  # of unknown age
        (None, 980, True),
    ],
)
@pytest.mark.parametrize("body", [make_body(make_event(), make_raw(time=1)), "no JSON", "{" * 1_000_000])
def test_what_was_tried_for_too_long_is_dead_lettered_unread_and_verbatim(
    age_h: float | None, receive_count: int, body: str, *, is_unread: bool
) -> None:
    """Too old by a day, near the queue's own count, or soon deleted: one dead letter, and no more tries."""
    sent_ms = 0 if age_h is None else NOW_MS - int(age_h * HOUR_MS)
    world = World()

    report = world.deliver(make_record(body, sent_ms=sent_ms, receive_count=receive_count))

    found = [
        dead_letter for dead_letter in world.dead_letters.sent if "unread" in dead_letter.attributes["detail"]
    ]
    assert [dead_letter.body for dead_letter in found] == ([body] if is_unread else [])
    assert report.settled.failed_message_ids == []
    if is_unread:
        hours = f"{age_h or 0:.0f}".replace("-500", "0")
        assert found[0].attributes["reason"] == "exhausted"
        assert f"unread after {hours} h and {receive_count} receives" in found[0].attributes["detail"]
        assert report.outcomes == {Reason.EXHAUSTED: 1}
        assert world.pool.posted == []
        assert [row["reason"] for row in world.log.rows.values()] == ["exhausted"]


def test_unread_records_are_settled_and_deleted_before_another_one_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A crash afterwards does not bring them back."""
    settled: list[tuple[int, list[str]]] = []
    read = Reader.read

    def reading(self: Reader, records: Sequence[Record], *, now_ms: int) -> list[RecordEvents]:
        settled.append((len(world.dead_letters.sent), list(world.queue.deleted)))
        return read(self, records, now_ms=now_ms)

    monkeypatch.setattr(Reader, "read", reading)
    world = World()
    unread = [make_record(receive_count=990, receipt_handle=f"unread-{n}") for n in range(12)]

    report = world.deliver(make_record(), *unread, make_record(receive_count=SUSPECT_FROM))

    assert settled == [(12, [f"unread-{n}" for n in range(12)])] * 2
    assert report.outcomes == {Reason.EXHAUSTED: 12, Reason.DELIVERED: 2}


def test_dead_letter_queue_that_hangs_leaves_the_others_their_half() -> None:
    """A record that cannot be given up is handed back unread, and its neighbours are delivered."""
    world = World()
    world.dead_letters.call_s = float("inf")
    unread = [make_record(receive_count=990, receipt_handle=f"unread-{n}") for n in range(500)]

    report = world.deliver(*unread, make_record())

    assert report.outcomes == {Reason.EXHAUSTED: 500, Reason.DELIVERED: 1}
    assert report.settled.failed_message_ids == [record.message_id for record in unread]
    assert report.settled.dead_letters_refused == 500
    assert len(world.delivered_ids) == 1


def test_backlog_of_a_function_that_was_switched_off_for_days_is_delivered() -> None:
    """Age alone is not a reason to give up a record that was hardly tried."""
    world = World()

    report = world.deliver(*[make_record(sent_ms=NOW_MS - 200 * HOUR_MS) for _ in range(20)])

    assert report.outcomes == {Reason.DELIVERED: 20}


def test_old_record_is_settled_event_by_event() -> None:
    """Events that pass are delivered, bad ones are rejected, and only the rest is exhausted."""
    good, waiting = make_event(), make_event(event="Waiting")
    body = make_body(good, make_raw(time=1), waiting)
    world = World(lambda posted: accept(posted) if good.insert_id in posted.insert_ids else down(posted))
    world.deliverer.container_state.size.limit_bytes = 1  # one event a request

    report = world.deliver(make_record(body, sent_ms=LONG_AGO_MS))

    assert report.outcomes == {Reason.DELIVERED: 1, Reason.REJECTED: 1, Reason.EXHAUSTED: 1}
    assert sorted(world.dead_letters.reasons) == ["exhausted", "rejected"]
    assert report.settled.failed_message_ids == []


def test_message_of_a_newer_version_is_kept_whole_when_its_time_is_over() -> None:
    """No reader came for it in three days: a person decides."""
    body = make_body(make_event()).replace('"schema_version":1', '"schema_version":2')
    world = World()

    report = world.deliver(make_record(body, sent_ms=LONG_AGO_MS))

    assert report.outcomes == {Reason.EXHAUSTED: 1}
    assert [dead_letter.body for dead_letter in world.dead_letters.sent] == [body]


def test_repeat_in_an_old_record_does_not_exhaust_the_fresh_one() -> None:
    """Each record has its own time: only the event in the old record is given up."""
    body = make_body(make_event())
    fresh, old = make_record(body), make_record(body, sent_ms=LONG_AGO_MS)
    world = World(down)

    report = world.deliver(fresh, old)

    assert report.outcomes == {Reason.RETRY: 1, Reason.EXHAUSTED: 1}
    assert report.settled.failed_message_ids == [fresh.message_id]
    assert world.dead_letters.reasons == ["exhausted"]


def test_delivered_event_is_never_too_old() -> None:
    """A record that has waited too long is tried once more."""
    world = World()

    report = world.deliver(make_record(sent_ms=LONG_AGO_MS, receive_count=979))

    assert report.outcomes == {Reason.DELIVERED: 1}
