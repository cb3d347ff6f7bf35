"""The expected events of sources: ranges of keys, written by two processes where there are many rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connections
from django.db.models import Max, Min

from whyness_mixpanel.sources.expected_rows import Asked, Range, write_range
from whyness_mixpanel.sources.source import Source
from whyness_ops.audit.auditing import Expected
from whyness_ops.audit.export_days import NOTHING_JUDGED
from whyness_ops.audit.processes import can_start, two_processes
from whyness_ops.errors import Stopped

# About a second of work: so soon does a process stop, or help the other at the end.
RANGE_ROWS = 20_000
_METHOD = "spawn"  # a fork would share this process's connections, and the locks that its threads hold


def write_expected(
    chosen: Sequence[Source],
    asked: Asked,
    *,
    on_trouble: Callable[[str, int, str], None],
    is_stopped: Callable[[], bool],
) -> Expected:
    """Write the expected events of sources.

    Args:
        chosen: the sources.
        asked: what is asked of each row.
        on_trouble: called with the source's name and the key of a row without an event, and the reason.
        is_stopped: asked between two ranges.

    Raises:
        Stopped: it was stopped.
        NotJudged: it is unknown who is suppressed, a setting is invalid, or a process was killed.
        django.db.Error: the database failed.
    """
    ranges = ((source.name, *keys) for source in chosen for keys in _ranges(source))
    parts = [Range(name, after, upper, number) for number, (name, after, upper) in enumerate(ranges)]
    files, refused = list[Path](), 0
    has_many = len(parts) > len({part.source for part in parts})
    with _mapper(chosen, has_many=has_many) as map_:
        for part, written in zip(parts, map_(partial(write_range, asked), parts), strict=True):
            files.append(written.path)
            refused += written.refused
            for key, why in written.troubles:
                on_trouble(part.source, key, why)
            if is_stopped():
                raise Stopped(NOTHING_JUDGED)
    return Expected(files, refused)


def _ranges(source: Source) -> Iterator[tuple[int, int]]:
    """Yield the key after which each range begins, and its last one, however sparse the keys are."""
    keys = source.rows().order_by().aggregate(first=Min("pk"), last=Max("pk"))
    if keys["first"] is None:
        return
    after, last = keys["first"] - 1, keys["last"]  # rows added later are not expected
    of_range = source.rows().filter(pk__lt=last).values_list("pk", flat=True)
    while after < last:
        upper = next(iter(of_range.filter(pk__gt=after)[RANGE_ROWS - 1 : RANGE_ROWS]), last)
        yield after, upper
        after = upper


@contextmanager
def _mapper(chosen: Sequence[Source], *, has_many: bool) -> Iterator[Any]:
    """Yield `map`, or one of two processes where there are many rows, which others can read."""
    if has_many and can_start(_METHOD) and all(map(_is_shared, chosen)):
        with two_processes(_METHOD, django.setup) as map_:
            yield map_
    else:
        yield map


def _is_shared(source: Source) -> bool:
    """Whether another process has the same settings and sees the same rows."""
    connection: Any = connections[source.rows().db]
    is_own = connection.in_atomic_block or (connection.vendor == "sqlite" and connection.is_in_memory_db())
    return bool(settings.SETTINGS_MODULE) and not is_own
