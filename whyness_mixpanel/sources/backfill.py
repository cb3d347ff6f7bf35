"""Walks over a source's rows by key, page by page, and sends them in full messages."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django.db import Error
from django.db.models import QuerySet

from whyness_events import InvalidEvent, limits
from whyness_events.values import size_bytes
from whyness_mixpanel.faults import is_of_signal
from whyness_mixpanel.publishing import messages
from whyness_mixpanel.sources.source import NoEvent, Source

PAGE_ROWS = 1_000
# Call sites may still be sending younger rows, or a transaction with smaller keys may still be open.
SETTLED_AFTER = timedelta(minutes=15)
# With more than this, a call is full: ten messages, each just below what SQS bills as one.
_FULL_CALL_BYTES = limits.BATCH_ENTRIES * messages.MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class Period:
    """Which rows are selected, by their time.

    Args:
        since: the earliest time; None for no bound.
        until: the first time that is excluded; None for no bound.
        settled: rows from this time on are too young: their call site may still be sending them, or a
            transaction with a smaller key may still be open.
        latest: rows after this time were written by a wrong clock, and are invalid.
    """

    since: datetime | None
    until: datetime | None
    settled: datetime
    latest: datetime

    def has(self, created: datetime) -> bool:
        """Whether a row of this time is in the period, too young or not."""
        after_all = self.until is not None and created >= self.until
        return not after_all and (self.since is None or created >= self.since)


@dataclass(slots=True)
class Counts:
    """The counts of rows: each row read is counted in exactly one of the other counts up to `published`."""

    read: int = 0
    outside_period: int = 0
    too_young: int = 0
    invalid: int = 0
    suppressed: int = 0
    parked: int = 0
    published: int = 0
    messages: int = 0
    calls: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


class Table(Protocol):
    """A source, or a profile."""

    def rows(self) -> QuerySet[Any]:
        """Return all rows."""


class Encoded(NamedTuple):
    """A row's key and its event's JSON."""

    key: int
    encoded: str


class Backfill:
    """One walk. `read_key` is the last key read; `done_key` is the key after which another walk may continue.

    Args:
        source: whose rows.
        period: which of them.
        unwanted: returns those of a page's people about whom no event may be sent.
        send: sends the events of one call until each is published or parked; returns the reasons of the
            parked ones, by index.
        identity: the identity mode of the messages.
        on_page: called after each page.
        on_trouble: called with the key of a row that was skipped or parked, and the reason.
    """

    def __init__(  # noqa: PLR0913  (what it works with, each by name)
        self,
        *,
        source: Source,
        period: Period,
        unwanted: Callable[[set[str]], set[str]],
        send: Callable[[Sequence[str]], Mapping[int, str]],
        identity: str,
        on_page: Callable[["Backfill"], None],
        on_trouble: Callable[[int, str], None],
    ) -> None:
        self.counts = Counts()
        self.read_key = 0
        self._source, self._period, self._identity = source, period, identity
        self._unwanted, self._send = unwanted, send
        self._on_page, self._on_trouble = on_page, on_trouble
        self._waiting: list[Encoded] = []
        self._waiting_bytes = 0
        self._first_young_key: int | None = None

    @property
    def done_key(self) -> int:
        """The key up to which every row is done; rows that are too young are not."""
        left = [event.key for event in self._waiting[:1]]
        left += [] if self._first_young_key is None else [self._first_young_key]
        return min(left, default=self.read_key + 1) - 1

    def run(self, *, after: int, upper: int) -> None:
        """Send the rows whose key is above `after` and at most `upper`.

        Raises:
            django.db.Error: the database failed.
        """
        self.read_key = after
        for last_key, rows in pages(self._source, after, upper):
            self._take(rows)
            self.read_key = last_key
            while self._waiting_bytes > _FULL_CALL_BYTES:
                self._send_call()
            self._on_page(self)
        while self._waiting:
            self._send_call()
        self._on_page(self)

    def _take(self, rows: Mapping[int, Any]) -> None:
        events = [event for key in sorted(rows) if (event := self._encoded(key, rows[key]))]
        unwanted = self._unwanted(set().union(*[people for _, people in events]))
        fresh = [event for event, people in events if people.isdisjoint(unwanted)]
        self.counts.read += len(rows)
        self.counts.suppressed += len(events) - len(fresh)
        self._waiting += fresh
        self._waiting_bytes += _size(fresh)

    def _encoded(self, key: int, row: Any) -> tuple[Encoded, set[str]] | None:
        try:
            if isinstance(row, NoEvent):
                raise row
            return self._encode(key, row)
        except (NoEvent, InvalidEvent) as error:
            self.counts.invalid += 1
            self._on_trouble(key, f"was skipped: {error}")
            return None

    def _encode(self, key: int, row: Any) -> tuple[Encoded, set[str]] | None:
        created = self._source.created_at(row)
        if not self._period.has(created):
            self.counts.outside_period += 1
            return None
        if created > self._period.latest:
            raise NoEvent("it is dated more than an hour in the future")
        if created >= self._period.settled:
            self.counts.too_young += 1
            self._first_young_key = key if self._first_young_key is None else self._first_young_key
            return None
        encoded, people = encode(self._source, key, row)
        return Encoded(key, encoded), people

    def _send_call(self) -> None:
        packed = messages.pack([event.encoded for event in self._waiting], identity=self._identity)
        call = messages.calls(packed)[0]
        count = sum(message.event_count for message in call)
        sent = self._waiting[:count]
        parked = self._send([event.encoded for event in sent])
        for index, why in sorted(parked.items()):
            self._on_trouble(sent[index].key, f"was parked in the outbox: {why}")
        self.counts.parked += len(parked)
        self.counts.published += count - len(parked)
        self.counts.messages += len(call)
        self.counts.calls += 1
        self._waiting_bytes -= _size(sent)
        del self._waiting[:count]


def pages(source: Source, after: int, upper: int) -> Iterator[tuple[int, Mapping[int, Any]]]:
    """Yield the last key and the rows of each page, in two queries, however sparse the keys are.

    In place of a row that cannot be read stands a NoEvent.
    """
    keys_of = source.rows().filter(pk__lte=upper).values_list("pk", flat=True)
    while keys := list(keys_of.filter(pk__gt=after)[:PAGE_ROWS]):
        after = keys[-1]
        yield after, _read(source, keys)


def _read(source: Source, keys: Sequence[int]) -> Mapping[int, Any]:
    """Return the rows of a page by key, with a NoEvent in place of one that cannot be read."""
    try:
        rows = {row.pk: row for row in source.joined_rows().filter(pk__gte=keys[0], pk__lte=keys[-1])}
        # A join omits a row that lacks a relation.
        return rows | source.rows().in_bulk([key for key in keys if key not in rows])
    except Exception as error:  # one of them is damaged, or the database fails
        if is_of_signal(error):
            raise
        read = {key: read_alone(source, key) for key in keys}
        return {key: row for key, row in read.items() if row is not None}


def read_alone(source: Table, key: int) -> Any:
    """Return a row, None where there is none, a NoEvent where it cannot be read."""
    try:
        return source.rows().filter(pk=key).first()
    except Exception as error:
        if is_of_signal(error):
            raise
        check_database(source, key)
        return NoEvent(f"it cannot be read ({type(error).__name__})")


def encode(source: Source, key: int, row: Any) -> tuple[str, set[str]]:
    """Return the JSON of a row's event, and the people whom it is about.

    Raises:
        NoEvent: it has none, or a row that it refers to cannot be read.
        SettingError: a setting is invalid.
        django.db.Error: the database failed.
    """
    try:
        return source.encode_with_people(row)
    except Error as error:
        check_database(source, key)
        raise NoEvent(f"a row that it refers to cannot be read ({type(error).__name__})") from error


def check_database(source: Table, key: int) -> None:
    """Raise django.db.Error if the database failed, rather than the values of a row."""
    list(source.rows().filter(pk=key).values_list("pk"))


def _size(events: Sequence[Encoded]) -> int:
    return sum(size_bytes(event.encoded) + 1 for event in events)
