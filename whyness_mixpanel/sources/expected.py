"""Which rows and insert ids the expected events of an audit have."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from whyness_mixpanel.sources import registry
from whyness_mixpanel.sources.backfill import Period
from whyness_mixpanel.sources.source import Source

_A_SECOND = timedelta(seconds=1)


def period(since_ms: int, until_ms: int) -> Period:
    """Return which rows may be events of a period; those whose time is cut to seconds may be of one earlier.

    No row is too young, or of a wrong clock: the audit says what is late.
    """
    since, until = (datetime.fromtimestamp(moment / 1000, UTC) for moment in (since_ms, until_ms))
    never = datetime.max.replace(tzinfo=UTC)
    return Period(since, until + _A_SECOND, never, never)


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
