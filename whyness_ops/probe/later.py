"""Pure: what the export holds of a run, beside what is expected there."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from whyness_ops.probe.case import ABSENT, MARK, Case, Run, Sent, events_of, mark_of, resolved
from whyness_ops.probe.row import Row
from whyness_ops.probe.sources import EXPORT

Facts = dict[str, str]
Found = Mapping[str, Sequence[Mapping[str, Any]]]

ZONE = "time zone of the export"
_FIRST_MS = 31_536_000_000  # below it, a time is in seconds
_ARRIVAL_MS = 10 * 60_000
_QUARTER_MS = 15 * 60_000
_WIDEST_MS = 15 * 3_600_000
_MOST_SHOWN = 40
_MOST_PARTS = 6
_DAY = timedelta(days=1)


def days(run: Run, cases: Iterable[Case]) -> list[date]:
    """Return the days to export: each day of an event, and its neighbours, as the zone is not known."""
    last = _day(run.started_ms) + _DAY
    times = {_ms(event["properties"].get("time"), run) for event in _events(run, cases)}
    return sorted({min(_day(ms) + _DAY * more, last) for ms in times for more in (-1, 0, 1)})


def first_day_ahead(run: Run) -> date:
    """Return the first day that may not have begun in the project's time zone: today, in the far west."""
    return _day(run.started_ms)


def collected(run: Run, events: Iterable[Mapping[str, Any]]) -> Found:
    """Return the events of the run by their mark."""
    found = defaultdict(list)
    for event in events:
        mark = event["properties"].get(MARK)
        if isinstance(mark, str) and mark.startswith(f"{run.run_id}/"):
            found[mark].append(event)
    return found


def compared(run: Run, cases: Iterable[Case], found: Found) -> list[Row]:
    """Return a row for the time zone and for each case; what is off by the zone alone is as expected."""
    cases = list(cases)
    offset_ms = _offset_ms(run, cases, found)
    return [
        Row(ZONE, "UTC", _zone(offset_ms), EXPORT),
        *(_row(run, each, found, offset_ms) for each in cases),
    ]


def _row(run: Run, case: Case, found: Found, offset_ms: int) -> Row:
    total = Counter[str]()
    expected, says = list[str](), list[str]()
    for at, request in enumerate(case.requests):
        for index, (sent, event) in enumerate(zip(request.events, events_of(run, case, at), strict=True)):
            theirs = found.get(mark_of(run, case, at, index), [])
            taken = int(request.is_taken and index not in request.refused and not sent.is_dropped)
            total.update(expected=taken, says=len(theirs))
            label = f"event {sum(len(r.events) for r in case.requests[:at]) + index + 1}: "
            if len(theirs) != taken:
                expected.append(f"{label}copies {taken}")
                says.append(f"{label}copies {len(theirs)}")
            for each in theirs:
                mine, got = _told(run, sent, event, each, offset_ms)
                expected += [label + text for text in mine]
                says += [label + text for text in got]
    return Row(
        case.name,
        _joined(f"{total['expected']} in the export", expected),
        _joined(f"{total['says']} in the export", says),
        case.source,
    )


def _told(
    run: Run, sent: Sent, event: Mapping[str, Any], theirs: Mapping[str, Any], offset_ms: int
) -> tuple[list[str], list[str]]:
    """Return what is expected of a copy and what it is: what differs, and what Mixpanel is to alter."""
    mine = _expected(run, sent, event)
    got = _facts(run, theirs, mine, event["properties"].get("time"), offset_ms)
    altered = {
        *sent.stored,
        *(["time"] if sent.is_clamped else []),
        *(["event"] if sent.stored_event else []),
    }
    shown = [name for name in mine if mine[name] != got[name] or name in altered]
    return (
        [f"{_short(name)} {_short(mine[name])}" for name in shown],
        [f"{_short(name)} {_short(got[name], mine[name])}" for name in shown],
    )


def _joined(first: str, more: Sequence[str]) -> str:
    rest = [f"{len(more) - _MOST_PARTS} more"] if len(more) > _MOST_PARTS else []
    return "; ".join([first, *more[:_MOST_PARTS], *rest])


def _expected(run: Run, sent: Sent, event: Mapping[str, Any]) -> Facts:
    """Return the facts of an event that is stored as this project believes."""
    stored = {name: resolved(run, value) for name, value in sent.stored.items()}
    properties = {**event["properties"], **stored}
    texts = {name: _text(value) for name, value in properties.items() if name not in (MARK, "time")}
    time = "that of the arrival" if sent.is_clamped else "as sent"
    return {"event": sent.stored_event or str(event["event"]), "time": time, **texts}


def _facts(run: Run, event: Mapping[str, Any], names: Iterable[str], sent_time: Any, offset_ms: int) -> Facts:
    """Return the same facts of an event of the export."""
    properties = event["properties"]
    texts = {name: _text(properties.get(name, ABSENT)) for name in names}
    time = _time(run, properties.get("time"), _ms(sent_time, run), offset_ms)
    return {**texts, "event": str(event.get("event")), "time": time}


def _time(run: Run, shown: Any, sent_ms: int, offset_ms: int) -> str:
    if type(shown) is not int:
        return _text(shown)
    off_ms = shown - offset_ms - sent_ms
    if not off_ms:
        return "as sent"
    if off_ms == -(sent_ms % 1_000):
        return "in whole seconds"
    if abs(shown - offset_ms - run.started_ms) < _ARRIVAL_MS:
        return "that of the arrival"
    return f"{off_ms / 1_000:+.3f} s from what was sent"


def _offset_ms(run: Run, cases: Iterable[Case], found: Found) -> int:
    """Return by how many whole quarter hours most times are off."""
    sent = {event["properties"][MARK]: event["properties"].get("time") for event in _events(run, cases)}
    offs = Counter[int]()
    for mark, events in found.items():
        for event in events:
            shown = event["properties"].get("time")
            if mark in sent and type(shown) is int:
                offs[round((shown - _ms(sent[mark], run)) / _QUARTER_MS) * _QUARTER_MS] += 1
    offset_ms = offs.most_common(1)[0][0] if offs else 0
    return offset_ms if abs(offset_ms) <= _WIDEST_MS else 0


def _zone(offset_ms: int) -> str:
    if not offset_ms:
        return "UTC"
    hours, minutes = divmod(abs(offset_ms) // 60_000, 60)
    return f"UTC{'-' if offset_ms < 0 else '+'}{hours:02}:{minutes:02}"


def _events(run: Run, cases: Iterable[Case]) -> Iterator[dict[str, Any]]:
    for case in cases:
        for at in range(len(case.requests)):
            yield from events_of(run, case, at)


def _ms(time: Any, run: Run) -> int:
    """Return a time as it was sent in milliseconds; that of the run if it is none."""
    if type(time) is not int:
        return run.started_ms
    return time * 1_000 if time < _FIRST_MS else time


def _day(time_ms: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).date()


def _text(value: Any) -> str:
    return "absent" if value is ABSENT else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _short(text: str, expected: str = "") -> str:
    if len(text) <= _MOST_SHOWN:
        return text
    length = len(text) - 2 * text.startswith('"')
    note = ", others" if len(text) == len(expected) and text != expected else ""
    return f"{text[:_MOST_SHOWN]}… ({length} characters{note})"
