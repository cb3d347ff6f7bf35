"""Whatever is received and whatever is answered: no event is lost, none is safe that is not, none changes.

Mixpanel is a model that knows what it holds. It never claims what is not so, but its answers get lost, come
late, do not add up, or come from something in between.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOW_MS, make_record
from tests.fakes import FakeDeadLetterQueue, FakeLog, Late, Posted
from tests.mixpanel_model import PASSING, UNCLEAR, Fault, FourFields, MixpanelModel, four_fields
from tests.world import World, handed_back
from whyness_events import UnreadableMessage, decode_message
from whyness_events.delivery.invocation_report import Report
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import Answer, DeadLetter

OK = "ok"
REFUSED = frozenset({"refused-1", "refused-2"})

# --- what may be in the queue

_names = st.sampled_from(["Audio upload", "User click"])
_good_ids = st.sampled_from([f"row-{n}" for n in range(8)])
_fields: dict[str, st.SearchStrategy[Any]] = {
    "event": _names,
    "user": st.sampled_from(["1", "p:2", ""]),
    "time": st.sampled_from([NOW_MS - 1_000, NOW_MS - 2_000]),
}
_optional = {
    "data": st.sampled_from(["GET", {"a": 1}]),
    "useragent": st.just("curl/8.0"),
    "prospect": st.just("9"),
}
_valid = st.fixed_dictionaries({"insert_id": _good_ids, **_fields}, optional=_optional)
_refused = st.fixed_dictionaries({"insert_id": st.sampled_from(sorted(REFUSED)), **_fields})
_wrong = st.sampled_from(
    [
        {"event": " "},
        {"user": 7},
        {"time": "2026-11-23"},
        {"insert_id": "null"},
        {"properties": {"$secret": 1}},
        {"properties": {"n": float("nan")}},
    ]
)
_invalid: st.SearchStrategy[Any] = st.builds(
    lambda raw, wrong: {**raw, **wrong}, _valid, _wrong
) | st.sampled_from([None, 7, "x", [], {}])
_raws = st.one_of(_valid, _valid, _refused, _invalid)


@st.composite
def _envelopes(draw: st.DrawFn) -> str:
    identity = draw(st.sampled_from(["distinct_id", "simplified"]))
    events = draw(st.lists(_raws, min_size=1, max_size=5))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    return json.dumps({"schema_version": 1, "identity": identity, "events": events}, separators=separators)


_bodies = st.one_of(
    _envelopes(),
    (_valid | _refused).map(json.dumps),
    st.sampled_from(["no JSON", "[]", "7", '{"events":[]}', '{"schema_version":1', "[" * 2_000]),
)


def _make(body: str, receive_count: int) -> Record:
    return make_record(body, receive_count=receive_count)


_records = st.lists(
    st.builds(_make, _bodies, st.integers(1, 6)),
    min_size=1,
    max_size=8,
)


# --- what may go wrong in one invocation


@dataclass(frozen=True)
class Weather:
    """One invocation's luck: request by request, dead letter by dead letter, row by row; then all is well."""

    answers: Sequence[str] = ()
    dead_letters_refused: Sequence[bool] = ()
    rows_lost: Sequence[bool] = ()


def _weathers(faults: Sequence[str]) -> st.SearchStrategy[list[Weather]]:
    flags = st.lists(st.booleans(), max_size=8)
    answers = st.lists(st.sampled_from([OK, *faults]), max_size=10) | st.sampled_from(faults).map(
        lambda f: [f] * 200
    )
    return st.lists(st.builds(Weather, answers, flags, flags), max_size=4)


_worlds = st.fixed_dictionaries(
    {"threads": st.sampled_from([1, 4]), "timeout_s": st.sampled_from([30.0, 120.0])},
)


def _each_in_turn(flags: Sequence[bool]) -> Callable[[object], bool]:
    left = list(flags)
    return lambda _: left.pop(0) if left else False


