"""A record's body into events, each judged on its own; bad ones are in test_bad_bodies.py."""

import json
from typing import Any

import pytest

from tests.builders import NOW_MS, as_event, make_body, make_event, make_raw, make_record, read_record
from tests.corpus import event_text
from whyness_events import limits
from whyness_events.delivery.items import Item, Record, RecordEvents
from whyness_events.delivery.reading import decode
from whyness_events.outcomes import Reason
from whyness_events.wire import SCHEMA_VERSION


def _read(body: str, **fields: Any) -> RecordEvents:
    record = make_record(body, **fields)
    return read_record(record, now_ms=NOW_MS, default_identity="distinct_id")


def _items(body: str) -> list[Item]:
    return _read(body).items


def test_events_are_read_in_order_with_their_place() -> None:
    """Each item has its record and its position there."""
    events = [make_event() for _ in range(3)]
    record = make_record(make_body(*events))

    record_events = read_record(record, now_ms=NOW_MS, default_identity="distinct_id")

    assert [as_event(item) for item in record_events.items] == events
    assert [item.position for item in record_events.items] == [0, 1, 2]
    assert all(item.record is record for item in record_events.items)
    assert not record_events.whole


def test_single_event_is_one_item() -> None:
    """A body that is an event is read like an envelope of it."""
    raw = make_raw(data={"a": 1}, properties={"b": 2}, ip="8.8.8.8", useragent="ua", prospect="45")

    (item,) = _items(json.dumps(raw))

    event = as_event(item)
    assert event is not None
    assert event.to_wire() == raw


@pytest.mark.parametrize("stamp", ["distinct_id", "simplified"])
@pytest.mark.parametrize("setting", ["distinct_id", "simplified"])
def test_identity_is_the_publishers_stamp(stamp: str, setting: str) -> None:
    """The publisher's stamp overrides the function's setting, in both shapes."""
    bodies = [make_body(make_event(), identity=stamp), json.dumps(make_raw(identity=stamp))]

    received = [read_record(make_record(b), now_ms=NOW_MS, default_identity=setting) for b in bodies]

    assert [record_events.items[0].identity for record_events in received] == [stamp, stamp]


@pytest.mark.parametrize("setting", ["distinct_id", "simplified"])
def test_message_without_a_stamp_follows_the_setting(setting: str) -> None:
    """Missing or null, in both shapes."""
    raw = make_raw()
    documents = [raw, raw | {"identity": None}, {"events": [raw]}, {"events": [raw], "identity": None}]

    received = [
        read_record(make_record(json.dumps(d)), now_ms=NOW_MS, default_identity=setting) for d in documents
    ]

    assert [record_events.items[0].identity for record_events in received] == [setting] * 4


@pytest.mark.parametrize(
    "body",
    [
        make_body(make_event(), make_event()),
        '{"schema_version": 1, "events": [' + json.dumps(make_raw()) + "]}",
        json.dumps(make_raw()),
        json.dumps(make_raw(schema_version=1, identity="simplified", other=[1])),
    ],
)
def test_good_body_is_read_once(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lenient look, many times as slow, is only for bodies that the fast decoder refuses."""
    monkeypatch.setattr(decode, "decode_message", None)  # would raise

    assert all(item.outcome is None for item in _items(body))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda event: f' \n{{"schema_version":1,"events":[{event}]}}\n ',
        lambda event: f'{{"events":[{event}],"schema_version":1}}',
        lambda event: f'{{"events":[{event}]}}',
        lambda event: f'{{"identity":"distinct_id","schema_version":1,"events":[{event}],"more":{{}}}}',
        lambda event: f'{{"schema_version":1,"insert_id":null,"events":[{event}]}}',
        lambda event: f'{{"schema_version":1,"events":[{event}],"events":[{event}]}}',
    ],
)
def test_envelope_may_be_written_in_any_way(wrap: Any) -> None:
    """Order of the fields, blanks and unknown fields mean nothing."""
    (item,) = _items(wrap(event_text(insert_id="good")))

    assert item.insert_id == "good"
    assert item.outcome is None


def test_large_envelope_of_small_events_is_read() -> None:
    """A million bytes are the limit of an event, not of a message."""
    texts = [event_text({"data": f'"{"x" * 10_000}"'}, insert_id=f"id-{n}") for n in range(100)]
    body = f'{{"schema_version":1,"events":[{",".join(texts)}]}}'

    items = _items(body)

    assert len(body) > limits.EVENT_BYTES
    assert [item.outcome for item in items] == [None] * 100


def test_time_is_judged_by_the_readers_clock() -> None:
    """An event that is too far ahead now waits an hour later, and is sent when its time has come."""
    body = json.dumps(make_raw(time=NOW_MS + 2 * limits.FUTURE_MS))

    outcomes = [
        read_record(make_record(body), now_ms=now_ms, default_identity="distinct_id").items[0].outcome
        for now_ms in range(NOW_MS, NOW_MS + 3 * limits.FUTURE_MS, limits.FUTURE_MS)
    ]

    assert [outcome and outcome.reason for outcome in outcomes] == [Reason.REJECTED, Reason.EARLY, None]


def test_refused_item_has_no_event_to_send() -> None:
    """Neither decoder leaves an event on an item that broke a rule."""
    good, bad = make_raw(), make_raw(time=1)

    fast = _items(json.dumps({"schema_version": 1, "events": [good, bad]}, separators=(",", ":")))
    lenient = _items(json.dumps({"events": [good, bad, 7]}))

    for items in (fast, lenient):
        assert items[0].event is not None
        assert items[1].event is None
        assert items[1].insert_id == ""


def test_body_no_decoder_can_read_is_one_item_and_goes_whole() -> None:
    """The dead letter is then the body as it came."""
    record_events = _read("no JSON")

    assert record_events.whole
    assert [item.event for item in record_events.items] == [None]


@pytest.mark.parametrize("events", ["[{},{}]", f"[{event_text()}]"], ids=["odd", "valid"])
@pytest.mark.parametrize("ahead", [1, 98])
def test_newer_version_is_one_item_that_waits(ahead: int, events: str) -> None:
    """Its outcome is `setup`: an operator must deploy the newer reader; the record stays in the queue."""
    record_events = _read(f'{{"schema_version":{SCHEMA_VERSION + ahead},"events":{events}}}')

    assert [item.result.reason for item in record_events.items] == ["setup"]
    assert record_events.whole


def test_event_of_a_newer_version_waits() -> None:
    """The version of a body that is one event counts as well."""
    record_events = _read(json.dumps({**make_raw(), "schema_version": SCHEMA_VERSION + 1}))

    assert [item.result.reason for item in record_events.items] == ["setup"]


def test_record_is_not_altered() -> None:
    """Reading does not change the record."""
    record = Record("m", make_body(make_event()), 3, NOW_MS)

    record_events = read_record(record, now_ms=NOW_MS, default_identity="distinct_id")

    assert record_events.record is record
