"""An event of the contract into the event that Mixpanel gets."""

import ipaddress
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import NOW_MS, make_event, translated
from whyness_events import Event, InvalidEvent, check_event
from whyness_events.delivery.mixpanel.location import location_address
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.mixpanel.useragent import describe_useragent

RICHEST_USERAGENT = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36"
)


def _properties(event: Event, identity: str = "distinct_id") -> dict[str, Any]:
    sent, _ = translated(event, identity, lambda _: {})
    found: dict[str, Any] = sent["properties"]
    return found


def test_minimal_event_says_who_when_and_by_whom_it_was_sent() -> None:
    """Unknown properties are left out, except the address, which must say "no location"."""
    event = make_event(insert_id="4711", event="E", user="123", time=1_795_000_000_000)

    sent, cut_count = translated(event, "distinct_id", describe_useragent)

    assert sent == {
        "event": "E",
        "properties": {
            "time": 1_795_000_000_000,
            "$insert_id": "4711",
            "distinct_id": "123",
            "ip": 0,
            "mp_lib": "whyness-mixpanel",
            "$lib_version": sent["properties"]["$lib_version"],
        },
    }
    assert cut_count == 0


def test_all_there_is_to_say_is_said() -> None:
    """Raw user agent and what it means, data, and the caller's own properties as they are."""
    event = make_event(
        ip="8.8.8.8",
        useragent="curl/8.5.0",
        data={"form": {"a": [1]}},
        properties={"plan": "pro", "n": None, "$city": "Zürich"},
    )

    sent, _ = translated(event, "distinct_id", lambda header: {"$browser": header[:4]})

    found = sent["properties"]
    assert found["ip"] == "8.8.8.8"
    assert found["$browser"] == "curl"
    assert found["useragent"] == "curl/8.5.0"
    assert found["data"] == {"form": {"a": [1]}}
    assert {name: found[name] for name in ("plan", "n", "$city")} == {
        "plan": "pro",
        "n": None,
        "$city": "Zürich",
    }


IDENTITIES: list[tuple[str, str, str, dict[str, str]]] = [
    ("distinct_id", "123", "", {"distinct_id": "123"}),
    ("distinct_id", "p:45", "", {"distinct_id": "p:45"}),
    ("distinct_id", "", "", {"distinct_id": ""}),
    ("distinct_id", "123", "45", {"distinct_id": "123", "prospect": "45"}),
    ("distinct_id", "p:45", "45", {"distinct_id": "p:45", "prospect": "45"}),
    ("simplified", "123", "", {"distinct_id": "123", "$user_id": "123"}),
    ("simplified", "p:45", "", {"distinct_id": "$device:p-45", "$device_id": "p-45"}),
    ("simplified", "", "", {"distinct_id": ""}),
    (
        "simplified",
        "123",
        "45",
        {"distinct_id": "123", "$user_id": "123", "$device_id": "p-45", "prospect": "45"},
    ),
    ("simplified", "p:45", "46", {"distinct_id": "$device:p-45", "$device_id": "p-45", "prospect": "46"}),
    ("simplified", "", "45", {"distinct_id": "", "prospect": "45"}),
    ("simplified", "ap:45", "", {"distinct_id": "ap:45", "$user_id": "ap:45"}),
]


@pytest.mark.parametrize(("identity", "user", "prospect", "person"), IDENTITIES)
def test_person_is_named_in_the_way_of_the_project(
    identity: str, user: str, prospect: str, person: dict[str, str]
) -> None:
    """Only a registered user who was a prospect is sent with both ids, which merges the two irreversibly."""
    found = _properties(make_event(user=user, prospect=prospect), identity)

    names = ("distinct_id", "$user_id", "$device_id", "prospect")
    assert {name: found[name] for name in names if name in found} == person


@pytest.mark.parametrize("identity", ["distinct_id", "simplified"])
def test_deduplication_fields_depend_on_nothing_else(identity: str) -> None:
    """Invariant 2: whatever else an event says, its four fields are the same."""
    poor = Event("4711", "E", "p:45", 1_795_000_000_123)
    rich = replace(poor, ip="8.8.8.8", useragent="x" * 300, data={"time": 1}, properties={"plan": "pro"})

    keys = [
        (sent["event"], *(sent["properties"][name] for name in ("distinct_id", "time", "$insert_id")))
        for sent, _ in (translated(event, identity, describe_useragent) for event in (poor, rich))
    ]

    assert keys[0] == keys[1]


