"""What Mixpanel should have of the rows of a range of keys: a file of expected events.

An event is translated from its fields, without the JSON of a message between. One that may break a rule is
encoded as a backfill would encode it, so that both say the same of it.
"""

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from whyness_events import InvalidEvent
from whyness_mixpanel.conf import SettingError
from whyness_mixpanel.models import Outbox
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.sources import registry
from whyness_mixpanel.sources.backfill import Period, encode, pages
from whyness_mixpanel.sources.source import NoEvent
from whyness_ops.audit.expected_events import to_line, translate_message, translator_of
from whyness_ops.audit.sure_events import translate_sure
from whyness_ops.errors import NotJudged
from whyness_ops.files import private

_Event = Mapping[str, Any]
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of all ranges.

    Args:
        directory: of this audit alone, for the files.
        period: which rows.
        identity: the identity mode.
        now_ms: the clock, epoch milliseconds.
        derived: translate the user agent, too.
    """

    directory: Path
    period: Period
    identity: str
    now_ms: int
    derived: bool


class Range(NamedTuple):
    """The rows of a source whose key is above `after` and at most `upper`; their file's number."""

    source: str
    after: int
    upper: int
    number: int


class Written(NamedTuple):
    """The file of a range, how many events break a rule, and the keys of rows without an event, with why."""

    path: Path
    refused: int
    troubles: list[tuple[int, str]]


def write_range(asked: Asked, part: Range) -> Written:
    """Write the expected events of a range, one a line. `absent` in a line says why an event may be absent.

    Raises:
        NotJudged: it is unknown who is suppressed, or a setting is invalid.
        django.db.Error: the database failed.
    """
    path = asked.directory / f"expected-{part.number}.jsonl"
    writer = _Writer(asked, part)
    with open(path, "xb", opener=private) as file, _without_gc():
        try:
            for _, rows in pages(registry.get(part.source), part.after, part.upper):
                writer.write(rows, file)
        except (filters.CannotFilter, SettingError) as error:
            raise NotJudged(str(error)) from error  # which can leave this process; a SettingError cannot
    return Written(path, writer.refused, sorted(writer.troubles))


@contextmanager
def _without_gc() -> Iterator[None]:
    """Collect no garbage: rows have no cycles, and to visit them takes a sixth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Writer:
    """Writes the events of pages; `refused` and `troubles` as in Written."""

    def __init__(self, asked: Asked, part: Range) -> None:
        self.refused = 0
        self.troubles: list[tuple[int, str]] = []
        self._source, self._asked = registry.get(part.source), asked
        self._translator = translator_of(derived=asked.derived)
        self._waiting = _still_waiting(asked.directory)
        self._known, self._unwanted = set[str](), set[str]()

    def write(self, rows: Mapping[int, Any], file: IO[bytes]) -> None:
        """Write the events of a page."""
        events = list(self._events(self._selected(rows)))
        self._ask_about({(event.get("user"), event.get("prospect")) for event, _ in events})
        if self._unwanted or self._waiting:
            file.writelines(to_line(translated, self._absent(event)) for event, translated in events)
        else:
            file.writelines(to_line(translated) for _, translated in events)

    def _ask_about(self, pairs: set[tuple[Any, Any]]) -> None:
        """Ask who of users and prospects is suppressed; people come again on later pages."""
        people = [filters.people_of({"user": user, "prospect": prospect}) for user, prospect in pairs]
        new = set().union(*people) - self._known
        self._known |= new
        self._unwanted |= filters.unwanted_among(new)

    def _absent(self, event: _Event) -> str:
        if not self._unwanted.isdisjoint(filters.people_of(event)):
            return "suppressed"
        return self._waiting.get(_key(event), "")

    def _selected(self, rows: Mapping[int, Any]) -> dict[int, Any]:
        """Return the rows of the period, by key."""
        selected = {}
        for key, row in sorted(rows.items()):
            try:
                if isinstance(row, NoEvent):
                    raise row
                if self._asked.period.has(self._source.created_at(row)):
                    selected[key] = row
            except (NoEvent, InvalidEvent) as error:
                self._name(key, error)
        return selected

    def _events(self, rows: Mapping[int, Any]) -> Iterator[tuple[_Event, bytes]]:
        """Yield the fields of each valid event, and what Mixpanel should have of it."""
        rules: dict[str, Any] = {"identity": self._asked.identity, "now_ms": self._asked.now_ms}
        all_fields = [self._source.fields(row) for row in rows.values()]
        sure = translate_sure(all_fields, self._translator, **rules)
        for key, fields, translated in zip(rows, all_fields, sure, strict=True):
            if fields is not None and translated is not None:
                yield fields, translated
                continue
            try:
                body, _ = encode(self._source, key, rows[key])
            except NoEvent as error:
                self._name(key, error)
                continue
            [read] = translate_message(body, self._translator, **rules)
            if read is None:
                self.refused += 1
            else:
                yield json.loads(body), read

    def _name(self, key: int, error: Exception) -> None:
        self.refused += 1
        self.troubles.append((key, f"was skipped: {error}"))


@lru_cache(maxsize=1)  # an outage may have filled the outbox: a process reads it once for all its ranges
def _still_waiting(_audit: Path) -> Mapping[_Key | None, str]:
    """Return the state of each event that is still in the outbox when an audit begins."""
    rows = Outbox.objects.values_list("encoded", "state").iterator()
    return {_key_of(encoded): state for encoded, state in rows}


def _key_of(encoded: str) -> _Key | None:
    """Return what an event of the outbox is matched by; None for a parked one that is none."""
    try:
        return _key(json.loads(encoded))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _key(event: _Event) -> _Key:
    return str(event["event"]), str(event["insert_id"])
