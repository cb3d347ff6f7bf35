"""Sizes are judged as Mixpanel gets the event, its strings cut, whichever decoder reads it."""

import json
from typing import Any

import pytest

from tests.builders import NOW_MS, large_properties, make_raw, make_record
from tests.corpus import oversized_event, sent_bytes
from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.mixpanel.useragent import describe_useragent
from whyness_events.delivery.reading.reader import Reader

# The first two are read by the fast decoder, the third by the lenient one.
BODIES = ["{}", '{{"schema_version":1,"events":[{}]}}', '{{"events":[{}]}}']


def _read(text: str, body: str) -> tuple[Item, int]:
    reader = Reader(Translator(describe_useragent), "distinct_id")
    (item,) = reader.read([make_record(body.format(text))], now_ms=NOW_MS)[0].items
    return item, reader.strings_cut


def _detail(item: Item) -> str:
    return item.outcome.detail if item.outcome else ""


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_event_is_at_most_a_million_bytes_as_mixpanel_gets_it(body: str, over: int) -> None:
    """The limit is exact to the byte, with what the translation adds."""
    added = sent_bytes(oversized_event(500_000)) - 500_000

    item, _ = _read(oversized_event(1_000_000 - added + over), body)

    assert len(item.encoded) == 1_000_000 + over
    too_large = "event: found 1000001 bytes of JSON; allowed: at most 1000000 bytes"
    assert _detail(item) == (too_large if over > 0 else "")


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("field", ["data", "properties"])
@pytest.mark.parametrize("size_bytes", [4_000, 8_192, 8_193])
def test_nested_value_is_at_most_8192_bytes(body: str, field: str, size_bytes: int) -> None:
    """The fast decoder's types do not know it; an event that may hold too much gets the closer look."""
    nested = large_properties(size_bytes)
    raw = make_raw(**{field: nested if field == "data" else {"own": nested}})

    item, _ = _read(json.dumps(raw), body)

    refused = "found an object or array of 8193 bytes of JSON, with long strings cut" in _detail(item)
    assert refused == (item.outcome is not None) == (size_bytes > 8_192)


_LONG = "漢" * 100_000  # 300 kB


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    "fields",
    [
        {"data": _LONG},
        {"useragent": _LONG},
        {"data": {"k": _LONG}},
        {"properties": {"p": _LONG}},
        {"properties": {"p": [_LONG, 1]}},
        {"properties": {"p": [{"k": [_LONG]}]}},
        {"properties": {"p": [{_LONG: 1}]}},
        {"properties": {_LONG: {"k": 1}}},
    ],
)
def test_long_string_is_cut_wherever_it_stands_and_harms_no_event(body: str, fields: dict[str, Any]) -> None:
    """The same at any depth: cut, counted once, and the event is sent, a short one by now."""
    item, strings_cut = _read(json.dumps(make_raw(**fields), ensure_ascii=False), body)

    sent = item.encoded.decode()
    assert (item.outcome, strings_cut) == (None, 1)
    assert "漢" * 85 in sent
    assert "漢" * 86 not in sent


@pytest.mark.parametrize("body", BODIES[1:])
def test_event_above_a_million_bytes_before_it_is_cut_is_sent(body: str) -> None:
    """Only what Mixpanel would get counts, not unknown fields."""
    for fields in ({"data": "x" * 1_020_000}, {"other": ["x" * 1_020_000]}):
        item, _ = _read(json.dumps(make_raw(**fields)), body)

        assert item.outcome is None
        assert len(item.encoded) < 1_000
