"""The expected events of an audit are those that a backfill of the same rows would send."""

import json
import pickle
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from example.whyness_crm.models import ContactTrackerClick
from example.whyness_django.models import TrackerLog
from tests.builders import large_properties
from tests.django_support import override
from tests.strategies import any_json, any_text
from tests.unit.django_app.rows import CREATED, LONG_BEFORE, backfill, make_activities, make_click
from whyness_events import limits
from whyness_events.delivery.items import Record
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_events.delivery.mixpanel.useragent import describe_useragent
from whyness_events.delivery.reading.decode import read_group
from whyness_mixpanel import sources
from whyness_mixpanel.backends import locmem
from whyness_mixpanel.models import Event, Suppression
from whyness_mixpanel.sources import Source, expected, expected_ranges, registry
from whyness_mixpanel.sources import backfill as walk
from whyness_mixpanel.sources.expected_rows import Asked
from whyness_ops.errors import NotJudged, Stopped

CLOCK_MS = 1_795_000_000_000
SINCE, UNTIL = LONG_BEFORE - timedelta(days=30), CREATED + timedelta(days=1)
TIMES = (CREATED, LONG_BEFORE, LONG_BEFORE - timedelta(days=31), CREATED + timedelta(days=2))
PEOPLE = (1, 5, 7, 8)
SUPPRESSED, OPTED_OUT = "5", "8"

# What a site's own source may make of a row: valid, barely valid, and not.
ODD: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "all": {"user": 7, "prospect": 9, "ip": "8.8.8.8", "useragent": "UA", "data": {"a": [1, 2.5, None]}},
    "suppressed prospect": {"prospect": SUPPRESSED},
    "prospect who opted out": {"user": f"p:{OPTED_OUT}"},
    "empty": {"data": {}, "properties": {}, "ip": None, "useragent": None},
    "secret": {"properties": {"password": "x", "text": "token=abc"}},
    "long texts": {"data": "x" * 300, "useragent": "é" * 200, "properties": {"text": "🎧" * 90}},
    "text beyond an event": {"data": "x" * (limits.EVENT_BYTES + 1)},
    "characters that SQS refuses": {"data": "\uffff" * 300, "properties": {"a": "\ufffe\x00"}},
    "lone surrogate in a text": {"data": "\ud800"},
    "lone surrogate in a header": {"useragent": "\ud800"},
    "lone surrogate in a property": {"properties": {"\ud800": 1}},
    "large": {"properties": large_properties(200_000)},
    "too large": {"properties": large_properties(limits.EVENT_BYTES + 10)},
    "nested value that is too large": {
        "properties": {"list": [[["x" * 250] * 250] * 5] * 1, "rows": [["x" * 250] * 255] * 5}
    },
    "too deep": {"properties": {"a": {"b": {"c": {"d": {}}}}}},
    "long id": {"user": "u" * 200},
    "id that is too long": {"user": "u" * 256},
    "placeholder": {"user": "null"},
    "device": {"user": "$device:7"},
    "nobody": {"user": "1"},
    "large integer": {"properties": {"n": 2**60}},
    "not a number": {"properties": {"n": float("nan")}},
    "reserved": {"properties": {"$email": "x"}},
    "reserved but allowed": {"properties": {"$current_url": "https://example.com/?token=x"}},
    "no address": {"ip": {"a": 1}},
    "no name": {"event": ""},
    "blank name": {"event": " "},
    "no text as name": {"event": 7},
    "fault of its own": {"event": 1 / 3, "raises": True},
}
KINDS = ("activity", "user-click", "contact-click", "odd")


def build(fields: Callable[[Any], Mapping[str, Any]]) -> Callable[[Any], Event]:
    """Return the `build` of a source whose rows have these fields."""

    def build(row: Any) -> Event:
        chosen = dict(fields(row))
        if chosen.pop("raises", False):
            raise KeyError("MARKER")
        return Event(**{"event": "Odd", "user": row.user_id} | chosen)

    return build


def set_time(row: Any, created: datetime | None) -> None:
    """Give a row its time; None: a text that is none."""
    table = type(row)._base_manager
    if created is not None:
        table.filter(pk=row.pk).update(create_date=created)
        return
    with connection.cursor() as cursor:
        name = table.model._meta.db_table
        cursor.execute(f"UPDATE {name} SET create_date = 'nonsense' WHERE id = %s", [row.pk])  # noqa: S608  (the name is ours)


def make_row(kind: str, person: int, title: str) -> Any:
    """Return a new row."""
    if kind in ("activity", "odd"):
        return make_activities(1, user_id=person, title=title)[0]
    return make_click(contact_id=person, is_prospect=kind == "contact-click")


class Told(dict[str, Any]):
    """What was said of the rows of a source: events for Mixpanel, keys without an event, and counts."""


