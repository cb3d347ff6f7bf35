"""Publishes the rows of single events, as the backfill does."""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from whyness_events import InvalidEvent
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.sources.backfill import PAGE_ROWS, encode, pages
from whyness_mixpanel.sources.source import NoEvent, Source

# An event's name and its insert id.
Key = tuple[str, str]


def republish(
    sources: Sequence[Source],
    wanted: Collection[Key],
    send: Callable[[Sequence[str]], Mapping[int, str]],
    counts: Counter[str],
    *,
    settled: datetime,
) -> None:
    """Publish the events of these names and insert ids, without those of suppressed people.

    Args:
        sources: whose rows.
        wanted: which of them.
        send: sends the events of one call; returns the reasons of those that were parked, by index.
        counts: is told, as it goes, how many are `published`, `parked`, `suppressed`, and how many rows are
            `too_young` or `gone`.
        settled: rows from this time on are too young.

    Raises:
        CannotFilter: it is unknown who is suppressed.
        django.db.Error: the database failed.
    """
    left = set(wanted)
    counts.update(published=0, parked=0, suppressed=0, too_young=0, gone=len(left))
    for source in sources:
        for first, last in key_ranges(source, (insert_id for _, insert_id in wanted)):
            for _, rows in pages(source, first - 1, last):
                found = [each for each in _events(source, rows, settled) if _key(each[0]) in wanted]
                left.difference_update(_key(event) for event, _ in found)
                events = [event for event, is_young in found if not is_young]
                kept = filters.filter_suppressed(events) if events else ()
                counts["gone"] = len(left)
                counts["too_young"] += len(found) - len(events)
                counts["suppressed"] += len(events) - len(kept)
                parked = send(kept) if kept else {}
                counts["parked"] += len(parked)
                counts["published"] += len(kept) - len(parked)


def _events(source: Source, rows: Mapping[int, Any], settled: datetime) -> Iterator[tuple[str, bool]]:
    """Yield the JSON of each row's event, and whether it is too young; rows without one were named before."""
    for key, row in sorted(rows.items()):
        with suppress(NoEvent, InvalidEvent):
            if not isinstance(row, NoEvent):
                yield encode(source, key, row)[0], source.created_at(row) >= settled


def key_ranges(source: Source, insert_ids: Iterator[str]) -> list[tuple[int, int]]:
    """Return first and last key of the rows that insert ids are of, page by page."""
    pattern = re.compile("(-?[0-9]+)" if source.bare_key else f"{re.escape(source.name)}-(-?[0-9]+)")
    keys = sorted({int(match[1]) for insert_id in insert_ids if (match := pattern.fullmatch(insert_id))})
    ranges: list[tuple[int, int]] = []
    for key in keys:
        if ranges and key - ranges[-1][0] < PAGE_ROWS:
            ranges[-1] = ranges[-1][0], key
        else:
            ranges.append((key, key))
    return ranges


def _key(encoded: str) -> Key:
    event = json.loads(encoded)
    return event["event"], event["insert_id"]
