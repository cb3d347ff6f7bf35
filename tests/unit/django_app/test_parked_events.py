"""What a parked row keeps of an event: what it was, or that it cannot be known again."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.builders import large_properties
from tests.django_support import override
from tests.hostile_values import endless, in_itself, misbehaving
from whyness_events import InvalidEvent, WhynessEventsError, event, limits
from whyness_mixpanel.encoding.parked_event import UNENCODED_BYTES
from whyness_mixpanel.models import Event, Outbox
from whyness_mixpanel.publishing import parked

pytestmark = pytest.mark.usefixtures("db")

SECRET = "hunter2-4711"
QUIET = {"BACKEND": "console", "RAISE_INVALID": False}
NAIVE = datetime(2025, 11, 23)  # noqa: DTZ001  (what must be refused)
SQS_KEYS = {"insert_id", "event", "user", "time", "ip", "useragent", "data", "properties", "prospect"}


def park(**fields: Any) -> tuple[Outbox, dict[str, Any]]:
    """Send an event that is parked; return its row, and what stands in it."""
    valid: dict[str, Any] = {"event": "Click", "user": "7", "insert_id": 1, "time": 1_760_000_000}
    with override(**QUIET):
        assert Event(**valid | fields).send() is False
    row = Outbox.objects.latest("id")
    return row, json.loads(row.encoded)


def released(row: Outbox) -> bool:
    """Try to release a row."""
    return parked.release([row.pk], "default").released == 1


def test_what_breaks_a_rule_alone_is_kept_exactly() -> None:
    """With the values that the table of docs/reference/python.md makes of it."""
    row, kept = park(
        event=" ",
        user=SimpleLazyObject(lambda: User(pk=8)),
        properties={"price": Decimal("19.90"), "on": NAIVE.date(), "id": UUID(int=5), "many": (1, 2)},
        data=gettext_lazy("Monday"),
    )

    assert kept.keys() == SQS_KEYS
    assert (kept["user"], row.user, kept["data"]) == ("8", "8", "Monday")
    assert kept["properties"] == {
        "price": 19.9,
        "on": "2025-11-23",
        "id": str(UUID(int=5)),
        "many": [1, 2],
    }
    assert "released" not in row.reason


CANNOT: list[tuple[dict[str, Any], str, str]] = [
    (
        {"properties": {"a": 1, "price": Decimal("0.1234567890123456789")}},
        "price",
        "<Decimal 0.1234567890123456789>",
    ),
    ({"properties": {"a": 1, "n": 10**4_000}}, "n", "<int of 13288 bits>"),
    ({"properties": {"a": 1, "n": 2**60}}, "n", "<int 1152921504606846976>"),
    ({"properties": {"a": 1, "x": float("nan")}}, "x", "<float nan>"),
    ({"properties": {"a": 1, "x": b"abc"}}, "x", "<bytes b'abc'>"),
    ({"properties": {"a": 1, "x": [1, {"y": NAIVE}]}}, "x", '[1,{"y":"<datetime 2025-11-23T00:00:00>"}]'),
    ({"properties": {"a": 1, "x": "\ud83d"}}, "x", "\\ud83d"),
    ({"properties": {"a": 1, "x\ud83d": "y"}}, "x\\ud83d", "y"),
    ({"properties": {"a": 1, 7: "y"}}, "<int>", "y"),
    ({"properties": {"a": 1, "x": User(pk=7, username=SECRET)}}, "x", "<User>"),
    ({"properties": {"a": 1, "x": endless()}}, "x", "<generator>"),
]


@pytest.mark.parametrize(("fields", "name", "shown"), CANNOT, ids=[name for _, name, _ in CANNOT])
def test_what_could_not_be_encoded_is_shown_apart_and_the_rest_is_kept(
    fields: dict[str, Any], name: str, shown: str
) -> None:
    """Marked with what it was; such a row can be shown and deleted, never released."""
    row, kept = park(**fields)

    assert kept["properties"] == {"a": 1}
    assert (kept["event"], kept["user"], kept["insert_id"]) == ("Click", "7", "1")
    assert kept["unencoded"] == {"properties": {name: shown}}
    assert row.reason.endswith("it cannot be released")
    assert not released(row)
    call_command("mixpanel_outbox", "show", str(row.pk), "--json")
    with pytest.raises(CommandError):
        call_command("mixpanel_outbox", "release", str(row.pk))
    row.refresh_from_db()
    assert row.reason.endswith("it cannot be released")
    call_command("mixpanel_outbox", "delete", str(row.pk), "--yes")


WHOLE_FIELDS: list[tuple[str, Any, str]] = [
    ("time", NAIVE, "<datetime 2025-11-23T00:00:00>"),
    ("event", 7, "7"),
    ("event", "E\ud83d", "E\\ud83d"),
    ("user", object(), "<object>"),
    ("user", 10**5_000, "<int of 16610 bits>"),
    ("insert_id", 1.5, "<float 1.5>"),
    ("prospect", ["ada"], '["ada"]'),
    ("useragent", f"token={SECRET}\ud83d", "token=[removed]"),
    ("data", Decimal("Infinity"), "<Decimal Infinity>"),
    ("properties", 2**60, "<int 1152921504606846976>"),
]


@pytest.mark.parametrize(
    ("field", "value", "shown"), WHOLE_FIELDS, ids=[f"{f}-{s}" for f, _, s in WHOLE_FIELDS]
)
def test_a_field_that_could_not_be_encoded_is_left_out_and_shown(field: str, value: Any, shown: str) -> None:
    """The others stand there exactly."""
    row, kept = park(**{field: value})

    assert field not in kept
    assert kept["unencoded"] == {field: shown}
    assert kept.keys() - {"unencoded", "time_unit"} == SQS_KEYS - {field}
    assert row.user == ("" if field == "user" else "7")
    assert not released(row)


def test_an_older_version_does_not_release_it_either() -> None:
    """Its `release` reads the event alone, and refuses the unit of its time."""
    _, kept = park(properties={"a": 1, "x": b""})

    with pytest.raises(WhynessEventsError, match="time_unit"):
        event.parse_event(kept, now_ms=kept["time"])


@pytest.mark.parametrize(
    "fields",
    [
        {"properties": {"password": b"" + SECRET.encode()}},
        {"properties": {"x": f"token={SECRET}".encode()}},
        {"properties": {"x" * 300 + "password": Decimal("NaN"), "y": {"z" * 300 + "_token": [SECRET, b""]}}},
        {"data": {"deep": [{"api_key": SECRET}, b""]}},
        {"data": f"\ud83d password={SECRET}"},
        {"user": [f"password={SECRET}"]},
        {"event": " ", "data": {"password": SECRET}, "properties": {"a": f"Bearer {SECRET}"}},
    ],
)
def test_no_secret_stands_in_a_row(fields: dict[str, Any]) -> None:
    """Neither in what is kept nor in what is shown."""
    row, _ = park(**fields)

    assert SECRET not in row.encoded + row.reason


def test_plain_attributes_are_not_kept() -> None:
    """Whatever else old code leaves on the object."""
    made: Any = Event(event=" ", user="7")
    made.password = SECRET

    with override(**QUIET):
        made.send()

    assert SECRET not in Outbox.objects.get().encoded


@pytest.mark.parametrize(
    "fields",
    [
        {"properties": {"x": "a" * 3_000_000, "y": b""}},
        {"properties": {"x": b"a" * 3_000_000}},
        {"properties": {f"k{n}": "\0\ud800" * 90 for n in range(9_000)}},
        {"properties": {f"\ud800{n}" + '"' * 300: ["\x01" * 900] for n in range(200)}},
        {"properties": [1] * 3_000_000},
        {"properties": in_itself()},
        {"properties": large_properties(1_100_000)},
        {"insert_id": "!" * 3_000_000},
        {"user": "u" * 3_000_000},
        {"event": " ", "data": "a" * 3_000_000},
        {"data": {"a": "\ud83d"}, "useragent": "a" * 3_000_000},
    ],
    ids=map(str, range(11)),
)
def test_a_row_is_no_larger_than_an_event_and_what_is_shown(fields: dict[str, Any]) -> None:
    """However much was assigned."""
    row, kept = park(**fields)

    shown = kept.pop("unencoded", {})
    assert len(json.dumps(shown, ensure_ascii=False).encode()) <= UNENCODED_BYTES
    assert len(row.encoded.encode()) <= limits.EVENT_BYTES + UNENCODED_BYTES
    assert len(row.reason) < 1_000


def test_a_long_text_is_kept_as_it_would_travel() -> None:
    """Mixpanel cuts it, and so does an event that is too long otherwise."""
    row, kept = park(event=" ", data="a" * 2_000_000)

    assert kept["data"] == "a" * 255
    assert not kept.keys() - SQS_KEYS
    assert row.reason.startswith("event: ")


def test_an_event_that_was_parked_for_its_person_is_found_by_forget() -> None:
    """Also where something of it could not be encoded, and whoever its user was given as."""
    about: list[dict[str, Any]] = [
        {"user": User(pk=7), "data": b""},
        {"user": 7, "time": NAIVE},
        {"user": SimpleLazyObject(lambda: User(pk=7)), "event": " "},
        {"user": "8", "prospect": SimpleLazyObject(lambda: 45), "properties": {"x": b""}},
    ]
    for fields in about:
        park(**fields)
    kept, _ = park(user="9", event=" ")

    call_command("mixpanel_forget", "7", "p:45", "--dry-run")
    with pytest.raises(CommandError):  # Mixpanel cannot be asked
        call_command("mixpanel_forget", "7", "p:45")

    assert list(Outbox.objects.all()) == [kept]


@pytest.mark.parametrize("user", ["a\0b", "\ud83d", "x" * 256, True, 7.0])
def test_the_column_of_the_user_holds_an_id_or_nothing(user: Any) -> None:
    """What no database takes, or no event names, is not written into it."""
    assert park(user=user, event=" ")[0].user == ""


def test_a_valid_event_of_a_user_that_no_column_holds_is_published() -> None:
    """The column is only for whoever looks for people."""
    with override(**QUIET):
        assert Event(event="E", user="a\0b").send() is True


def only_utf8(made: Any, **_: object) -> None:
    """The one rule that no Mixpanel can do without: JSON must be text."""
    try:
        json.dumps(made.to_wire(), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidEvent("event", "a lone surrogate", "valid UTF-8") from None


FIELDS = {
    "event": st.sampled_from(["", " ", "E" * 300, "$identify", "Click"]),
    "user": st.sampled_from(["0", "x" * 300, "$device:1", "1", 1, 8, User(pk=9), "p:", "\ud83d"]),
    "insert_id": st.sampled_from(["!", "null", 0, 7, "x" * 40]),
    "ip": st.sampled_from(["nowhere", 7, "203.0.113.9"]),
    "useragent": st.text(st.characters(), max_size=9),
    "time": st.sampled_from(
        [-1, 5e9 + 0.25, 1.76e9, 1_760_000_000_123, NAIVE, datetime(2025, 1, 1, tzinfo=UTC)]
    ),
}
ORDINARY = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=9), st.decimals(),
    st.datetimes(timezones=st.just(UTC)), st.dates(), st.timedeltas(), st.uuids(),
    misbehaving(SECRET),
)  # fmt: skip
VALUES = st.recursive(
    ORDINARY,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
PROPERTIES = st.dictionaries(st.text(st.characters(), max_size=4) | st.just("$token"), VALUES, max_size=3)


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)
@given(fields=st.fixed_dictionaries({}, optional=FIELDS), properties=PROPERTIES, data=VALUES, method=VALUES)
@example(
    fields={"event": " "}, properties={"a": "\ud83d\ude00"}, data="", method=""
)  # a pair, once it is JSON
@example(fields={"event": " "}, properties={}, data="a" * 1_200_000, method="")
@example(fields={"event": " "}, properties={"a": -0.0, "b": 1e22, "c": 5e-324}, data="", method="")
def test_what_is_released_is_what_would_have_been_published(
    fields: dict[str, Any], properties: dict[Any, Any], data: Any, method: Any
) -> None:
    """Whatever rule the event broke, and however much later; or it is not released."""
    Outbox.objects.all().delete()
    made = Event(**{"insert_id": 1, "time": 1_760_000_000} | fields, properties=properties, data=data)
    made.method = method
    with override(**QUIET), mock.patch.object(made, "insert_id", made.insert_id):
        if made.send():
            return
        with mock.patch.object(event, "check_event", only_utf8):
            try:
                expected = made.json()
            except WhynessEventsError:
                expected = None
            row = Outbox.objects.get()
            later = mock.patch.object(parked, "now_ms", return_value=9_000_000_000_000)
            with later:
                is_released = released(row)

    row.refresh_from_db()
    assert is_released is (expected is not None)
    assert not is_released or (row.encoded, row.reason) == (expected, "")


def test_release_says_why_it_leaves_a_row() -> None:
    """The list has the reason, and the name of the property."""
    row, _ = park(properties={"price": Decimal("NaN")})

    assert row.reason.startswith("properties.price: found a Decimal")
    assert "Part of the event could not be encoded, so it cannot be released" in row.reason