def sent(name: str, *, identity: str, derived: bool) -> Told:
    """Return what a backfill sends, as the delivery code translates it."""
    locmem.messages.clear()
    stderr = StringIO()
    period = ("--since", SINCE.isoformat(), "--until", UNTIL.isoformat())
    summary = backfill(name, "--again", *period, stderr=stderr)
    translator, events = Translator(describe_useragent if derived else lambda _: {}), []
    for body in locmem.messages:
        [read] = read_group([Record("1", body)], now_ms=CLOCK_MS, default_identity="none")
        for item in read.items:
            assert item.event is not None
            assert item.identity == identity
            events.append(json.loads(translator.translate([item.event], [item.identity])[0][0]))
    named = re.findall(r"^Row (-?\d+) (was skipped: .*)$", stderr.getvalue(), re.MULTILINE)
    return Told(
        events=by_id(events),
        named=[(int(key), why) for key, why in named],
        suppressed=summary["suppressed"],
        refused=summary["invalid"],
    )


def by_id(events: list[dict[str, Any]]) -> list[str]:
    """Return events so that two lists of the same ones are equal, whatever their order; NaN is not equal."""
    return sorted(json.dumps(event, sort_keys=True) for event in events)


def expect(name: str, *, identity: str, derived: bool) -> Told:
    """Return what an audit expects."""
    named: list[tuple[int, str]] = []
    selected = expected.period(*(int(moment.timestamp() * 1000) for moment in (SINCE, UNTIL)))
    with tempfile.TemporaryDirectory() as directory:
        written = expected_ranges.write_expected(
            [sources.get(name)],
            Asked(Path(directory), selected, identity, CLOCK_MS, derived),
            on_trouble=lambda _, key, why: named.append((key, why)),
            is_stopped=lambda: False,
        )
        events = [json.loads(line) for path in written.files for line in path.read_text().splitlines()]
    marks = [event.pop("absent", "") for event in events]
    wanted = [event for event, mark in zip(events, marks, strict=True) if mark != "suppressed"]
    return Told(
        events=by_id(wanted), named=named, suppressed=marks.count("suppressed"), refused=written.refused
    )


fields = st.sampled_from(sorted(ODD)) | st.fixed_dictionaries(
    {},
    optional={
        "event": any_text,
        "user": any_text | st.integers(),
        "prospect": any_text,
        "data": any_json,
        "properties": st.dictionaries(any_text, any_json, max_size=3),
        "ip": any_text | st.ip_addresses().map(str),
        "useragent": any_text,
    },
)
times = st.sampled_from([*TIMES[:1] * 4, *TIMES, None])
rows = st.tuples(
    st.sampled_from(KINDS), st.sampled_from(PEOPLE), st.sampled_from(["Upload", " "]), times, fields
)


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_sources", dict(registry._sources))


@pytest.mark.usefixtures("db", "own_registry")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(rows, min_size=1, max_size=12),
    st.sampled_from(["distinct_id", "simplified"]),
    st.booleans(),
    st.sampled_from([None, LONG_BEFORE + timedelta(days=1)]),
    st.tuples(st.integers(1, 5), st.integers(1, 12)),
)
def test_what_is_expected_is_what_a_backfill_sends(
    drawn: list[Any],
    identity: str,
    derived: bool,  # noqa: FBT001  (drawn)
    history: datetime | None,
    sizes: tuple[int, int],
) -> None:
    """Of any rows of any source, in the old form and the new, in ranges and pages of any size."""
    odd: dict[int, Mapping[str, Any]] = {}
    registry._sources.pop("odd", None)
    sources.register(
        Source(name="odd", model="whyness_django.TrackerLog", build=build(lambda row: odd.get(row.pk, {})))
    )
    for model in (TrackerLog, ContactTrackerClick):
        model._base_manager.all().delete()
    Suppression.objects.update_or_create(user=SUPPRESSED)
    Suppression.objects.update_or_create(user=f"p:{SUPPRESSED}")
    for kind, person, title, created, chosen in drawn:
        row = make_row(kind, person, title)
        set_time(row, created)
        odd[row.pk] = ODD[chosen] if isinstance(chosen, str) else chosen

    rules: dict[str, Any] = {"identity": identity, "derived": derived}
    chosen_settings = {"IDENTITY": identity, "HISTORY_BEFORE": history, "OPT_OUT": opt_out}
    with (
        override(**chosen_settings),
        patch.object(walk, "PAGE_ROWS", sizes[0]),
        patch.object(expected_ranges, "RANGE_ROWS", sizes[1]),
    ):
        for name in KINDS:
            assert expect(name, **rules) == sent(name, **rules)


def opt_out(people: frozenset[str]) -> set[str]:
    """Return who does not want it."""
    return {OPTED_OUT, f"p:{OPTED_OUT}"} & people


