"""What ordinary values become, what is refused by name, and that no value's own code is believed."""

import collections
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.http import QueryDict
from django.test import override_settings
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, override

from tests.hostile_values import KINDS, Counted, Text, endless, hostile, nested
from whyness_events import InvalidEvent
from whyness_mixpanel.encoding.field_values import identifier, user
from whyness_mixpanel.encoding.plain_values import plain
from whyness_mixpanel.encoding.refusal import InvalidValue, Refusal, public_text
from whyness_mixpanel.models import Event

NOW = datetime(2025, 11, 23, 12, 13, 20, 987_654, tzinfo=UTC)
PLUS_TWO = timezone(timedelta(hours=2))
MARKER = "MARKER-4711"
Place = collections.namedtuple("Place", "x y")  # noqa: PYI024  (as old code writes it)


class Plan(models.TextChoices):
    """Choices of text, whose labels are lazy."""

    FREE = "free", gettext_lazy("Monday")


class Level(models.IntegerChoices):
    """Choices that are numbers."""

    HIGH = 3, "High"


class Odd(Enum):
    """What an enumeration may also hold."""

    PRICE = Decimal("1.5")
    PAIR = (1, "a")
    NOTHING = None
    OBJECT = object()


class Moment(datetime):
    """A datetime that lies about itself."""

    def isoformat(self, *_: object, **__: object) -> str:
        """Say something else."""
        return MARKER

    def utcoffset(self) -> timedelta | None:
        """Say that it is naive."""
        return None


