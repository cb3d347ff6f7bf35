"""What producers get wrong: bad events and bad bodies, and exactly what the reader says of each.

Each holds MARKER wherever a value can: no text of ours may ever show it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.builders import NOW_MS, REMOVED, large_properties
from whyness_events import limits, parse_event
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.mixpanel.useragent import describe_useragent

MARKER = "Confidential7f3a"
_BASE = {
    "insert_id": "bad-1",
    "event": f"Bad {MARKER}",
    "user": MARKER,
    "time": NOW_MS - 60_000,
    "ip": "203.0.113.77",
    "useragent": f"{MARKER}/1.0",
    "data": MARKER,
    "properties": {"note": MARKER},
    "prospect": MARKER,
}

_ID = "1 to 36 letters A-Z a-z, digits and hyphens, not a placeholder such as null or 0"
_NAMED = "a name of at most 255 bytes"
_TIME = "epoch milliseconds as an integer"
_UTF8 = "a string that is not valid UTF-8 (a lone surrogate)"
_NAN = "NaN, or a number too large to read"
_WIDE = "an integer of more than 64 bits"
_LONG_PROSPECT = ("a prospect of 246 bytes", "at most 245 bytes")
_SINCE_1971 = ("a time before 1971 (are these seconds?)", "epoch milliseconds from 1971-01-01 on")
_AHEAD = ("a time more than an hour in the future", "epoch milliseconds up to an hour ahead")
_ANY = "properties.*"
_MISSING = "nothing (the field is missing)"


@dataclass(frozen=True, slots=True)
class BadEvent:
    """One bad event, as it stands in an envelope.

    Args:
        name: what is wrong.
        text: its JSON, or what a producer takes for it.
        field: which field the reader names.
        found: what the reader says it found there.
        allowed: what the reader says may stand there.
        reason: the outcome.
        in_schema: whether the JSON Schema can tell.
    """

    name: str
    text: str
    field: str
    found: str
    allowed: str
    reason: str = "rejected"
    in_schema: bool = True

    @property
    def detail(self) -> str:
        """The sentence a person reads."""
        return f"{self.field}: found {self.found}; allowed: {self.allowed}"


@dataclass(frozen=True, slots=True)
class BadBody:
    """One body from which no event can be read; see BadEvent."""

    name: str
    body: str
    detail: str
    in_schema: bool = True


def event_text(raw: Mapping[str, str] | None = None, **fields: Any) -> str:
    """Return an event's JSON: valid but for `fields`, and for `raw`, which is JSON text already."""
    filled = {name: value for name, value in {**_BASE, **fields}.items() if value is not REMOVED}
    texts = {name: json.dumps(value, separators=(",", ":")) for name, value in filled.items()}
    return "{" + ",".join(f'"{name}":{text}' for name, text in {**texts, **(raw or {})}.items()) + "}"


def nested(levels: int, innermost: object = MARKER) -> object:
    """Return objects and arrays in turn, `levels` of them, one inside the other; an object outside."""
    value = innermost
    for level in reversed(range(levels)):
        value = [value] if level % 2 else {"inner": value}
    return value


def deep_text(levels: int) -> str:
    """Return JSON text of so many nested arrays that building it as a value would be the problem."""
    return "[" * levels + "]" * levels


def _missing() -> list[BadEvent]:
    allowed = {
        "insert_id": "a string",
        "event": "a string",
        "user": 'a string ("" for an anonymous event)',
        "time": _TIME,
    }
    return [
        BadEvent(f"{name} missing", event_text(None, **{name: REMOVED}), name, _MISSING, text, "unreadable")
        for name, text in allowed.items()
    ]


def _no_object() -> list[BadEvent]:
    kinds = {
        json.dumps(MARKER): "a string of 16 bytes",
        "7": "an integer",
        "7.5": "a number with a fraction",
        "null": "null",
        "true": "a boolean",
        f'["{MARKER}"]': "an array of 1 elements",
    }
    return [
        BadEvent(f"{found} for an event", text, "events.*", found, "an object", "unreadable")
        for text, found in kinds.items()
    ]


