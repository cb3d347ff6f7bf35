"""Hypothesis strategies: events that are valid, and JSON that is anything."""

from typing import Any

from hypothesis import strategies as st

from tests.builders import NOW_MS
from whyness_events import Event, limits
from whyness_events.errors import InvalidEvent
from whyness_events.event import check_event, valid_insert_id

# All that can be written as UTF-8: controls, what SQS refuses, and all planes, but no lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
awkward_texts = st.sampled_from(
    ["", "0", "null", "\ufffe", "\uffff", "\x00", '"', "\\", "é" * 128, "漢" * 86, "🎧" * 64]
)
any_text = st.text(st.characters(), max_size=8) | awkward_texts
numbers = (
    st.integers(int(limits.SMALLEST_INTEGER), int(limits.LARGEST_INTEGER))
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, -0.0, 1.0, 1e300, 2**63, 2**64 - 1, -(2**63)])
)
scalars = st.none() | st.booleans() | numbers | texts | awkward_texts


def _containers(members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return members | st.lists(members, max_size=2) | st.dictionaries(texts, members, max_size=2)


values = _containers(_containers(_containers(scalars)))
any_json = st.recursive(
    scalars | any_text | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
insert_ids = st.from_regex(r"[A-Za-z0-9-]{1,36}", fullmatch=True).filter(valid_insert_id)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Return a valid event of any kind."""
    event = Event(
        insert_id=draw(insert_ids),
        event=draw(texts.filter(bool)),
        user=draw(st.integers(1).map(str) | st.integers(1).map("p:{}".format) | texts),
        time=draw(st.integers(int(limits.EARLIEST_TIME_MS), NOW_MS + int(limits.FUTURE_MS))),
        ip=draw(st.ip_addresses().map(str) | texts),
        useragent=draw(texts),
        data=draw(texts | st.dictionaries(texts, _containers(_containers(scalars)), min_size=1, max_size=2)),
        properties=draw(st.dictionaries(texts, values, max_size=3)),
        prospect=draw(st.just("") | st.integers(1).map(str)),
    )
    try:
        check_event(event, now_ms=NOW_MS)
    except InvalidEvent:
        # Of what was drawn, something broke a rule: keep the shape of it, and no more.
        event = Event(event.insert_id, f"e{event.event[:60]}", "1", event.time)
        check_event(event, now_ms=NOW_MS)
    return event
