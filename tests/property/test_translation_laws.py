"""Whatever a valid event holds, Mixpanel can take what becomes of it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_event, translated
from tests.strategies import events, texts
from whyness_events import IDENTITIES, Event, limits
from whyness_events.delivery.mixpanel.location import location_address
from whyness_events.delivery.mixpanel.useragent import describe_useragent

_identities = st.sampled_from(IDENTITIES)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from _strings(member)


def _key(sent: dict[str, Any]) -> list[Any]:
    return [sent["event"], *(sent["properties"][name] for name in ("distinct_id", "time", "$insert_id"))]


@given(events(), _identities)
def test_sent_event_is_json_within_mixpanels_limits(event: Event, identity: str) -> None:
    """It can be written, has at most 254 properties, and no string that Mixpanel would cut."""
    sent, _ = translated(event, identity, describe_useragent)

    assert json.loads(msgspec.json.encode(sent)) == sent
    assert len(sent["properties"]) <= limits.PROPERTY_KEYS
    assert all(len(text.encode()) <= limits.STRING_BYTES for text in _strings(sent))


@given(events(), events(), _identities)
def test_four_fields_depend_on_four_fields_only(event: Event, other: Event, identity: str) -> None:
    """Invariant 2: address, header, data, properties and prospect have no say in what counts as the same."""
    same = replace(other, insert_id=event.insert_id, event=event.event, user=event.user, time=event.time)

    keys = [_key(translated(each, identity, describe_useragent)[0]) for each in (event, same)]

    assert keys[0] == keys[1]
    assert keys[0][0] == event.event
    assert keys[0][2:] == [event.time, event.insert_id]


@given(events(), _identities)
def test_callers_properties_override_nothing(event: Event, identity: str) -> None:
    """What translation sets is what it would set without them."""
    with_them, _ = translated(event, identity, describe_useragent)
    without, _ = translated(replace(event, properties={}), identity, describe_useragent)

    assert without["properties"].items() <= with_them["properties"].items()


@given(st.ip_addresses() | st.text() | texts, st.text(max_size=3))
def test_location_is_a_public_address_or_none(ip: object, tail: str) -> None:
    """Total, short, and the same for itself: no text of a stranger's gets through."""
    found = location_address(f"{ip}{tail}")

    assert found == 0 or (isinstance(found, str) and len(found) <= 39)
    assert found == 0 or location_address(str(found)) == found


@given(st.text(max_size=300))
def test_any_header_is_described_in_short_strings(header: str) -> None:
    """Names we know, values that are text."""
    found = describe_useragent(header)

    assert all(name.startswith("$") and value for name, value in found.items())


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(lambda text: text * 300))
def test_cut_text_is_the_longest_beginning_that_fits(text: str) -> None:
    """On a character's boundary, and not one character less than there is room for."""
    sent, cut_count = translated(make_event(data=text), "distinct_id", lambda _: {})

    cut = sent["properties"]["data"]
    assert text.startswith(cut)
    assert len(cut.encode()) <= 255
    assert cut_count == (cut != text)
    assert cut == text or len(text[: len(cut) + 1].encode()) > 255