def _wrong_types() -> list[BadEvent]:
    wrong: list[tuple[str, Any, str, str]] = [
        ("insert_id", 4711, "an integer", "a string"),
        ("insert_id", None, "null", "a string"),
        ("event", [MARKER], "an array of 1 elements", "a string"),
        ("event", None, "null", "a string"),
        ("user", 123, "an integer", 'a string ("" for an anonymous event)'),
        ("user", None, "null", 'a string ("" for an anonymous event)'),
        ("time", str(NOW_MS), "a string of 13 bytes", _TIME),
        ("time", "2026-11-23T10:00:00", "a string of 19 bytes", _TIME),
        ("time", NOW_MS + 0.5, "a number with a fraction", _TIME),
        ("time", True, "a boolean", _TIME),
        ("time", None, "null", _TIME),
        ("useragent", {"ua": MARKER}, "an object of 1 keys", "a string"),
        ("data", [MARKER], "an array of 1 elements", "a string or an object"),
        ("data", 7, "an integer", "a string or an object"),
        ("properties", [MARKER], "an array of 1 elements", "an object"),
        ("properties", MARKER, "a string of 16 bytes", "an object"),
        ("prospect", 45, "an integer", "a string"),
    ]
    return [
        BadEvent(f"{name} is {found}", event_text(**{name: value}), name, found, allowed)
        for name, value, found, allowed in wrong
    ]


def _insert_ids() -> list[BadEvent]:
    ids = {
        "placeholder": ("null", "a placeholder"),
        "placeholder in capitals": ("UNDEFINED", "a placeholder"),
        "placeholder in mixed case": ("aNonYmous", "a placeholder"),
        "placeholder of zeros": ("00000000-0000-0000-0000-000000000000", "a placeholder"),
        "placeholder 0": ("0", "a placeholder"),
        "of 37 bytes": ("a" * 21 + MARKER, "a string of 37 bytes"),
        "with a colon": (f"{MARKER}:1", "a string of 18 bytes with other characters"),
        "with a line end": (f"{MARKER}\n", "a string of 17 bytes with other characters"),
        "with other letters": (f"é{MARKER}", "a string of 18 bytes with other characters"),
        "with other digits": (f"٣{MARKER}", "a string of 18 bytes with other characters"),
    }
    return [
        BadEvent(f"insert_id {name}", event_text(insert_id=value), "insert_id", found, _ID)
        for name, (value, found) in ids.items()
    ]


def _names_and_users() -> list[BadEvent]:
    blank = ("a blank string", "a name of 1 to 255 bytes")
    verb = ("an identity verb", "names other than $identify, $merge, $create_alias")
    no_id = ("a placeholder", 'an id, or "" for an anonymous event')
    device = ("the prefix $device:", 'an id, or "p:" and an id for a prospect')
    return [
        BadEvent("event of spaces", event_text(event=" \t\n"), "event", *blank),
        BadEvent(
            "event of 256 bytes",
            event_text(event="x" * 240 + MARKER),
            "event",
            "a string of 256 bytes",
            _NAMED,
        ),
        BadEvent(
            "event of 256 bytes in 128 characters",
            event_text(event="é" * 128),
            "event",
            "a string of 256 bytes",
            _NAMED,
            in_schema=False,
        ),
        *(
            BadEvent(f"event {name}", event_text(event=name), "event", *verb)
            for name in ("$identify", "$merge", "$create_alias")
        ),
        BadEvent(
            "user of 256 bytes",
            event_text(user="x" * 240 + MARKER),
            "user",
            "a string of 256 bytes",
            "at most 255 bytes",
        ),
        BadEvent(
            "user a prospect of 246 bytes",
            event_text(user="p:" + "4" * 230 + MARKER),
            "user",
            *_LONG_PROSPECT,
        ),
        BadEvent(
            "prospect of 246 bytes",
            event_text(prospect="4" * 230 + MARKER),
            "prospect",
            *_LONG_PROSPECT,
        ),
        BadEvent("user a placeholder", event_text(user="none"), "user", *no_id),
        BadEvent("user a placeholder in capitals", event_text(user="NULL"), "user", *no_id),
        BadEvent("user n/a", event_text(user="N/A"), "user", *no_id),
        BadEvent("user -1", event_text(user="-1"), "user", *no_id),
        BadEvent(
            "user p: alone",
            event_text(user="p:"),
            "user",
            "the prefix p: alone",
            '"p:" and the id of a prospect',
        ),
        BadEvent("user a device", event_text(user=f"$device:{MARKER}"), "user", *device),
    ]


