"""The fast decoder and the lenient one agree on every body, and neither ever raises."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.builders import NOW_MS, as_event, make_event, make_record, read_record
from tests.strategies import any_json, any_text
from whyness_events.delivery.items import RecordEvents
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.reading import decode
from whyness_events.delivery.reading.reader import Reader
from whyness_events.outcomes import Reason

# JSON text of numbers and strings, and of what Python or JavaScript take for them.
_times = st.sampled_from(
    [
        f"{NOW_MS}",
        f"{NOW_MS + 1}",
        f"{NOW_MS + 3_600_000}",
        f"{NOW_MS + 3_600_001}",
        f"{NOW_MS}.0",
        f"{NOW_MS}e0",
        "1.795e12",
        f"-{NOW_MS}",
        "31535999999",
    ]
)
_whole = st.sampled_from(
    ["0", "-0", "9" * 20, "-" + "9" * 19, "9" * 400, "9" * 5_000, f"{2**64}", f"{2**64 - 1}"]
)
_fractional = st.sampled_from(["-0.0", "1.0", "1e5", "1E400", "-1e400", "1e-400", "0.1e1"])
_no_numbers = st.sampled_from(["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1", "nul", "[1,]"])
_escapes = st.sampled_from(
    [r'"\ud800"', r'"\ud83d\ude00"', r'"\ude00\ud83d"', r'"\u0000"', r'"a\/b"', r'"\x"']
)
_strings = st.sampled_from(
    ['""', '"null"', '"a\nb"', '"é漢"', '"\x7f"', '"$merge"', '"p:45"', '"simplified"']
)
_words = st.sampled_from(["null", "true", "false", "[]", "{}", "[[[[1]]]]", '{"a":{"a":{"a":{}}}}'])
_numbers = _times | _whole | _fractional | _no_numbers
_any_value = _numbers | _strings | _escapes | _words | any_json.map(json.dumps) | any_text.map(json.dumps)
_names = st.sampled_from(
    [*make_event().to_wire(), "ip", "useragent", "data", "properties", "prospect", "other"]
)
_outer_names = st.sampled_from(["schema_version", "identity", "events", "other", "insert_id"])


@st.composite
def _objects(draw: st.DrawFn, names: st.SearchStrategy[str]) -> str:
    """Return an event's JSON text with a few fields put over it, under the same names or doubled ones."""
    fields = [(name, json.dumps(value)) for name, value in make_event().to_wire().items()]
    fields += draw(st.lists(st.tuples(names, _any_value), max_size=3))
    properties = draw(st.lists(st.tuples(any_text, _any_value), max_size=2))
    if properties:
        members = ",".join(f"{json.dumps(name)}:{value}" for name, value in properties)
        fields.append(("properties", f"{{{members}}}"))
    kept = draw(st.permutations(fields)) if draw(st.booleans()) else fields
    return "{" + ",".join(f'"{name}":{value}' for name, value in kept) + "}"


@st.composite
def _envelopes(draw: st.DrawFn) -> str:
    events = draw(st.lists(_objects(_names) | _any_value, max_size=3))
    version = draw(st.sampled_from(["1"] * 6 + ["1.0", "2", "0", "true", "null", '"1"', "1e0"]))
    identity = draw(st.sampled_from(['"distinct_id"', '"simplified"', "null", '"other"', "1"]))
    extra = draw(st.sampled_from(["", ',"other":[1]', ',"events":null', ',"insert_id":"a"']))
    blank = draw(st.sampled_from(["", " "]))
    return f'{{"schema_version":{blank}{version},"identity":{identity},"events":[{",".join(events)}]{extra}}}'


_singles = _objects(_names | _outer_names)
_bodies = _singles | _envelopes() | _any_value | any_text
_cut_bodies = st.tuples(_bodies, st.integers(0, 60)).map(lambda pair: pair[0][: -pair[1] or None])


def _described(record_events: RecordEvents) -> list[Any]:
    """Return what a parcel says, in words: 1, 1.0 and True are equal, and not the same."""
    events = [as_event(item) for item in record_events.items]
    fields = [
        (repr(e and e.to_wire()), i.identity, i.position, i.outcome)
        for e, i in zip(events, record_events.items, strict=True)
    ]
    return [record_events.whole, *fields]


@settings(max_examples=300)
@given(_singles | _envelopes() | _cut_bodies)
@example('{"insert_id":"a","event":"e","user":"1","time":1795000000000,"events":null}')
@example('{"schema_version":1,"events":[{"insert_id":"a","event":"e","user":"1","time":1}],"events":[]}')
def test_fast_and_lenient_decoder_agree(body: str) -> None:
    """Which of the two reads a body is a matter of speed: events, identities and reasons are the same."""
    record = make_record(body)

    found = read_record(record, now_ms=NOW_MS, default_identity="simplified")

    lenient = RecordEvents(record)
    decode._read_leniently(lenient, NOW_MS, "simplified")
    assert _described(found) == _described(lenient)


@settings(max_examples=200)
@given(_bodies | _cut_bodies)
def test_any_text_is_read_without_raising(body: str) -> None:
    """Each item has an event to send, now or later, or an outcome that says why not; there is one."""
    record_events = read_record(make_record(body), now_ms=NOW_MS, default_identity="distinct_id")

    assert record_events.items
    for item in record_events.items:
        is_early = item.outcome is not None and item.outcome.reason is Reason.EARLY
        assert (item.event is None) == (item.outcome is not None and not is_early)
        assert item.outcome is None or item.outcome.detail


@given(st.lists(_singles | _envelopes() | _cut_bodies, min_size=2, max_size=8))
def test_neighbours_do_not_change_what_is_sent(bodies: list[str]) -> None:
    """Records are read and translated in groups: each as if it were alone, whatever the others hold."""
    records = [make_record(body) for body in bodies]
    together = Reader(Translator(lambda _: {}), "simplified")
    alone = Reader(Translator(lambda _: {}), "simplified")

    received = together.read(records, now_ms=NOW_MS)

    expected = [r for record in records for r in alone.read([record], now_ms=NOW_MS)]
    assert list(map(_described, received)) == list(map(_described, expected))
    assert list(map(_sent, received)) == list(map(_sent, expected))
    assert together.strings_cut == alone.strings_cut


def _sent(record_events: RecordEvents) -> list[bytes]:
    return [item.encoded for item in record_events.items]
