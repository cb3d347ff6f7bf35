"""What Mixpanel should have of the rows of some sources: the expected events of an audit."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Max, Min

from whyness_mixpanel.models import Outbox
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.sources import registry
from whyness_mixpanel.sources.backfill import Backfill, Period
from whyness_mixpanel.sources.source import Source

_Key = tuple[str, str]
Waiting = Mapping[_Key | None, str]
Write = Callable[[Iterator[str]], int]
_A_SECOND = timedelta(seconds=1)


def period(since_ms: int, until_ms: int) -> Period:
    """Return which rows may be events of a period; those whose time is cut to seconds may be of one earlier.

    No row is too young, or of a wrong clock: the audit says what is late.
    """
    since, until = (datetime.fromtimestamp(moment / 1000, UTC) for moment in (since_ms, until_ms))
    never = datetime.max.replace(tzinfo=UTC)
    return Period(since, until + _A_SECOND, never, never)


def walk(  # noqa: PLR0913  (what it works with, each by name)
    source: Source,
    period: Period,
    write: Write,
    *,
    waiting: Waiting,
    identity: str,
    on_trouble: Callable[[int, str], None],
) -> int:
    """Write the events of a source's rows; return how many were never sent, for they break a rule.

    Args:
        source: whose rows.
        period: which of them.
        write: is given lines of JSON, in several calls, and returns how many events break a rule. `absent` in
            a line says that nothing was sent about its person.
        waiting: what `still_waiting` returned.
        identity: the identity mode.
        on_trouble: called with the key of a row without an event, and the reason.

    Raises:
        CannotFilter: it is unknown who is suppressed.
        django.db.Error: the database failed.
    """
    refused_counts = []

    def send(events: Sequence[str]) -> Mapping[int, str]:
        refused_counts.append(write(_marked(events, waiting)))
        return {}

    backfill = Backfill(
        source=source,
        period=period,
        unwanted=lambda _: set(),
        send=send,
        identity=identity,
        on_page=lambda _: None,
        on_trouble=on_trouble,
    )
    keys = source.rows().order_by().aggregate(first=Min("pk"), last=Max("pk"))
    if keys["first"] is not None:
        backfill.run(after=keys["first"] - 1, upper=keys["last"])
    return backfill.counts.invalid + sum(refused_counts)


def still_waiting() -> Waiting:
    """Return the state of each event that is still in the outbox."""
    rows = Outbox.objects.values_list("encoded", "state").iterator()
    return {_key(encoded): state for encoded, state in rows}


def _key(encoded: str) -> _Key | None:
    """Return what an event is matched by; None for a parked one that is none."""
    try:
        event = json.loads(encoded)
        return str(event["event"]), str(event["insert_id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _marked(events: Sequence[str], waiting: Waiting) -> Iterator[str]:
    sent = set(filters.filter_suppressed(events))
    for event in events:
        absent = waiting.get(_key(event), "") if event in sent else "suppressed"
        yield json.dumps({**json.loads(event), "absent": absent}) if absent else event


def insert_ids(chosen: Iterable[Source]) -> re.Pattern[str]:
    """Return which insert ids events of these sources have, and no others.

    Bare keys are of one of several sources. They count only if all of those are chosen.
    """
    sources = list(chosen)
    bare = {
        source.name
        for source in map(registry.get, registry.names())
        if source.bare_key and source.is_installed
    }
    named = [f"{re.escape(source.name)}-" for source in sources if not source.bare_key]
    nothing = [""] if bare and bare <= {source.name for source in sources} else []
    prefixes = "|".join([*named, *nothing])
    return re.compile(rf"(?:{prefixes})-?[0-9]+" if named or nothing else r"(?!)")
