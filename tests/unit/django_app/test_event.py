import json
import logging
import time
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from django.test import override_settings

from tests.builders import large_properties
from tests.django_support import override, published
from whyness_events import EventTooLarge, InvalidEvent, parse_event
from whyness_mixpanel import counters
from whyness_mixpanel.encoding import normalise
from whyness_mixpanel.encoding.field_values import new_identifier
from whyness_mixpanel.models import Event, Outbox

pytestmark = pytest.mark.usefixtures("db")

NOW_S = 1_763_900_000
MARKER = "MARKER-4711"


class Colour(int, Enum):
    """A number that calls itself something else."""

    RED = 7


def make_event(**fields: Any) -> Event:
    """Return a valid event, with `fields` over it."""
    defaults: dict[str, Any] = {"event": "Video watched", "user": "7", "insert_id": "42", "time": NOW_S}
    return Event(**defaults | fields)


def wire(event: Event) -> dict[str, Any]:
    """Return the event as it travels."""
    document: dict[str, Any] = json.loads(event.json())
    return document


def test_both_ways_of_construction_make_the_same_event() -> None:
    """Fields given as keywords and fields assigned afterwards encode alike."""
    by_keywords = make_event(ip="203.0.113.9", useragent="UA", data="GET")

    assigned = Event()
    assigned.event = "Video watched"
    assigned.insert_id = 42
    assigned.time = NOW_S
    assigned.user = "7"
    assigned.ip = "203.0.113.9"
    assigned.useragent = "UA"
    assigned.data = "GET"

    assert by_keywords.json() == assigned.json()


def test_every_field_reaches_the_wire_under_its_name() -> None:
    """Each field of the contract can be set, and the contract's own reader accepts the result."""
    event = make_event(
        ip="203.0.113.9", useragent="UA", data={"a": 1}, properties={"plan": "free"}, prospect=45
    )

    document = wire(event)

    assert document == {
        "insert_id": "42",
        "event": "Video watched",
        "user": "7",
        "time": NOW_S * 1000,
        "ip": "203.0.113.9",
        "useragent": "UA",
        "data": {"a": 1},
        "properties": {"plan": "free"},
        "prospect": "45",
    }
    assert parse_event(document, now_ms=NOW_S * 1000).insert_id == "42"


def test_values_read_back_as_assigned() -> None:
    """Encoding normalises a copy: what was assigned stays what it is."""
    when = datetime(2025, 11, 23, 12, tzinfo=UTC)
    event = make_event(user=1, insert_id=42, time=when, ip=None)

    event.json()

    assert (event.user, event.insert_id, event.time, event.ip) == (1, 42, when, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"insert_id": 42}, ("insert_id", "42")),
        ({"insert_id": Colour.RED}, ("insert_id", "7")),
        ({"insert_id": UUID(int=5)}, ("insert_id", "00000000-0000-0000-0000-000000000005")),
        ({"user": 7}, ("user", "7")),
        ({"user": None}, ("user", "")),
        ({"user": "p:45"}, ("user", "p:45")),
    ],
)
def test_ids_are_text_on_the_wire(given: dict[str, object], expected: tuple[str, str]) -> None:
    """Integers and UUIDs become strings; None becomes the empty string."""
    field, text = expected

    assert wire(make_event(**given))[field] == text


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("user", ["7"]),
        ("user", True),
        ("insert_id", 1.5),
        ("event", None),
        ("data", 0),
        ("data", ["GET"]),
        ("properties", []),
        ("properties", {"when": object()}),
        ("prospect", 4.5),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_invalid_event(field: str, wrong: object) -> None:
    """It is neither guessed at nor dropped, and it fails as the contract says."""
    with pytest.raises(InvalidEvent, match=f"^{field}"):
        make_event(**{field: wrong}).json()


@pytest.mark.parametrize("field", ["ip", "useragent", "data", "properties", "prospect"])
def test_none_in_an_optional_field_is_left_out(field: str) -> None:
    """A nullable column may be assigned as it is."""
    assert field not in wire(make_event(**{field: None}))


def test_a_method_stands_in_only_for_empty_data() -> None:
    """The old call sites assign `method`; it is sent as data unless there is data."""
    without, with_data = make_event(), make_event(data="45: Newsletter")

    without.method = with_data.method = "PUT"

    assert wire(without)["data"] == "PUT"
    assert wire(with_data)["data"] == "45: Newsletter"


def test_other_attributes_are_allowed_and_not_sent() -> None:
    """Old code may leave whatever it likes on the object."""
    event: Any = make_event()

    event.campaign = MARKER

    assert event.campaign == MARKER
    assert MARKER not in event.json()


def test_made_ids_are_random_uuids_that_never_repeat() -> None:
    """Each of the 122 random bits is used, and the others say that it is random."""
    made = [UUID(new_identifier()) for _ in range(1_000)]

    assert {(id_.version, id_.variant) for id_ in made} == {(4, RFC_4122)}
    assert len(set(made)) == len(made)
    always_set, never_set = made[0].int, 0
    for id_ in made:
        always_set, never_set = always_set & id_.int, never_set | id_.int
    assert (always_set ^ never_set).bit_count() == 122