ACCEPTED: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (7, 7),
    (2**53, 2**53),
    (-(2**53), -(2**53)),
    (0.1, 0.1),
    (1e300, 1e300),
    ("a", "a"),
    ("", ""),
    (Decimal("19.90"), 19.9),
    (Decimal("0.1"), 0.1),
    (Decimal("1E+3"), 1000),
    (Decimal(-7), -7),
    (Decimal(2**53), 2**53),
    (Decimal("0E+100"), 0),
    (NOW, "2025-11-23T12:13:20.987654+00:00"),
    (NOW.replace(microsecond=0).astimezone(PLUS_TWO), "2025-11-23T12:13:20+00:00"),
    (Moment(2025, 11, 23, 14, tzinfo=PLUS_TWO), "2025-11-23T12:00:00+00:00"),
    (date(2025, 11, 23), "2025-11-23"),
    (time(12, 13, 20), "12:13:20"),
    (timedelta(minutes=1, milliseconds=500), 60.5),
    (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (gettext_lazy("Monday"), "Montag"),
    (lazy(lambda: "a", str)(), "a"),
    (mark_safe("<b>"), "<b>"),
    (SimpleLazyObject(lambda: "DE"), "DE"),
    (SimpleLazyObject(lambda: SimpleLazyObject(lambda: Plan.FREE)), "free"),
    (SimpleLazyObject(lambda: {"a": Decimal("1.5")}), {"a": 1.5}),
    (Plan.FREE, "free"),
    (Level.HIGH, 3),
    (Odd.PRICE, 1.5),
    (Odd.PAIR, [1, "a"]),
    (Odd.NOTHING, None),
    ((1, "a"), [1, "a"]),
    (Place(1, 2), [1, 2]),
    ({"b", "a", "c"}, ["a", "b", "c"]),
    (frozenset({10, 9}), [10, 9]),  # by their JSON
    ({frozenset({1}), "a"}, ["a", [1]]),
    ([Plan.FREE, (NOW.date(),)], ["free", ["2025-11-23"]]),
    ({Plan.FREE: {mark_safe("k"): gettext_lazy("Monday")}}, {"free": {"k": "Montag"}}),
    (collections.OrderedDict(a=1), {"a": 1}),
    (collections.defaultdict(int, a=1), {"a": 1}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    (QueryDict("a=1&a=2&b=3"), {"a": "2", "b": "3"}),
    (Text(MARKER), MARKER),
]
NUMBER = "send it as text"
REFUSED: list[tuple[Any, str]] = [
    (2**53 + 1, NUMBER),
    (-(2**53) - 1, NUMBER),
    (10**5_000, NUMBER),
    (Level(3) + 2**60, NUMBER),
    (Decimal(2**53 + 1), NUMBER),
    (Decimal("0.1234567890123456789"), NUMBER),
    (Decimal("1E+999999"), NUMBER),
    (Decimal("1E-999999"), NUMBER),
    (Decimal("NaN"), NUMBER),
    (Decimal("sNaN"), NUMBER),
    (Decimal("-Infinity"), NUMBER),
    (float("nan"), "finite"),
    (float("-inf"), "finite"),
    (datetime(2025, 11, 23), "a naive datetime"),  # noqa: DTZ001  (what must be refused)
    (datetime.min.replace(tzinfo=PLUS_TWO), "OverflowError"),
    (b"a", "a bytes"),
    (bytearray(b"a"), "a bytearray"),
    (1j, "a complex"),
    (object(), "an object"),
    (int, "a type"),
    (len, "a builtin_function_or_method"),
    (range(3), "a range"),
    (iter([1]), "a list_iterator"),
    (endless(), "a generator"),
    (User(pk=7), "a User"),
    (User.objects.all(), "a QuerySet"),
    (AnonymousUser(), "an AnonymousUser"),
    (SimpleLazyObject(lambda: User(pk=7)), "a User"),
    (Odd.OBJECT, "an object"),
    (SimpleNamespace(a=1), "a SimpleNamespace"),
    (collections.ChainMap({"a": 1}), "a ChainMap"),
    (collections.deque([1]), "a deque"),
    ({1: 2}, "a key that is an int"),
    ({None: 2}, "a key that is a NoneType"),
    ({gettext_lazy("Monday"): 2}, "a key that is a __proxy__"),
    ([1] * 20_000, "an array of 20000 elements"),
    (dict.fromkeys(map(str, range(20_000))), "an object of 20000 keys"),
    (nested(list, 100_000), "levels of nesting"),
    (nested(dict, 100_000), "levels of nesting"),
]


def numbers(cases: Sequence[object]) -> list[str]:
    """Return ids of cases whose values cannot be shown."""
    return list(map(str, range(len(cases))))


@pytest.mark.parametrize(("value", "expected"), ACCEPTED, ids=numbers(ACCEPTED))
def test_an_ordinary_value_becomes_what_the_table_says(value: Any, expected: Any) -> None:
    """Exactly a JSON type, in a property, deeper, and as data where that may be."""
    with override("de"):
        made = [json.loads(Event(event="E", properties={"p": given}).json()) for given in (value, [value])]

    assert [event["properties"]["p"] for event in made] == [expected, [expected]]


@pytest.mark.parametrize(("value", "found"), REFUSED, ids=numbers(REFUSED))
def test_anything_else_is_refused_and_named(value: Any, found: str) -> None:
    """To the developer by the property's name; what logs may say has no name in it."""
    for properties, place in (
        ({"plan": "free", "price": value}, "price"),
        ({"price": [0, {"deep": value}]}, "price[1].deep"),
    ):
        with pytest.raises(InvalidValue) as caught:
            Event(event="E", properties=properties).json()

        assert str(caught.value).startswith(f"properties.{place}")
        assert found in str(caught.value) or "levels of nesting" in str(caught.value)
        assert public_text(caught.value).startswith("properties.*: ")
        assert "price" not in public_text(caught.value)


@pytest.mark.parametrize(
    ("properties", "place"),
    [
        ({"plan": "free", "$token": 1}, "$token"),
        ({"plan": "free", "deep": nested(list, 4)}, "deep"),
        ({"a": {"b": "x" * 9_000}, "wide": [1] * 255}, "wide"),
        ({"x\n\x1b[2J\ud800": b""}, "x\\n\\x1b[2J\\ud800"),
        ({"x" * 5_000: b""}, "x" * 100 + "…"),
    ],
)
def test_the_developer_reads_which_property_breaks_a_rule_of_the_contract(
    properties: dict[str, Any], place: str
) -> None:
    """On one line and short, whatever its name is."""
    with pytest.raises(InvalidEvent) as caught:
        Event(event="E", properties=properties).json()

    assert str(caught.value).startswith(f"properties.{place}: ")
    assert public_text(caught.value).startswith("properties.*: ")
    assert str(caught.value).isprintable()


def test_two_keys_of_the_same_text_are_refused() -> None:
    """One of them would be dropped in silence."""
    with pytest.raises(InvalidEvent, match="two keys"):
        Event(event="E", properties={"a": {"k": 1, Counted("k"): 2}}).json()


@override_settings(USE_TZ=False, TIME_ZONE="Europe/Berlin")
def test_a_naive_datetime_is_of_the_current_zone_where_the_site_has_no_other() -> None:
    """In properties and as the time of the event."""
    naive = datetime(2025, 11, 23, 12)  # noqa: DTZ001  (as such a site has them)

    event = json.loads(Event(event="E", time=naive, properties={"at": naive}).json())

    assert event["properties"]["at"] == "2025-11-23T11:00:00+00:00"
    assert event["time"] == int(datetime(2025, 11, 23, 11, tzinfo=UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (7, "7"),
        (2**60, str(2**60)),
        (Level.HIGH, "3"),
        ("p:45", "p:45"),
        (mark_safe("7"), "7"),
        (UUID(int=5), str(UUID(int=5))),
        (SimpleLazyObject(lambda: 7), "7"),
        (SimpleLazyObject(lambda: None), ""),
        (Text("7"), "7"),
    ],
)
def test_an_id_is_text(value: Any, expected: str) -> None:
    """Of a user, a prospect, and as insert id."""
    assert identifier(value) == user(value) == expected


NO_IDS = [True, 1.0, Decimal(7), b"7", ["7"], NOW, 10**5_000, object(), User]


@pytest.mark.parametrize("value", NO_IDS, ids=numbers(NO_IDS))
def test_what_is_no_id_is_refused(value: Any) -> None:
    """Nothing is guessed from it."""
    for read in (identifier, user):
        with pytest.raises(Refusal):
            read(value)


class Keyed(models.Model):  # noqa: DJ008  (never shown)
    """A model whose key is a UUID."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        """It has no table."""

        app_label = "whyness_mixpanel_test"
        managed = False


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (User(pk=7, username=MARKER), "7"),
        (User(username=MARKER), ""),
        (AnonymousUser(), ""),
        (Keyed(id=UUID(int=5)), str(UUID(int=5))),
        (SimpleLazyObject(lambda: User(pk=7)), "7"),
        (SimpleLazyObject(AnonymousUser), ""),
        (SimpleNamespace(is_authenticated=True, pk=7), "7"),
        (SimpleNamespace(is_authenticated=False, pk=7), ""),
    ],
)
def test_a_user_is_its_key_and_an_anonymous_one_nobody(value: Any, expected: str) -> None:
    """As `request.user` is, without asking whether somebody is signed in."""
    assert user(value) == expected
    assert MARKER not in Event(event="E", user=value).json()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (ip_address("203.0.113.9"), "203.0.113.9"),
        (ip_address("2001:db8::7"), "2001:db8::7"),
        (Text("::1"), "::1"),
    ],
)
def test_an_address_is_text(given: Any, expected: str) -> None:
    """Of whatever class."""
    assert json.loads(Event(event="E", ip=given).json())["ip"] == expected


def test_texts_may_be_lazy_or_choices() -> None:
    """Name, header and data as a view has them at hand."""
    with override("de"):
        event = Event(event=gettext_lazy("Monday"), useragent=SimpleLazyObject(lambda: "UA"), data=Plan.FREE)
        found = json.loads(event.json())

    assert (found["event"], found["useragent"], found["data"]) == ("Montag", "UA", "free")


@pytest.mark.parametrize("kind", KINDS)
def test_no_method_of_a_class_of_its_own_is_believed(kind: type) -> None:
    """What a text, a list or a dictionary holds is what it holds, whatever its methods say or raise."""
    value, expected = hostile(kind, even_its_type=True)

    made = plain(value)

    assert made == expected
    assert type(made) is type(expected)
