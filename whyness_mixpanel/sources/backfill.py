"""The walk over a source's rows: page by page along the key, encoded, packed full, sent."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from whyness_events import WhynessEventsError, limits
from whyness_events.values import size_bytes
from whyness_mixpanel.publishing import messages
from whyness_mixpanel.sources.source import Source

PAGE_ROWS = 1_000
# With more than this, the first call is full: ten messages, each just under what SQS bills as one.
_FULL_CALL_BYTES = limits.BATCH_ENTRIES * messages.MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class Period:
    """Which rows are meant, by when they were created.

    Args:
        since: the earliest; None for no bound.
        until: the first that is not meant any more; None for no bound.
        settled: rows from this moment on are too young: their call site, or a transaction with a smaller
            key, may still be under way.
    """

    since: datetime | None
    until: datetime | None
    settled: datetime

    def has(self, created: datetime) -> bool:
        """Whether a row created then is meant, be it too young or not."""
        after_all = self.until is not None and created >= self.until
        return not after_all and (self.since is None or created >= self.since)


@dataclass(slots=True)
class Counts:
    """What became of the rows read: each is counted once, in one of the others."""

    read: int = 0
    outside_period: int = 0
    too_young: int = 0
    invalid: int = 0
    suppressed: int = 0
    published: int = 0
    messages: int = 0
    calls: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


class Encoded(NamedTuple):
    """A row's key and its event's JSON."""

    key: int
    encoded: str


class Backfill:
    """One walk. `read_key` is the last key read; `done_key`, after any end, is where another may go on.

    Args:
        source: whose rows.
        period: which of them.
        encode: from a row to its event's JSON; a row that it refuses is counted as invalid.
        keep: from the events of a page to those that may be sent, in order (the suppressed are gone).
        send: sends the messages of one call, and returns when each of them is safe.
        identity: the stamp of the messages.
        on_page: told after each page.
        on_invalid: told the key and the reason of a row that makes no event.
    """

    def __init__(  # noqa: PLR0913  (what it works with, each by name)
        self,
        *,
        source: Source,
        period: Period,
        encode: Callable[[Any], str],
        keep: Callable[[Sequence[str]], Sequence[str]],
        send: Callable[[Sequence[messages.Packed]], None],
        identity: str,
        on_page: Callable[["Backfill"], None],
        on_invalid: Callable[[int, str], None],
    ) -> None:
        self.counts = Counts()
        self.read_key = 0
        self._source, self._period, self._identity = source, period, identity
        self._encode, self._keep, self._send = encode, keep, send
        self._on_page, self._on_invalid = on_page, on_invalid
        self._waiting: list[Encoded] = []
        self._waiting_bytes = 0
        self._first_young_key: int | None = None

    @property
    def done_key(self) -> int:
        """Every row up to this key is dealt with for good; none that is too young is."""
        first_left = [
            key - 1 for key in (self._first_waiting_key(), self._first_young_key) if key is not None
        ]
        return min(first_left, default=self.read_key)

    def run(self, *, after: int, upper: int) -> None:
        """Send the rows whose key is above `after` and at most `upper`."""
        self.read_key = after
        for page in _pages(self._source, after, upper):
            self._take(page)
            while self._waiting_bytes > _FULL_CALL_BYTES:
                self._send_call()
            self._on_page(self)
        while self._waiting:
            self._send_call()
        self._on_page(self)

    def _take(self, page: Sequence[Any]) -> None:
        found = [encoded for row in page if (encoded := self._encoded(row))]
        kept = set(self._keep([event.encoded for event in found])) if found else set()
        fresh = [event for event in found if event.encoded in kept]
        self.counts.read += len(page)
        self.counts.suppressed += len(found) - len(fresh)
        self._waiting += fresh
        self._waiting_bytes += _size(fresh)
        self.read_key = page[-1].pk

    def _encoded(self, row: Any) -> Encoded | None:
        created = self._source.created_at(row)
        if not self._period.has(created):
            self.counts.outside_period += 1
            return None
        if created >= self._period.settled:
            self.counts.too_young += 1
            self._first_young_key = row.pk if self._first_young_key is None else self._first_young_key
            return None
        try:
            return Encoded(row.pk, self._encode(row))
        except WhynessEventsError as error:
            self.counts.invalid += 1
            self._on_invalid(row.pk, str(error))
            return None

    def _send_call(self) -> None:
        packed = messages.pack([event.encoded for event in self._waiting], identity=self._identity)
        call = messages.calls(packed)[0]
        sent = sum(message.event_count for message in call)
        self._send(call)
        self.counts.published += sent
        self.counts.messages += len(call)
        self.counts.calls += 1
        self._waiting_bytes -= _size(self._waiting[:sent])
        del self._waiting[:sent]

    def _first_waiting_key(self) -> int | None:
        return self._waiting[0].key if self._waiting else None


def _pages(source: Source, after: int, upper: int) -> Iterator[list[Any]]:
    """Yield the rows in the order of their keys. One query a page, whatever lies between and beyond."""
    rows = source.rows().filter(pk__lte=upper)
    while page := list(rows.filter(pk__gt=after)[:PAGE_ROWS]):
        yield page
        after = page[-1].pk


def _size(events: Sequence[Encoded]) -> int:
    return sum(size_bytes(event.encoded) + 1 for event in events)