def _is_valid(event: Event) -> bool:
    try:
        check_event(event, now_ms=NOW_MS)
    except InvalidEvent:
        return False
    return True


@pytest.mark.parametrize("identity", ["distinct_id", "simplified"])
@pytest.mark.parametrize("field", ["user", "prospect"])
def test_no_id_is_long_enough_for_mixpanel_to_cut_it(field: str, identity: str) -> None:
    """Cut at 255 bytes, two people would become one: too long an id is refused, in both modes."""
    events = [make_event(**{field: prefix + "4" * n}) for n in range(1, 300) for prefix in ("", "p:")]

    taken = [_properties(event, identity) for event in events if _is_valid(event)]

    names = ("distinct_id", "$user_id", "$device_id", "prospect")
    longest = max(len(found[name]) for found in taken for name in names if name in found)
    assert 200 < longest <= 255


def test_fullest_event_keeps_mixpanels_254_properties() -> None:
    """230 of the caller's leave room for all that translation adds."""
    event = make_event(
        prospect="45",
        ip="8.8.8.8",
        useragent=RICHEST_USERAGENT,
        data="GET",
        properties={f"p{n}": n for n in range(230)},
    )

    sent, _ = translated(event, "simplified", describe_useragent)

    assert 230 + 17 < len(sent["properties"]) <= 254