def test_a_missing_insert_id_is_a_uuid_made_once() -> None:
    """An event sent twice must be one event."""
    event = Event(event="Video watched")

    made = event.insert_id

    assert str(UUID(str(made))) == made
    assert wire(event)["insert_id"] == wire(event)["insert_id"] == made
    assert Event(event="Video watched").insert_id != made


@pytest.mark.parametrize("missing", ["", None])
def test_an_insert_id_that_is_taken_away_is_made_anew_once(missing: str | None) -> None:
    """Assigning nothing is the same as never having assigned anything."""
    event = make_event(insert_id="42")

    event.insert_id = missing

    assert wire(event)["insert_id"] == wire(event)["insert_id"] == event.insert_id != "42"


def test_the_row_key_zero_is_refused_and_not_replaced() -> None:
    """Zero is a placeholder, not a missing id: a generated id would hide the mistake."""
    with pytest.raises(InvalidEvent, match="insert_id"):
        make_event(insert_id=0).json()


@pytest.mark.parametrize(
    ("given", "expected_ms"),
    [
        (NOW_S, NOW_S * 1000),
        (float(NOW_S) + 0.25, NOW_S * 1000 + 250),
        (NOW_S * 1000 + 7, NOW_S * 1000 + 7),
        (NOW_S * 1000 + 7.6, NOW_S * 1000 + 7),
        (99_999_999, 99_999_999_000),
        (100_000_000_000, 100_000_000_000),
        (datetime(2025, 11, 23, 12, 13, 20, tzinfo=UTC), NOW_S * 1000),
        (datetime(2025, 11, 23, 14, 13, 20, tzinfo=timezone(timedelta(hours=2))), NOW_S * 1000),
        (datetime(2025, 11, 23, 12, 13, 20, 7_999, tzinfo=UTC), NOW_S * 1000 + 7),
    ],
)
def test_times_of_every_kind_become_milliseconds(given: object, expected_ms: int) -> None:
    """Seconds, milliseconds and aware datetimes are told apart, and mean the same instant."""
    assert wire(make_event(time=given))["time"] == expected_ms


@pytest.mark.parametrize(
    "given",
    [
        datetime(2025, 11, 23, 12),  # noqa: DTZ001  (what must be refused)
        "2025-11-23T12:00:00Z",
        True,
        float("nan"),
        float("inf"),
        -1,
    ],
)
def test_a_time_that_is_no_instant_is_an_error(given: object) -> None:
    """What cannot be placed in time is refused, not guessed."""
    with pytest.raises(InvalidEvent, match=r"^time: found "):
        make_event(time=given).json()


def test_the_default_time_is_that_of_construction() -> None:
    """Not the time of sending, which may be much later."""
    before_ms = time.time_ns() // 1_000_000
    event = Event(event="Video watched", insert_id="42")
    after_ms = time.time_ns() // 1_000_000

    assert before_ms <= wire(event)["time"] <= after_ms
    assert wire(event)["time"] == event.time


HOUR_S = 3_600


@pytest.mark.parametrize("ahead_s", [0.001, 1, HOUR_S - 1])
def test_a_time_up_to_an_hour_ahead_is_nobodys_to_alter(ahead_s: float) -> None:
    """It waits in the queue until then, and encoded again it is the same event."""
    event = make_event(time=datetime.now(UTC) + timedelta(seconds=ahead_s))

    assert wire(event)["time"] == wire(event)["time"] == normalise.milliseconds(event.time)
    assert event.send() is True


@pytest.mark.parametrize(
    "time", [time.time() + 2 * HOUR_S, NOW_S * 3, 10**400], ids=["two hours", "a century", "no double"]
)
def test_a_time_more_than_an_hour_ahead_is_refused(time: float) -> None:
    """The clock is wrong by an unknown amount."""
    with pytest.raises(InvalidEvent, match=r"^time: found a time more than an hour in the future"):
        make_event(time=time).json()


@pytest.mark.parametrize("stand_in", [1, "1"])
def test_the_stand_in_user_is_nobody(stand_in: object) -> None:
    """User 1 of the Whyness site is the anonymous user."""
    event = make_event(user=stand_in)

    assert wire(event)["user"] == ""
    assert event.user == stand_in


def test_which_users_are_nobody_is_a_setting() -> None:
    """ANONYMOUS_USERS replaces the default; a prospect of the same number is somebody."""
    with override(ANONYMOUS_USERS={7, "8"}):
        users = [wire(make_event(user=user))["user"] for user in (1, 7, "8", "p:7")]

    assert users == ["1", "", "", "p:7"]


def test_str_names_event_time_and_insert_id() -> None:
    """The old text of an event stays, with the values as they were assigned."""
    assert str(make_event()) == f"Video watched {NOW_S} 42"


