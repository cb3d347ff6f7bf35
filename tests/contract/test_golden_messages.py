"""Messages of every version stay readable for ever, and count as the same events at Mixpanel for ever.

Files of `golden/v1`:

- `NAME.json` is a body as a producer may send it. Added, never edited: such bodies lie in queues.
- `SHA256SUMS` holds the sums of those (`sha256sum NAME.json`), a line each. Lines are added, never edited.
- `KEYS` holds the four fields by which Mixpanel deduplicates, for each message, setting of the function and
  event. Lines are added, never edited: an event that was sent under one key and comes again under another
  counts twice.
- `NAME.expected.json` is all that Mixpanel gets, but for what follows our releases: the library's version,
  and what the parser reads from a user agent. It may gain a property.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tests.builders import as_event, make_record, read_record, translated
from whyness_events import IDENTITIES, decode_message, encode_message
from whyness_events.delivery.items import Item
from whyness_events.event import Event, parse_event

GOLDEN = Path(__file__).parent / "golden" / "v1"
MESSAGES = sorted(path for path in GOLDEN.glob("*.json") if ".expected" not in path.name)
LATER_MS = 1_900_000_000_000

every_message = pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)


def _expected(path: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(path.with_suffix(".expected.json").read_text())
    return found


def _read(body: str, setting: str, **record: Any) -> list[Item]:
    return read_record(make_record(body, **record), now_ms=LATER_MS, default_identity=setting).items


def _sent(item: Item) -> dict[str, Any]:
    assert item.event is not None, item.outcome
    sent, _ = translated(item.event, item.identity, lambda _: {})
    del sent["properties"]["$lib_version"]
    return sent


def _key_lines(path: Path, setting: str, items: list[Item]) -> Iterator[str]:
    for item in items:
        sent = _sent(item)
        names = ("distinct_id", "time", "$insert_id")
        key = [sent["event"], *(sent["properties"][name] for name in names)]
        yield f"{path.stem} {setting} {json.dumps(key, ensure_ascii=False)}"


def _frozen_keys(path: Path, setting: str) -> list[str]:
    lines = (GOLDEN / "KEYS").read_text().splitlines()
    return [line for line in lines if line.startswith(f"{path.stem} {setting} ")]


def test_golden_messages_are_never_edited() -> None:
    """Every message has the sum it was added with."""
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in MESSAGES]

    frozen = (GOLDEN / "SHA256SUMS").read_text().splitlines()

    assert sorted(frozen) == sorted(sums)
    assert len(MESSAGES) >= 14


def test_each_field_is_in_a_golden_message() -> None:
    """A new field needs a new message, with its expected events, sum and keys."""
    raw_events = [raw for path in MESSAGES for raw in decode_message(path.read_text()).raw_events]
    used = {name for raw in raw_events if isinstance(raw, dict) for name in raw}

    assert {field.name for field in fields(Event)} - used == set()


@every_message
@pytest.mark.parametrize("setting", IDENTITIES)
def test_golden_message_becomes_exactly_these_events(path: Path, setting: str) -> None:
    """Every message of the version is read, and Mixpanel gets what it always got for it."""
    sent = [_sent(item) for item in _read(path.read_text(), setting)]

    assert sent == _expected(path)[setting]
    assert json.dumps(sent, sort_keys=True) == json.dumps(
        _expected(path)[setting], sort_keys=True
    )  # 1 is not true


@every_message
def test_golden_message_reads_the_same_for_both_decoders(path: Path) -> None:
    """The contract's own decoder, which anybody may use, finds the events that the Lambda's finds."""
    message = decode_message(path.read_text())

    events = [parse_event(raw, now_ms=LATER_MS) for raw in message.raw_events]

    found = [as_event(item) for item in _read(path.read_text(), "distinct_id")]
    assert [event.to_wire() for event in events] == [event.to_wire() for event in found if event]


@every_message
def test_stamp_of_the_message_wins_over_the_setting(path: Path) -> None:
    """A stamped message is the same under every setting; only one without a stamp follows it."""
    stamped = decode_message(path.read_text()).identity is not None

    expected = _expected(path)

    assert not stamped or expected["distinct_id"] == expected["simplified"]


@every_message
@pytest.mark.parametrize("setting", IDENTITIES)
def test_deduplication_fields_are_a_function_of_the_message_alone(path: Path, setting: str) -> None:
    """Invariant 2: the four fields are what they always were, however often and however the message comes."""
    body = path.read_text()
    other_bytes = json.dumps(json.loads(body))

    first = _read(body, setting)
    again = _read(other_bytes, setting, receive_count=40, sent_ms=1, message_id="other")

    assert list(_key_lines(path, setting, first)) == _frozen_keys(path, setting)
    assert list(_key_lines(path, setting, again)) == _frozen_keys(path, setting)


@every_message
def test_events_survive_being_published_again(path: Path) -> None:
    """What today's encoder makes of a golden message's events is the same events."""
    identity = decode_message(path.read_text()).identity or "distinct_id"
    items = _read(path.read_text(), identity)

    body = encode_message([event for item in items if (event := as_event(item))], identity=identity)

    assert [_sent(item) for item in _read(body, "simplified")] == _expected(path)[identity]