@pytest.mark.parametrize(
    ("ip", "address"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("2001:4860:4860::8888", "2001:4860:4860::8888"),
        ("2001:4860:4860:0:0:0:0:8888", "2001:4860:4860::8888"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("::FFFF:808:808", "8.8.8.8"),
    ],
)
def test_public_address_is_placed_on_the_map(ip: str, address: str) -> None:
    """Addresses are sent in one notation; an IPv4 address mapped to IPv6 is sent as IPv4."""
    assert location_address(ip) == address


@pytest.mark.parametrize(
    "ip",
    [
        *("", "unknown", "-", "localhost", "8.8.8", "8.8.8.8.8", "08.8.8.8", "8.8.8.256", "134744072"),
        *(
            "8.8.8.8:443",
            "[2001:4860:4860::8888]",
            "8.8.8.8, 10.0.0.1",
            " 8.8.8.8",
            "8.8.8.8\n",
            "8.8.8.8/32",
        ),
        *("\uff18.8.8.8", "\ud800", "\x00", "8.8.8.8\x00", "1" * 100_000, ":" * 100_000, "." * 100_000),
        *("127.0.0.1", "0.0.0.0", "255.255.255.255"),  # noqa: S104  (an address somebody sends, nothing is bound)
        *("10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "192.0.2.1", "203.0.113.7"),
        *("::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "2001:db8::1", "fe80::1%eth0"),
        *("::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:192.168.1.1"),
    ],
)
def test_anything_else_means_no_location(ip: str) -> None:
    """0 says so; without it Mixpanel would place the person in our data centre."""
    assert location_address(ip) == 0


@pytest.mark.parametrize("zone", ["eth0", "1", "x" * 100_000, "<script>"])
def test_zone_of_an_address_is_not_sent(zone: str) -> None:
    """It is free text of a stranger's, and means something on one machine only."""
    assert location_address(f"2001:4860:4860::8888%{zone}") in ("2001:4860:4860::8888", 0)


CUT = [
    ("x" * 255, "x" * 255),
    ("x" * 256, "x" * 255),
    ("é" * 127 + "x", "é" * 127 + "x"),
    ("é" * 128, "é" * 127),
    ("漢" * 85, "漢" * 85),
    ("漢" * 86, "漢" * 85),
    ("x" + "漢" * 85, "x" + "漢" * 84),
    ("xx" + "漢" * 85, "xx" + "漢" * 84),
    ("🎧" * 64, "🎧" * 63),
    ("xyz" + "🎧" * 63, "xyz" + "🎧" * 63),
    ("wxyz" + "🎧" * 63, "wxyz" + "🎧" * 62),
    ("漢" * 300_000, "漢" * 85),
]


@pytest.mark.parametrize(("text", "cut"), CUT, ids=lambda text: f"{text[:4]}{len(text)}")
@pytest.mark.parametrize("where", ["data", "useragent", "property", "deep", "name", "deep name", "object"])
def test_long_strings_are_cut_at_255_bytes_between_characters(where: str, text: str, cut: str) -> None:
    """Strings and keys are cut at any depth, as Mixpanel would, and counted."""
    fields_of: dict[str, dict[str, Any]] = {
        "data": {"data": text},
        "useragent": {"useragent": text},
        "property": {"properties": {"p": text}},
        "deep": {"properties": {"p": [{"k": [text]}]}},
        "name": {"properties": {text: 1}},
        "deep name": {"properties": {"p": [{"k": {text: 1}}]}},
        "object": {"data": {"k": [text, {"k": 1}]}},
    }
    fields = fields_of[where]

    sent, cut_count = translated(make_event(**fields), "distinct_id", lambda _: {})

    plain, _ = translated(make_event(**_with(fields, text, cut)), "distinct_id", lambda _: {})
    assert {**sent["properties"], "$insert_id": ""} == {**plain["properties"], "$insert_id": ""}
    assert cut_count == (text != cut)


def _with(value: Any, old: str, new: str) -> Any:
    """Return `value` with the string `old` as `new`, wherever it stands."""
    if isinstance(value, dict):
        return {_with(name, old, new): _with(member, old, new) for name, member in value.items()}
    if isinstance(value, list):
        return [_with(member, old, new) for member in value]
    return new if value == old else value


def test_what_the_parser_finds_is_cut_too() -> None:
    """A device's name comes from the header, which is whatever a stranger sends."""
    sent, cut_count = translated(make_event(useragent="x"), "distinct_id", lambda _: {"$device": "d" * 256})

    assert sent["properties"]["$device"] == "d" * 255
    assert cut_count == 1


def test_cutting_leaves_the_event_as_it_was() -> None:
    """The event is not changed: its dead letter or row may need it."""
    properties = {"p": ["x" * 300], "n" * 300: {"k": "y" * 300}}
    event = make_event(properties=properties)

    translated(event, "distinct_id", lambda _: {})

    assert event.properties == {"p": ["x" * 300], "n" * 300: {"k": "y" * 300}}


def test_every_cut_is_counted() -> None:
    """Somebody who writes too long strings can see how many."""
    event = make_event(useragent="u" * 300, data="d" * 300, properties={"n" * 300: ["v" * 300, "v" * 255]})

    _, cut_count = translated(event, "distinct_id", lambda _: {})

    assert cut_count == 4


def test_parser_is_asked_only_where_there_is_a_header() -> None:
    """It costs, and an empty header says nothing."""
    asked: list[str] = []

    def describe(header: str) -> dict[str, str]:
        asked.append(header)
        return {}

    translated(make_event(), "distinct_id", describe)
    translated(make_event(useragent="ua"), "distinct_id", describe)

    assert asked == ["ua"]


def test_equal_headers_are_parsed_once() -> None:
    """Traffic repeats itself."""
    asked: list[str] = []

    def describe(header: str) -> dict[str, str]:
        asked.append(header)
        return {"$browser": "B"}

    translator = Translator(describe)
    event = make_event(insert_id="a", useragent="ua")
    sent = {
        *translator.translate([event, event], ["simplified"] * 2),
        *translator.translate([event], ["simplified"]),
    }

    assert asked == ["ua"]
    assert len(sent) == 1


def test_hostile_headers_are_not_kept() -> None:
    """4,096 headers of 100 kB would be 400 MB."""
    translator = Translator(lambda _: {})
    translator.translate([make_event(useragent="warm")], ["simplified"])
    tracemalloc.start()

    for number in range(40):
        translator.translate([make_event(useragent=f"{number} " + "x" * 100_000)], ["simplified"])
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept_bytes < 1_000_000


@pytest.mark.parametrize("tail", ["0.0", "7.255", "256.1", "01.1", "1"])
def test_addresses_are_placed_as_the_standard_library_says(tail: str) -> None:
    """The fast check for IPv4 gives the same result, for all networks of 16 bits and for other texts."""
    for network in range(0x10000 + 0x200):
        ip = f"{network >> 8}.{network & 255}.{tail}"

        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            expected: str | int = 0
        else:
            expected = ip if address.is_global else 0
        assert location_address(ip) == expected
