"""A field of the contract is a field everywhere: no place between call site and Mixpanel drops it silently.

Who adds a field gives it a value in VALUES; docs/how-to/add-a-field.md lists the places in order.
"""

import inspect
import json
from dataclasses import fields
from typing import Any

import pytest

from tests import django_support  # noqa: F401  (sets Django up)
from tests.builders import NOW_MS, make_event, make_record, read_record, translated
from whyness_events import IDENTITIES, Event, InvalidEvent, encode_message, parse_event
from whyness_events.delivery.event_struct import EventStruct
from whyness_events.event import check_property_name
from whyness_mixpanel.event import Event as SiteEvent
from whyness_mixpanel.event_types import EventFields

# A valid value of each field, none of them that of BASE.
VALUES: dict[str, Any] = {
    "insert_id": "row-4711",
    "event": "Video watched",
    "user": "7",
    "time": NOW_MS - 90_000,
    "ip": "203.0.114.9",
    "useragent": "Mozilla/5.0",
    "data": {"method": "POST"},
    "properties": {"plan": "free"},
    "prospect": "45",
    "time_unit": "s",
}
BASE = make_event(insert_id="row-1").to_wire()
FIELDS = [field.name for field in fields(Event)]
# Set by `sources.event_for(row)` for rows from before HISTORY_BEFORE; a call site cannot choose it.
SITE_FIELDS = [name for name in FIELDS if name != "time_unit"]

each_field = pytest.mark.parametrize("name", FIELDS)
each_site_field = pytest.mark.parametrize("name", SITE_FIELDS)
each_identity = pytest.mark.parametrize("identity", IDENTITIES)


def with_field(name: str) -> Event:
    """Return an event that differs from BASE in one field."""
    return Event(**{**BASE, name: VALUES[name]})


def sent(event: Event, identity: str) -> dict[str, Any]:
    """Return what Mixpanel gets of it."""
    document, _ = translated(event, identity, lambda _: {})
    return document


def test_each_field_has_a_value_here() -> None:
    """A new field takes part in the tests below."""
    assert list(VALUES) == FIELDS


@each_field
def test_a_field_travels(name: str) -> None:
    """The encoder writes it, and the contract's reader reads it back."""
    event = with_field(name)

    assert event.to_wire()[name] == VALUES[name]
    assert parse_event(event.to_wire(), now_ms=NOW_MS) == event


@each_field
def test_a_field_is_read_by_the_fast_decoder(name: str) -> None:
    """The Lambda's struct has it, with the same value."""
    body = encode_message([with_field(name)], identity="distinct_id")

    [item] = read_record(make_record(body), now_ms=NOW_MS, default_identity="distinct_id").items

    assert isinstance(item.event, EventStruct)
    assert getattr(item.event, name) == VALUES[name]


@each_field
@each_identity
def test_a_field_arrives_at_mixpanel(name: str, identity: str) -> None:
    """Where it differs, what Mixpanel gets differs: translation uses it."""
    assert sent(with_field(name), identity) != sent(Event(**BASE), identity)


@each_identity
def test_callers_cannot_set_a_property_that_a_field_sets(identity: str) -> None:
    """Otherwise an event would have the same name twice, and Mixpanel would choose."""
    names = [
        name
        for field in FIELDS
        if field != "properties"
        for name in sent(with_field(field), identity)["properties"]
    ]

    for name in set(names):
        with pytest.raises(InvalidEvent):
            check_property_name(name)


@each_site_field
def test_the_site_can_set_a_field(name: str) -> None:
    """As a keyword and afterwards; either way it is in the JSON that is published."""
    given = {field: BASE[field] for field in BASE if field != name}
    by_keyword = SiteEvent(**given, **{name: VALUES[name]})
    assigned = SiteEvent(**given)
    setattr(assigned, name, VALUES[name])

    assert json.loads(by_keyword.json())[name] == VALUES[name]
    assert assigned.json() == by_keyword.json()


def test_types_and_signature_of_the_sites_event_have_each_field() -> None:
    """`track()` takes its fields by a TypedDict, which an editor reads."""
    keywords = [name for name in inspect.signature(SiteEvent.__init__).parameters if name != "self"]

    assert set(keywords) == set(SITE_FIELDS)
    assert {*EventFields.__annotations__, "event", "properties"} == set(SITE_FIELDS)
