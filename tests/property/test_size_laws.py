"""Publisher and both decoders judge sizes alike: as Mixpanel gets the event, its strings cut."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW_MS, make_raw, make_record
from whyness_events import InvalidEvent, encode_event, limits, parse_event
from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.reading.reader import Reader

_texts = st.builds(
    lambda chars, times: (chars * times)[: times * 2],
    st.text("x漢🎧é\n", min_size=1, max_size=4),
    st.sampled_from([1, 60, 64, 86, 128, 255, 256, 300, 5_000]),
)
_lists = st.builds(
    lambda texts, times: texts * times, st.lists(_texts, min_size=1, max_size=4), st.integers(1, 40)
)
_objects = st.dictionaries(_texts, _texts | _lists, max_size=6)
_nested = _lists | _objects | st.lists(_objects, max_size=4)


def _read(body: str) -> Item:
    reader = Reader(Translator(lambda _: {}), "distinct_id")
    (item,) = reader.read([make_record(body)], now_ms=NOW_MS)[0].items
    return item


def _published(raw: dict[str, Any]) -> str:
    try:
        encode_event(parse_event(raw, now_ms=NOW_MS))
    except InvalidEvent as fault:
        return str(fault)
    return "taken"


@given(_nested, _objects)
def test_publisher_and_both_decoders_agree_on_nested_sizes(value: Any, data: dict[str, Any]) -> None:
    """What the Lambda delivers is not refused by the publisher, nor the other way round."""
    raw = make_raw(properties={"p": value}, data=data)
    text = json.dumps(raw)

    fast, lenient = _read(f'{{"schema_version":1,"events":[{text}]}}'), _read(f'{{"events":[{text}]}}')

    assert fast.outcome == lenient.outcome
    assert _published(raw) == (fast.outcome.detail if fast.outcome else "taken")


@given(_nested)
def test_nested_value_that_is_sent_is_within_mixpanels_limit(value: Any) -> None:
    """As sent; and it is refused only where it is not."""
    item = _read(json.dumps({"schema_version": 1, "events": [make_raw(properties={"p": value})]}))

    sent = item.encoded or b'{"properties":{"p":0}}'
    size = len(
        json.dumps(json.loads(sent)["properties"]["p"], ensure_ascii=False, separators=(",", ":")).encode()
    )
    assert (size > limits.NESTED_VALUE_BYTES) == (item.outcome is not None)