# --- what must be true of an event


@dataclass(frozen=True)
class Expected:
    """One event of a record, as the message alone defines it.

    Args:
        raw: as it stands in the body; the body itself where no event can be read.
        fields: the four that Mixpanel counts by; None where it must never be sent.
        is_good: whether it belongs into Mixpanel.
        identity: the mode it is sent in.
    """

    raw: Any
    fields: FourFields | None = None
    is_good: bool = False
    identity: str = ""


def _expect(record: Record) -> list[Expected]:
    try:
        message = decode_message(record.body)
    except UnreadableMessage:
        return [Expected(record.body)]
    return [_expect_event(raw, message.identity or "distinct_id") for raw in message.raw_events]


def _expect_event(raw: Any, identity: str) -> Expected:
    wrong = not isinstance(raw, dict) or not raw or _breaks_a_rule(raw)
    if wrong:
        return Expected(raw)
    user = raw["user"]
    is_device = identity == "simplified" and user.startswith("p:")
    distinct_id = f"$device:p-{user.removeprefix('p:')}" if is_device else user
    fields = (raw["event"], distinct_id, raw["time"], raw["insert_id"])
    return Expected(raw, fields, raw["insert_id"] not in REFUSED, identity)


def _breaks_a_rule(raw: dict[str, Any]) -> bool:
    known = raw["insert_id"].startswith(("row-", "refused-")) and raw["event"] != " "
    return not known or "properties" in raw or type(raw["user"]) is not str or type(raw["time"]) is not int