@pytest.mark.usefixtures("db", "own_registry")
@pytest.mark.parametrize("kind", sorted(ODD))
def test_each_odd_event_is_judged_as_a_backfill_judges_it(kind: str) -> None:
    """Alone, and among events that are surely valid."""
    first, middle, last = make_activities(3, user_id=7)
    odd = {middle.pk: ODD[kind]}
    fields_of = build(lambda row: odd.get(row.pk, {}))
    sources.register(Source(name="odd", model="whyness_django.TrackerLog", build=fields_of))
    Suppression.objects.create(user=f"p:{SUPPRESSED}")
    rules: dict[str, Any] = {"identity": "distinct_id", "derived": True}

    with override(OPT_OUT=opt_out):
        assert expect("odd", **rules) == sent("odd", **rules)
        TrackerLog.objects.filter(pk__in=[first.pk, last.pk]).delete()
        assert expect("odd", **rules) == sent("odd", **rules)


def write(directory: Path, *names: str, is_stopped: Callable[[], bool] = lambda: False) -> list[Path]:
    """Write the expected events of sources, by default of all activities; return the files."""
    selected = expected.period(*(int(moment.timestamp() * 1000) for moment in (SINCE, UNTIL)))
    asked = Asked(directory, selected, "distinct_id", CLOCK_MS, derived=False)
    chosen = [sources.get(name) for name in names or ("activity",)]
    written = expected_ranges.write_expected(chosen, asked, on_trouble=lambda *_: None, is_stopped=is_stopped)
    return list(written.files)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("sparse", [1, 1_000_003])
def test_a_range_has_so_many_rows_however_sparse_the_keys_are(
    sparse: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that two processes are equally busy; only its owner can read its file."""
    monkeypatch.setattr(expected_ranges, "RANGE_ROWS", 3)
    for row in reversed(make_activities(8)):
        TrackerLog.objects.filter(pk=row.pk).update(id=row.pk * sparse + 100)

    files = write(tmp_path)

    assert [len(path.read_text().splitlines()) for path in files] == [3, 3, 2]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


@pytest.mark.usefixtures("db")
def test_it_stops_between_two_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after all rows, which may take hours."""
    monkeypatch.setattr(expected_ranges, "RANGE_ROWS", 1)
    make_activities(3)

    with pytest.raises(Stopped):
        write(tmp_path, is_stopped=lambda: True)

    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.usefixtures("db")
def test_a_database_that_fails_is_not_taken_for_rows_without_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be counted as never sent, and never missed."""
    make_activities(2)

    def fail(*_: object) -> None:
        raise OperationalError

    monkeypatch.setattr(Source, "event", fail)
    monkeypatch.setattr(walk, "check_database", fail)
    with pytest.raises(OperationalError):
        write(tmp_path)


@pytest.mark.usefixtures("db")
def test_a_wrong_setting_is_a_sentence(tmp_path: Path) -> None:
    """Which a process can hand to another."""
    make_activities(1)

    with override(SCRUB_PATTERNS=["("]), pytest.raises(NotJudged, match="SCRUB_PATTERNS") as raised:
        write(tmp_path)

    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # noqa: S301  (our own)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("module", "database", "is_shared"),
    [
        ("site.settings", {"vendor": "postgresql"}, True),
        ("site.settings", {"vendor": "sqlite"}, True),
        ("site.settings", {"vendor": "sqlite", "is_in_memory_db": lambda: True}, False),
        ("site.settings", {"vendor": "postgresql", "in_atomic_block": True}, False),
        (None, {"vendor": "postgresql"}, False),
    ],
)
def test_two_processes_read_what_both_can_see(
    monkeypatch: pytest.MonkeyPatch,
    module: str | None,
    database: dict[str, Any],
    is_shared: bool,  # noqa: FBT001  (a table)
) -> None:
    """Not a database in memory, nor what a transaction has not committed; and settings that both can load."""
    connection = SimpleNamespace(**{"in_atomic_block": False, "is_in_memory_db": lambda: False} | database)
    monkeypatch.setattr(expected_ranges, "connections", {"default": connection})
    monkeypatch.setattr(expected_ranges, "settings", SimpleNamespace(SETTINGS_MODULE=module))

    assert expected_ranges._is_shared(sources.get("activity")) == is_shared


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(("activities", "clicks", "started"), [(0, 0, 0), (2, 2, 0), (3, 0, 1), (1, 3, 1)])
def test_two_processes_begin_where_a_source_has_many_rows(
    activities: int, clicks: int, started: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sources have few, or none."""
    begun = []

    def two_processes(*_: object) -> AbstractContextManager[Any]:
        begun.append(1)
        return nullcontext(map)

    monkeypatch.setattr(expected_ranges, "RANGE_ROWS", 2)
    monkeypatch.setattr(expected_ranges, "can_start", lambda _: True)
    monkeypatch.setattr(expected_ranges, "_is_shared", lambda _: True)
    monkeypatch.setattr(expected_ranges, "two_processes", two_processes)
    make_activities(activities)
    for contact_id in range(clicks):
        make_click(contact_id=contact_id + 2, is_prospect=True)

    assert len(write(tmp_path, *KINDS[:3])) == -(-activities // 2) + -(-clicks // 2)
    assert len(begun) == started