def test_the_old_method_str_returns_the_json_text() -> None:
    """`e.str()` and `e.json()` are one text, quotes and all."""
    event = make_event(useragent='He said "hi"\\')

    assert event.str() == event.json()
    assert wire(event)["useragent"] == 'He said "hi"\\'


def test_one_object_reused_in_a_loop_sends_each_state() -> None:
    """An event is encoded at the call: what is assigned later changes nothing that was sent."""
    event = make_event(properties={"n": 0})

    for number in range(1, 4):
        event.insert_id = number
        event.properties["n"] = number
        event.send()

    assert [(sent["insert_id"], sent["properties"]["n"]) for sent in published()] == [
        ("1", 1),
        ("2", 2),
        ("3", 3),
    ]


def test_a_sent_event_is_confirmed_and_counted() -> None:
    """Outside a transaction, True means that the backend has it."""
    assert make_event().send() is True

    assert [event["insert_id"] for event in published()] == ["42"]
    assert counters.snapshot() == dict.fromkeys(counters.NAMES, 0) | {"published": 1}


def test_the_identity_is_stamped_on_the_message() -> None:
    """The Lambda must not guess how a project tells people apart."""
    from whyness_mixpanel.backends import locmem  # noqa: PLC0415  (only this test reads the envelope)

    make_event().send()
    with override(IDENTITY="simplified"):
        make_event().send()

    assert [json.loads(body)["identity"] for body in locmem.messages] == ["distinct_id", "simplified"]


@pytest.mark.parametrize(
    "chosen", [{"BACKEND": "locmem", "RAISE_INVALID": False}, {"BACKEND": "dummy", "RAISE_INVALID": True}]
)
def test_an_invalid_event_raises_where_a_developer_sees_it(chosen: dict[str, object]) -> None:
    """RAISE_INVALID decides, and the backend of tests always raises."""
    with override(**chosen), pytest.raises(InvalidEvent):
        make_event(event=" ").send()

    assert counters.snapshot()["invalid"] == 1


@pytest.mark.parametrize("debug", [True, False])
def test_raise_invalid_defaults_to_debug(*, debug: bool) -> None:
    """Development raises, production does not."""
    with override_settings(WHYNESS_MIXPANEL={"BACKEND": "dummy"}, DEBUG=debug):
        if debug:
            with pytest.raises(InvalidEvent):
                make_event(event="").send()
        else:
            assert make_event(event="").send() is False


def test_an_invalid_event_in_production_is_counted_and_logged_without_its_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names the field and the kind of thing found, and nothing of the event itself."""
    event = make_event(insert_id=f"{MARKER} !", user=MARKER, useragent=MARKER, data=MARKER)

    with override(BACKEND="dummy", RAISE_INVALID=False), caplog.at_level(logging.DEBUG):
        assert event.send() is False

    assert counters.snapshot()["invalid"] == 1
    assert "insert_id: found a string of 13 bytes with other characters" in caplog.text
    assert MARKER not in caplog.text


def test_an_event_that_mixpanel_would_not_take_is_refused_with_its_size() -> None:
    """Too large is a mistake of the same kind as invalid."""
    event = make_event(properties=large_properties(1_000_001))

    with pytest.raises(EventTooLarge, match="1000000 bytes"):
        event.send()
    with override(BACKEND="dummy", RAISE_INVALID=False):
        assert event.send() is False

    assert counters.snapshot()["invalid"] == 2


def test_nothing_is_sent_while_disabled() -> None:
    """ENABLED=False keeps events in, and says so to the caller; mistakes still show."""
    with override(ENABLED=False):
        assert make_event().send() is False
        with pytest.raises(InvalidEvent):
            make_event(event="").send()

    assert published() == []


def test_a_faulty_backend_loses_nothing() -> None:
    """The row is written, and waits until the setting is right."""
    with override(BACKEND="sqqs"):
        assert make_event().send() is True

    assert (Outbox.objects.count(), counters.snapshot()["lost"]) == (1, 0)


def test_a_faulty_setting_for_invalid_events_breaks_no_page(caplog: pytest.LogCaptureFixture) -> None:
    """Where it cannot be known whether to raise, nothing is raised."""
    with override(BACKEND="dummy", RAISE_INVALID="perhaps"):
        assert make_event(event="").send() is False

    assert (Outbox.objects.get().state, counters.snapshot()["lost"]) == ("parked", 0)
    assert "RAISE_INVALID" in caplog.text


@pytest.mark.parametrize("name", ["objects", "_meta"])
def test_what_a_model_would_have_names_its_replacement(name: str) -> None:
    """Event had a manager that could read nothing; now it says where to look."""
    for holder in (Event, make_event()):
        with pytest.raises(AttributeError, match=rf"Event\.{name} .* whyness_mixpanel\.models\.Outbox"):
            getattr(holder, name)
