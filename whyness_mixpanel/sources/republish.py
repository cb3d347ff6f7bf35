"""Publishes the rows of single events, as the backfill does."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime

from whyness_mixpanel.privacy import filters
from whyness_mixpanel.sources.backfill import PAGE_ROWS, Backfill, Period
from whyness_mixpanel.sources.source import Source

# An event's name and its insert id.
Key = tuple[str, str]


def republish(  # noqa: PLR0913  (what it works with, each by name)
    sources: Sequence[Source],
    wanted: Collection[Key],
    send: Callable[[Sequence[str]], Mapping[int, str]],
    counts: MutableMapping[str, int],
    *,
    settled: datetime,
    identity: str,
) -> None:
    """Publish the events of these names and insert ids, without those of suppressed people.

    Args:
        sources: whose rows.
        wanted: which of them.
        send: sends the events of one call; returns the reasons of those that were parked, by index.
        counts: is told, as it goes, how many are `published`, `parked`, `suppressed`, and `left_out`: their
            row is gone, or too young.
        settled: rows from this time on are too young.
        identity: the identity mode.

    Raises:
        CannotFilter: it is unknown who is suppressed.
        django.db.Error: the database failed.
    """
    left = set(wanted)
    for name, count in (("published", 0), ("parked", 0), ("suppressed", 0), ("left_out", len(left))):
        counts[name] = count

    def keep(events: Sequence[str]) -> Sequence[str]:
        chosen = [event for event in events if _key(event) in wanted]
        kept = filters.filter_suppressed(chosen)
        left.difference_update(map(_key, chosen))
        counts["suppressed"] += len(chosen) - len(kept)
        counts["left_out"] = len(left)
        return kept

    def send_counted(events: Sequence[str]) -> Mapping[int, str]:
        parked = send(events)
        counts["published"] += len(events) - len(parked)
        counts["parked"] += len(parked)
        return parked

    for source in sources:
        backfill = Backfill(
            source=source,
            period=Period(None, None, settled, datetime.max.replace(tzinfo=UTC)),
            keep=keep,
            send=send_counted,
            identity=identity,
            on_page=lambda _: None,
            on_trouble=lambda *_: None,  # the audit has named rows without an event
        )
        for first, last in key_ranges(source, (insert_id for _, insert_id in wanted)):
            backfill.run(after=first - 1, upper=last)


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