def _empty_names() -> list[BadEvent]:
    empty: list[tuple[str, dict[str, Any], str]] = [
        ("insert_id", {"insert_id": ""}, _ID),
        ("event", {"event": ""}, "a name of 1 to 255 bytes"),
        (_ANY, {"properties": {"": MARKER}}, "any other name"),
        (_ANY, {"properties": {"plan": MARKER, "": {"": MARKER}}}, "any other name"),
    ]
    return [
        BadEvent(
            f"empty name {n} of {field}",
            event_text(**fields),
            field,
            "an empty string",
            f"{allowed}; it must not be empty",
        )
        for n, (field, fields, allowed) in enumerate(empty)
    ]


def _times() -> list[BadEvent]:
    year_2100 = 4_102_444_800_000
    return [
        BadEvent("time in 1969", event_text(time=-1_000), "time", *_SINCE_1971),
        BadEvent("time in seconds", event_text(time=NOW_MS // 1000), "time", *_SINCE_1971),
        BadEvent("time in 2100", event_text(time=year_2100), "time", *_AHEAD, in_schema=False),
        BadEvent("time of 30 digits", event_text({"time": "9" * 30}), "time", *_AHEAD, in_schema=False),
        BadEvent(
            "time a float without fraction",
            event_text({"time": f"{NOW_MS}.0"}),
            "time",
            "a number with a fraction",
            _TIME,
            in_schema=False,
        ),
        BadEvent("time NaN", event_text({"time": "NaN"}), "time", _NAN, _TIME),
        BadEvent("time Infinity", event_text({"time": "-Infinity"}), "time", _NAN, _TIME),
        BadEvent(
            "time of 5,000 digits", event_text({"time": "9" * 5_000}), "time", _NAN, _TIME, in_schema=False
        ),
        BadEvent("time 1e400", event_text({"time": "1e400"}), "time", _NAN, _TIME),
    ]


def _shapes() -> list[BadEvent]:
    levels = ("4 levels of nesting or more", "at most 3 levels of objects and arrays")
    keys, elements = (
        ("an object of 255 keys", "at most 254 keys"),
        ("an array of 255 elements", "at most 254 elements"),
    )
    many = {f"{MARKER}{n}": n for n in range(255)}
    of_8193_bytes = large_properties(limits.NESTED_VALUE_BYTES + 1)
    over_8_kb = ("an object or array of 8193 bytes of JSON, with long strings cut", "at most 8192 bytes")
    return [
        BadEvent(
            f"{count} properties",
            event_text(properties={f"{MARKER}{n}": n for n in range(count)}),
            "properties",
            f"an object of {count} keys",
            "at most 230 keys",
        )
        for count in (231, 300)
    ] + [
        BadEvent("property 4 levels deep", event_text(properties={"p": nested(4)}), _ANY, *levels),
        BadEvent(
            "property 500 levels deep", event_text({"properties": f'{{"p":{deep_text(500)}}}'}), _ANY, *levels
        ),
        BadEvent("data 4 levels deep", event_text(data=nested(4)), "data", *levels),
        BadEvent("data of 255 keys", event_text(data=many), "data", *keys),
        BadEvent("property of 255 keys", event_text(properties={"p": many}), _ANY, *keys),
        BadEvent("property of 255 elements", event_text(properties={"p": [MARKER] * 255}), _ANY, *elements),
        BadEvent(
            "property of 8,193 bytes",
            event_text(properties={"p": of_8193_bytes}),
            _ANY,
            *over_8_kb,
            in_schema=False,
        ),
    ]


def _contents() -> list[BadEvent]:
    reserved = ("a name that Mixpanel reserves", "any other name")
    own = ("the name of a field of the event", "any other name")
    prefix = ("a name starting with $ or mp_", "any other name")
    number = ("an integer of at most 64 bits",)
    surrogate = f'"{MARKER}\\ud800"'
    return [
        *(
            BadEvent(f"property {n}", event_text(properties={n: MARKER}), _ANY, *reserved)
            for n in ("time", "bucket")
        ),
        *(
            BadEvent(f"property {n}", event_text(properties={n: MARKER}), _ANY, *own)
            for n in ("useragent", "prospect")
        ),
        *(
            BadEvent(f"property {n}", event_text(properties={n: MARKER}), _ANY, *prefix)
            for n in ("$insert_id", "mp_lib")
        ),
        BadEvent(
            "property of 65 bits", event_text(properties={"p": 2**64}), _ANY, _WIDE, *number, in_schema=False
        ),
        BadEvent(
            "property NaN",
            event_text({"properties": '{"p":NaN}'}),
            _ANY,
            _NAN,
            "a finite number",
            in_schema=False,
        ),
        BadEvent(
            "property 1e400",
            event_text({"properties": '{"p":[1e400]}'}),
            _ANY,
            _NAN,
            "a finite number",
            in_schema=False,
        ),
        *(
            BadEvent(
                f"{name} not UTF-8",
                event_text({name: surrogate}),
                name,
                _UTF8,
                "valid UTF-8",
                in_schema=False,
            )
            for name in ("event", "user", "useragent", "data", "prospect")
        ),
        BadEvent(
            "property not UTF-8",
            event_text({"properties": f'{{"p":[{surrogate}]}}'}),
            _ANY,
            _UTF8,
            "valid UTF-8",
            in_schema=False,
        ),
        BadEvent(
            "property's name not UTF-8",
            event_text({"properties": f"{{{surrogate}:1}}"}),
            _ANY,
            _UTF8,
            "valid UTF-8",
            in_schema=False,
        ),
        BadEvent(
            "duplicate keys, the last one wrong",
            event_text()[:-1] + ',"insert_id":"twice"' + f',"insert_id":"{MARKER} "}}',
            "insert_id",
            "a string of 17 bytes with other characters",
            _ID,
        ),
    ]


def oversized_event(size_bytes: int) -> str:
    """Return an event of exactly `size_bytes` of compact JSON, valid but for that; nothing of it is cut."""
    room = size_bytes - len(event_text(properties={})) + len("{}")
    return event_text(properties=large_properties(room))


def sent_bytes(text: str) -> int:
    """Return how many bytes of JSON Mixpanel would get of a valid event."""
    event = parse_event(json.loads(text), now_ms=NOW_MS)
    return len(Translator(describe_useragent).translate([event], ["distinct_id"])[0][0])


BAD_EVENTS = [
    *_missing(),
    *_no_object(),
    *_wrong_types(),
    *_insert_ids(),
    *_names_and_users(),
    *_empty_names(),
    *_times(),
    *_shapes(),
    *_contents(),
    *(
        BadEvent(
            f"event of {size:,} bytes",
            oversized_event(size),
            "event",
            f"{sent_bytes(oversized_event(size))} bytes of JSON",
            "at most 1000000 bytes",
            "oversized",
            in_schema=False,
        )
        for size in (1_000_001, 1_020_000)
    ),
]

_NOT_JSON = "body: found text that is not JSON (invalid at character {}); allowed: JSON"
_NOTHING = "body: found nothing; allowed: JSON"
_NO_MESSAGE = "body: found {}; allowed: one event object, or an envelope"
_NO_EVENTS = "events: found {}; allowed: an array of at least one event"
_TOO_DEEP = "body: found JSON nested too deeply to read; allowed: 3 levels"
_IDENTITY = "identity: found {}; allowed: distinct_id or simplified"
_VERSION = "schema_version: found {}; allowed: a positive integer"
_GOOD = event_text(insert_id="good-1")

BAD_BODIES = [
    BadBody("text", f"hello {MARKER}", _NOT_JSON.format(0), in_schema=False),
    BadBody("empty", "", _NOTHING, in_schema=False),
    BadBody("blank", " \n\t ", _NOTHING, in_schema=False),
    BadBody("cut short", _GOOD[:-1], _NOT_JSON.format(len(_GOOD) - 1), in_schema=False),
    BadBody("two in one", f"{_GOOD}\n{_GOOD}", _NOT_JSON.format(len(_GOOD) + 1), in_schema=False),
    BadBody("Python's own notation", "{'event': 'x'}", _NOT_JSON.format(1), in_schema=False),
    BadBody("unescaped control character", f'"{MARKER}\n"', _NOT_JSON.format(17), in_schema=False),
    BadBody("byte order mark", f"\ufeff{_GOOD}", _NOT_JSON.format(0), in_schema=False),
    BadBody("array", f"[{_GOOD}]", _NO_MESSAGE.format("an array of 1 elements")),
    BadBody("number", "42", _NO_MESSAGE.format("an integer")),
    BadBody("number too large", "9" * 5_000, _NO_MESSAGE.format(_NAN), in_schema=False),
    BadBody("string", f'"{MARKER}"', _NO_MESSAGE.format("a string of 16 bytes")),
    BadBody("null", "null", _NO_MESSAGE.format("null")),
    BadBody("boolean", "true", _NO_MESSAGE.format("a boolean")),
    BadBody("100,000 levels of arrays", deep_text(100_000), _TOO_DEEP, in_schema=False),
    BadBody("100,000 levels of objects", '{"a":' * 100_000 + "1" + "}" * 100_000, _TOO_DEEP, in_schema=False),
    BadBody(
        "100,000 levels below a property",
        event_text({"properties": f'{{"p":{deep_text(100_000)}}}'}),
        _TOO_DEEP,
        in_schema=False,
    ),
    BadBody(
        "100,000 levels below an unknown field",
        event_text({"other": deep_text(100_000)}),
        _TOO_DEEP,
        in_schema=False,
    ),
    BadBody("100,000 levels, never closed", "[" * 100_000, _TOO_DEEP, in_schema=False),
    BadBody("no events", '{"schema_version":1,"events":[]}', _NO_EVENTS.format("an array of 0 elements")),
    BadBody(
        "events an object",
        f'{{"schema_version":1,"events":{_GOOD}}}',
        _NO_EVENTS.format("an object of 9 keys"),
    ),
    BadBody("events null", '{"schema_version":1,"events":null}', _NO_EVENTS.format("null")),
    BadBody("events null beside an event", event_text(events=None), _NO_EVENTS.format("null")),
    BadBody(
        "unknown identity",
        f'{{"identity":"{MARKER}","events":[{_GOOD}]}}',
        _IDENTITY.format("a string of 16 bytes"),
    ),
    BadBody("identity a number", event_text(identity=1), _IDENTITY.format("an integer")),
    BadBody(
        "schema_version text",
        f'{{"schema_version":"1","events":[{_GOOD}]}}',
        _VERSION.format("a string of 1 bytes"),
    ),
    BadBody("schema_version 0", f'{{"schema_version":0,"events":[{_GOOD}]}}', _VERSION.format("an integer")),
    BadBody("schema_version true", event_text(schema_version=True), _VERSION.format("a boolean")),
    BadBody("schema_version null", event_text(schema_version=None), _VERSION.format("null")),
]