def _same(left: Any, right: Any) -> bool:
    """Whether two pieces of JSON say the same; NaN is equal to itself, 1 is not true."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


# --- the history of one queue


@dataclass
class History:
    """A queue, a Mixpanel and all that happened between them."""

    world: World
    faults: dict[str, Fault]
    model: MixpanelModel = field(default_factory=lambda: MixpanelModel(REFUSED))
    queue: list[Record] = field(default_factory=list)

    def invoke(self, weather: Weather) -> Report:
        """Run one invocation with all that is in the queue, and check what must hold after it."""
        self._set(weather)
        batch = self.queue
        report = self.world.deliver(*batch)
        self.queue = handed_back(batch, report)
        self.world.clock.sleep(725.0)
        self._check_counts(batch, report)
        self._check_acknowledged(batch)
        return report

    def _set(self, weather: Weather) -> None:
        answers = list(weather.answers)

        def respond(posted: Posted) -> Answer | Late:
            name = answers.pop(0) if answers else OK
            return self.model.ingest(posted) if name == OK else self.faults[name](self.model, posted)

        self.world.respond = respond
        self.world.dead_letters.refuse = _each_in_turn(weather.dead_letters_refused)
        self.world.log.lose = _each_in_turn(weather.rows_lost)

    def _check_counts(self, batch: Sequence[Record], found: Report) -> None:
        """Events in are delivered, dead or handed back, and nothing else."""
        assert found.event_count == sum(len(_expect(record)) for record in batch)
        known = {record.message_id for record in batch}
        assert set(found.settled.failed_message_ids) <= known

    def _check_acknowledged(self, batch: Sequence[Record]) -> None:
        """An acknowledged record has each event in Mixpanel or in the dead-letter queue."""
        back = {record.message_id for record in self.queue}
        for record in batch:
            if record.message_id not in back:
                for event in _expect(record):
                    assert self.is_counted(event) or self.is_dead(event), "an event is in neither place"

    def is_counted(self, event: Expected) -> bool:
        """Whether Mixpanel truly holds it."""
        return event.fields in self.model.counted

    def is_dead(self, event: Expected) -> bool:
        """Whether the dead-letter queue holds it, whole."""
        return any(_same(event.raw, _content(dead_letter)) for dead_letter in self.world.dead_letters.sent)


def _content(dead_letter: DeadLetter) -> Any:
    try:
        return decode_message(dead_letter.body).raw_events[0]
    except UnreadableMessage:
        return dead_letter.body


def _run(
    records: Sequence[Record], weathers: Sequence[Weather], world: World, faults: dict[str, Fault]
) -> History:
    """Let all the weathers pass, then some invocations of calm."""
    history = History(world, faults, queue=list(records))
    for weather in weathers:
        history.invoke(weather)
    for _ in range(2):
        history.invoke(Weather())
    return history


def _check_posted(history: History, records: Sequence[Record]) -> None:
    """Nothing was ever posted but what a message says, and each event always with the same content."""
    events = [event for record in records for event in _expect(record) if event.fields]
    posted = [event for request in history.world.pool.posted for event in request.events]
    assert {four_fields(event) for event in posted} <= {event.fields for event in events}
    contents = {json.dumps(event, sort_keys=True) for event in posted}
    sources = {(event.identity, json.dumps(event.raw, sort_keys=True)) for event in events}
    assert len(contents) <= len(sources)


@settings(max_examples=250)
@given(_records, _weathers([*PASSING]), _worlds)
def test_trouble_that_passes_ends_with_everything_in_its_place(
    records: list[Record], weathers: list[Weather], options: dict[str, Any]
) -> None:
    """What is valid ends up in Mixpanel alone; what is not, in the dead-letter queue alone."""
    history = _run(records, weathers, World(**options), PASSING)

    events = [event for record in records for event in _expect(record)]
    assert history.queue == []
    assert history.model.counted == {event.fields for event in events if event.is_good}
    assert all(history.is_dead(event) != event.is_good for event in events)
    _check_posted(history, records)


@settings(max_examples=250)
@given(_records, _weathers([*PASSING, *UNCLEAR]), _worlds)
def test_whatever_is_answered_nothing_is_lost(
    records: list[Record], weathers: list[Weather], options: dict[str, Any]
) -> None:
    """Answers that do not add up may dead-letter a lone event; it is never in neither place."""
    history = _run(records, weathers, World(**options), PASSING | UNCLEAR)

    events = [event for record in records for event in _expect(record)]
    assert history.queue == []
    assert history.model.counted <= {event.fields for event in events if event.is_good}
    assert all(history.is_counted(event) or history.is_dead(event) for event in events)
    assert all(history.is_dead(event) for event in events if not event.is_good)
    _check_posted(history, records)


@settings(max_examples=60)
@given(_records, st.sampled_from([*UNCLEAR]), st.integers(1, 12))
def test_what_is_refused_for_ever_is_never_blamed_on_the_events(
    records: list[Record], fault: str, invocations: int
) -> None:
    """If every request gets the same answer, the setup is wrong: only what breaks our own rules is dead."""
    history = History(World(), UNCLEAR, queue=list(records))

    for _ in range(invocations):
        history.invoke(Weather([fault] * 500))

    valid = [event for record in records for event in _expect(record) if event.fields]
    assert not any(history.is_dead(event) for event in valid)


@pytest.mark.parametrize("what", ["dead_letters", "rows", "both"])
@settings(max_examples=40)
@given(_records)
def test_queue_and_table_that_fail_for_ever_lose_nothing(what: str, records: list[Record]) -> None:
    """Without a dead-letter queue every bad record waits; without a table nothing does."""
    world = World(MixpanelModel(REFUSED).ingest)
    _break(world.dead_letters, world.log, what)

    report = world.deliver(*records)

    bad = [record.message_id for record in records if not all(event.is_good for event in _expect(record))]
    assert sorted(report.settled.failed_message_ids) == ([] if what == "rows" else sorted(bad))
    assert bool(world.dead_letters.sent) == (what == "rows" and bool(bad))


def _break(dead_letters: FakeDeadLetterQueue, log: FakeLog, what: str) -> None:
    if what in ("dead_letters", "both"):
        dead_letters.refuse = lambda _: True
    if what in ("rows", "both"):
        log.lose = lambda _: True
