"""The JSON Schema says what the code does, as far as a schema can."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from tests.builders import NOW_MS, make_event, make_raw, make_record, read_record
from tests.corpus import BAD_BODIES, BAD_EVENTS, BadBody, BadEvent, nested
from tests.strategies import events
from whyness_events import IDENTITIES, SCHEMA_VERSION, Event, encode_message, limits
from whyness_events.event import CALLERS_PROPERTY_KEYS, OWN_PROPERTIES

ROOT = Path(__file__).parents[2]
GOLDEN = sorted(ROOT.glob("tests/contract/golden/v*/*.json"))
MESSAGES = [path for path in GOLDEN if ".expected" not in path.name]


@cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "docs" / "message.schema.json").read_text())
    return found


def _is_valid(document: object) -> bool:
    return bool(Draft202012Validator(_schema()).is_valid(document))


def _is_read(document: object) -> bool:
    record = make_record(json.dumps(document))
    items = read_record(record, now_ms=NOW_MS, default_identity="distinct_id").items
    return all(item.outcome is None for item in items)


def test_schema_is_itself_valid() -> None:
    """It follows the draft it names."""
    Draft202012Validator.check_schema(_schema())

    assert _schema()["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_every_field_is_described() -> None:
    """The schema speaks of each field of an event, and says of each what it means."""
    fields = _schema()["$defs"]["event"]["properties"]

    assert list(fields) == list(Event.__dataclass_fields__)
    assert all(field["description"].endswith(".") for field in fields.values())


def test_numbers_and_names_are_those_of_the_code() -> None:
    """No number stands in the schema that the code does not have."""
    defs = _schema()["$defs"]
    fields = defs["event"]["properties"]

    assert defs["schema_version"]["const"] == SCHEMA_VERSION
    assert [name for name in defs["identity"]["enum"] if name] == list(IDENTITIES)
    assert fields["insert_id"]["maxLength"] == limits.INSERT_ID_BYTES
    assert fields["event"]["maxLength"] == limits.EVENT_NAME_BYTES
    assert set(fields["event"]["not"]["enum"]) == limits.IDENTITY_VERBS
    assert fields["user"]["maxLength"] == limits.DISTINCT_ID_BYTES
    assert fields["time"]["minimum"] == limits.EARLIEST_TIME_MS
    assert fields["properties"]["maxProperties"] == CALLERS_PROPERTY_KEYS
    for nested_value in (fields["data"], defs["value"], defs["inside_one"], defs["inside_two"]):
        assert nested_value["maxProperties"] == limits.OBJECT_KEYS
    for nested_value in (defs["value"], defs["inside_one"], defs["inside_two"]):
        assert nested_value["maxItems"] == limits.ARRAY_ELEMENTS


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_golden_messages_are_valid(path: Path) -> None:
    """The schema describes the golden messages, which stay readable for ever."""
    assert _is_valid(json.loads(path.read_text()))


@given(events())
def test_what_our_encoder_writes_is_valid(event: Event) -> None:
    """Any valid event, in any envelope of ours, keeps to the schema."""
    for identity in IDENTITIES:
        assert _is_valid(json.loads(encode_message([event, make_event()], identity=identity)))
    assert _is_valid(event.to_wire())


@pytest.mark.parametrize("bad", [e for e in BAD_EVENTS if e.in_schema], ids=lambda bad: bad.name)
def test_bad_event_fails(bad: BadEvent) -> None:
    """What the reader refuses fails the schema too, alone and in an envelope, wherever a schema can tell."""
    event = json.loads(bad.text)

    assert not _is_valid(event)
    assert not _is_valid({"schema_version": 1, "events": [make_raw(), event]})


@pytest.mark.parametrize("bad", [b for b in BAD_BODIES if b.in_schema], ids=lambda bad: bad.name)
def test_bad_body_fails(bad: BadBody) -> None:
    """A body from which no event can be read fails the schema."""
    assert not _is_valid(json.loads(bad.body))


@pytest.mark.parametrize("bad", [e for e in BAD_EVENTS if not e.in_schema], ids=lambda bad: bad.name)
def test_what_a_schema_cannot_say_is_rightly_marked_so(bad: BadEvent) -> None:
    """The corpus excuses no entry that the schema does tell."""
    text = bad.text.replace("9" * 5_000, "9" * 50)  # Python reads no more than 4,300 digits

    assert _is_valid(json.loads(text))


_PROPERTIES: list[Any] = [
    {},
    *({name: 1} for name in sorted(limits.CALLERS_PROPERTIES | limits.RESERVED_PROPERTIES | OWN_PROPERTIES)),
    *({name: 1} for name in ("$other", "mp_other", "$", "mp_", "Mp_x", "x$", "", " ", "time ", "Time", "漢")),
    *({"p": nested(levels)} for levels in range(6)),
    *({"p": [nested(levels)]} for levels in range(4)),
    *({f"p{n}": n for n in range(count)} for count in (230, 231)),
    *({"p": ["x"] * count} for count in (254, 255)),
    *({"p": {f"k{n}": n for n in range(count)}} for count in (254, 255)),
    *({"p": [["x"] * count]} for count in (254, 255)),
    {"p": {"$any": {"mp_any": {"": None}}}},
]


@pytest.mark.parametrize("properties", _PROPERTIES, ids=lambda properties: repr(properties)[:30])
def test_schema_and_reader_agree_on_properties(properties: dict[str, Any]) -> None:
    """Names, depths and counts at their very edges: the schema takes what the reader takes."""
    event = make_raw(properties=properties)

    assert _is_valid(event) == _is_read(event)


_PLACEHOLDERS = sorted(limits.PLACEHOLDERS)
_EDGES: dict[str, list[object]] = {
    "insert_id": ["a" * 36, "a" * 37, "-", "A-9", "a_b", "a\n", "null-", "00", *_PLACEHOLDERS, "Null"],
    "event": ["x", "x" * 255, "x" * 256, " ", "\u00a0", " x ", "$identify", "$Identify"],
    "user": [
        "",
        "u" * 255,
        "u" * 256,
        "$device",
        "$device:",
        "x$device:",
        " 0",
        "p:",
        "p:" + "4" * 245,
        "p:" + "4" * 246,
        *_PLACEHOLDERS,
        "N/a",
    ],
    "time": [int(limits.EARLIEST_TIME_MS), limits.EARLIEST_TIME_MS - 1, NOW_MS, -1, 0.5],
    "ip": ["", "x", None, 7, [], {}],
    "useragent": ["", "x", None, 7, []],
    "data": ["", {}, [], None, nested(3), nested(4)],
    "prospect": ["", "x", "4" * 245, "4" * 246, None, 7, []],
    "time_unit": ["", "s", "ms", "S", None, 7],
    "schema_version": [1, 0, -1, "1", None, True],
    "identity": ["distinct_id", "simplified", None, "", "Simplified", 1],
    "other": [None, 1, {}, []],
}


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, edges in _EDGES.items() for v in edges])
def test_schema_and_reader_agree_on_fields(field: str, value: object) -> None:
    """Each field at its very edges: the schema takes what the reader takes."""
    event = make_raw(**{field: value})

    assert _is_valid(event) == _is_read(event)
    if field in event and field not in ("schema_version", "identity"):
        assert _is_valid({"events": [event]}) == _is_read({"events": [event]})
