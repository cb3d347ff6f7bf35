"""Data: the cases of the probe. They expect what the simulator does; a test holds the two together."""

import math

from whyness_ops.probe.case import ABSENT, Ahead, Case, Request, Sent, refused, taken
from whyness_ops.probe.request_cases import requests, sizes
from whyness_ops.probe.sources import (
    DATA_TYPES,
    DEDUPLICATION,
    EVENTS,
    GEOLOCATION,
    IDENTITY,
    IMPORT,
    LOADER,
    OURS,
    RESERVED,
)

_DAY_S = 86_400
_TIME, _PERSON, _INSERT_ID = "properties.time", "properties.distinct_id", "$insert_id"
_LONG = "x" * 300


def all_cases() -> tuple[Case, ...]:
    """Return them in the order in which they are asked; the first is an ordinary event."""
    plain = taken("an ordinary event", IMPORT, Sent())
    return (plain, *_times(), *_people(), *_insert_ids(), *_texts(), *_copies(), *_shapes(), *_numbers(),
            *requests(), *sizes())  # fmt: skip


def _times() -> list[Case]:
    in_1971, five_years = 31_536_000_000, Ahead(-5 * 365 * _DAY_S)
    return [
        taken("time in seconds", IMPORT, Sent({"time": Ahead(-60, in_s=True)})),
        taken("time 1971-01-01 in ms", IMPORT, Sent({"time": in_1971})),
        taken("time 1971-01-01 in seconds", IMPORT, Sent({"time": in_1971 // 1_000})),
        refused("time 1970-12-31 in seconds", IMPORT, _TIME, Sent({"time": in_1971 // 1_000 - 1})),
        refused("time 1970-12-31 in ms", OURS, _TIME, Sent({"time": in_1971 - 1})),
        taken("time 5 years ago", IMPORT, Sent({"time": five_years})),
        taken("time 20 minutes ahead", IMPORT, Sent({"time": Ahead(1_200)}, is_clamped=True)),
        taken("time 45 minutes ahead", IMPORT, Sent({"time": Ahead(2_700)}, is_clamped=True)),
        refused("time 2 hours ahead", IMPORT, _TIME, Sent({"time": Ahead(7_200)})),
        refused("time 3 days ahead", IMPORT, _TIME, Sent({"time": Ahead(3 * _DAY_S)})),
        refused("time a float or a text", IMPORT, _TIME, Sent({"time": 1.5}), Sent({"time": "1763900000"})),
    ]


def _people() -> list[Case]:
    device, user = "$device:d-{run}", "u-{run}"
    merged = {"distinct_id": user, "$distinct_id_before_identity": device}
    both = Sent({"distinct_id": user, "$user_id": user, "$device_id": "d-{run}"})
    placeholders = [Sent({"distinct_id": each}) for each in ("anonymous", "UNDEFINED", "0", "lmy47d")]
    return [
        refused("distinct_id a placeholder", IMPORT, _PERSON, *placeholders),
        refused("distinct_id a number", IMPORT, _PERSON, Sent({"distinct_id": 42})),
        refused("distinct_id missing", LOADER, _PERSON, Sent({"distinct_id": ABSENT})),
        taken("distinct_id empty", IMPORT, Sent({"distinct_id": ""})),
        taken("distinct_id of 300 characters", OURS,
               Sent({"distinct_id": _LONG}, stored={"distinct_id": "x" * 255})),
        taken("distinct_id not ASCII", IMPORT, Sent({"distinct_id": "zoë-雪-🙂-{run}"})),
        taken("distinct_id bare", LOADER, Sent(stored={"$user_id": "probe-{run}"})),
        taken("distinct_id of a device", LOADER,
               Sent({"distinct_id": "$device:e-{run}"}, stored={"$device_id": "e-{run}"})),
        taken("$device_id alone", IDENTITY, Sent({"distinct_id": ABSENT, "$device_id": "f-{run}"},
                                                  stored={"distinct_id": "$device:f-{run}"})),
        taken("$user_id a placeholder", LOADER,
               Sent({"$user_id": "anonymous"}, stored={"$user_id": "probe-{run}"})),
        Case("a device, then its user", LOADER, (
            Request((Sent({"distinct_id": device}, stored=merged),)), Request((both,)))),
    ]  # fmt: skip


def _insert_ids() -> list[Case]:
    wrong = [Sent({"$insert_id": each}) for each in ("a:b", "a_b", "é", "a b")]
    return [
        refused("$insert_id a placeholder", IMPORT, _INSERT_ID, Sent({"$insert_id": "null"})),
        refused("$insert_id missing", IMPORT, _INSERT_ID, Sent({"$insert_id": ABSENT})),
        taken("$insert_id of 36 bytes", IMPORT, Sent({"$insert_id": "{run}" + "a" * 28})),
        refused("$insert_id of 37 bytes", IMPORT, _INSERT_ID, Sent({"$insert_id": "{run}" + "a" * 29})),
        refused("$insert_id with other characters", IMPORT, _INSERT_ID, *wrong),
    ]


def _texts() -> list[Case]:
    two_bytes = "é" * 200
    kept: dict[str, object] = {
        "nan": "NaN",
        "empty": "",
        "null": None,
        "list": [],
        "object": {},
        "emoji": "👩‍🚀",
    }
    nested = {"object": {"text": _LONG, "list": [_LONG]}}
    return [
        taken("text of 300 characters", DATA_TYPES, Sent({"text": _LONG}, stored={"text": "x" * 255})),
        taken("text of 200 characters, 400 bytes", DATA_TYPES,
               Sent({"text": two_bytes}, stored={"text": "é" * 127})),
        taken("text of 300 characters in an object", OURS, Sent(nested)),
        taken("property with a name of 300 characters", EVENTS,
               Sent({_LONG: 1}, stored={_LONG: ABSENT, "x" * 255: 1})),
        taken("event with a name of 300 characters", EVENTS, Sent(event=_LONG, stored_event="x" * 255)),
        refused("event with a blank name", EVENTS, "event", Sent(event=" ")),
        taken("NaN as a text, empty values", OURS, Sent(kept)),
        refused("text that is not UTF-8", IMPORT, "properties.text", Sent({"text": "a\udcff"})),
        taken("$ignore", RESERVED, Sent({"$ignore": True}, is_dropped=True)),
        taken("ip", GEOLOCATION, Sent({"ip": "192.0.2.1"}, stored={"ip": ABSENT})),
    ]  # fmt: skip


def _copies() -> list[Case]:
    usual = Ahead(-120)

    def twice(name: str, *requests: tuple[Sent, ...]) -> Case:
        return Case(name, DEDUPLICATION, tuple(map(Request, requests)))

    def copy(letter: str, time: Ahead = usual) -> Sent:
        return Sent({"$insert_id": f"{{run}}-copy-{letter}", "time": time})

    return [
        twice("twice in a request", (copy("a"), copy("a"))),
        twice("twice in two requests", (copy("b"),), (copy("b"),)),
        twice("twice on two days", (copy("c"),), (copy("c", Ahead(-_DAY_S)),)),
        twice("twice a minute apart", (copy("d"),), (copy("d", Ahead(-180)),)),
        twice("twice, in seconds and ms", (copy("e", Ahead(-240)),), (copy("e", Ahead(-240, in_s=True)),)),
    ]


def _shapes() -> list[Case]:
    def filled(count: int) -> dict[str, object]:
        return {f"p{number}": number for number in range(count)}

    def sized(last: int) -> list[str]:
        return ["x" * 100] * 77 + ["x" * last]

    three = {"a": {"b": {"c": 1}}}
    return [
        taken("3 levels", IMPORT, Sent({"nested": three}), Sent({"nested": [[[1]]]})),
        refused("4 levels", IMPORT, "properties.nested", Sent({"nested": {"z": three}}),
                 Sent({"nested": [[[[1]]]]})),
        taken("254 properties", IMPORT, Sent(filled(250))),
        refused("255 properties", IMPORT, "properties", Sent(filled(251))),
        taken("254 keys, 254 elements", IMPORT, Sent({"nested": filled(254)}), Sent({"nested": [0] * 254})),
        refused("255 keys, 255 elements", IMPORT, "properties.nested", Sent({"nested": filled(255)}),
                 Sent({"nested": [0] * 255})),
        taken("a list of 8,000 bytes", DATA_TYPES, Sent({"nested": sized(65)})),
        refused("a list of 8,001 bytes", DATA_TYPES, "properties.nested", Sent({"nested": sized(66)})),
    ]  # fmt: skip


def _numbers() -> list[Case]:
    edges = (2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1)
    floats = (0.1, 1.0, 1e300, -2.5e-8, 3.0e15 + 0.5)
    return [
        taken("integers around 2^53", OURS, Sent({f"n{at}": each for at, each in enumerate(edges)})),
        taken("floats", OURS, Sent({f"n{at}": each for at, each in enumerate(floats)})),
        Case("the number NaN", OURS, (Request((Sent({"number": math.nan}),), answer="400"),)),
    ]
