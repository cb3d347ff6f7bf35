"""Edge: the records of one partition, both sides joined with numpy; whose lines have to be read again."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from whyness_ops.audit.packed_records import MERGED
from whyness_ops.audit.project_time import DAY_MS, QUARTER_MS, ProjectTime

_RECORD = np.dtype([(name, "<u8") for name in ("key", "time", "person", "properties", "place")])
_Array = npt.NDArray[Any]
# Two zones are at most so far apart.
_MOST_APART_MS = 26 * 3_600_000


class Joined(NamedTuple):
    """One partition.

    Args:
        expected: unique by key, in the order of the keys.
        exported: all rows.
        row_of: for each exported row, the place of its expected one in `expected`; -1 for none.
        repeated: places of the expected lines that say an event again.
        expected_local: the time of each expected one as the export writes it.
    """

    expected: _Array
    exported: _Array
    row_of: _Array
    repeated: _Array
    expected_local: _Array


def join(directory: Path, number: int, project_time: ProjectTime) -> Joined:
    """Return the partition's records, joined by event name and insert id."""
    expected, exported = (_load(directory, side, number) for side in ("expected", "exported"))
    order = np.argsort(expected["place"])  # the first line counts, whichever process wrote it first
    expected = expected[order]
    keys, first = np.unique(expected["key"], return_index=True)
    repeated = np.delete(expected["place"], first)
    expected = expected[first]
    row_of = np.full(len(exported), -1, dtype=np.int64)
    if len(keys):
        at = np.minimum(np.searchsorted(keys, exported["key"]), len(keys) - 1)
        row_of = np.where(keys[at] == exported["key"], at, -1)
    return Joined(expected, exported, row_of, repeated, _local(expected["time"], project_time))


class Rows(NamedTuple):
    """What is to be told of a partition; rows of the arrays in Joined.

    Args:
        missing: expected in the period, not exported.
        unexpected: exported in the period, not expected; one row of each event.
        strangers: exported, not expected, in or outside the period.
        differing: exported rows that are not obviously equal to what was expected.
        merged: expected events whose exported rows are equal but for a merged person.
        duplicates: exported rows beyond the first of an event.
    """

    missing: _Array
    unexpected: _Array
    strangers: _Array
    differing: _Array
    merged: _Array
    duplicates: int


def sort_out(joined: Joined, project_time: ProjectTime) -> Rows:
    """Return which rows are missing, unexpected or differing."""
    expected, exported, row_of = joined.expected, joined.exported, joined.row_of
    expected_inside = _inside(expected["time"].astype(np.int64), project_time)
    exported_inside = _local_inside(exported["time"].astype(np.int64), project_time)
    hit = row_of >= 0
    found = np.zeros(len(expected), dtype=bool)
    found[row_of[hit]] = True
    rows, partners = np.flatnonzero(hit), row_of[hit]
    equal = exported["time"][rows].astype(np.int64) == joined.expected_local[partners]
    for name in ("person", "properties"):
        equal &= exported[name][rows] == expected[name][partners]
    relevant = expected_inside[partners] | exported_inside[rows]
    merged = equal & expected_inside[partners] & ((exported["place"][rows] & np.uint64(MERGED)) > 0)
    strangers = np.flatnonzero(~hit)
    _, firsts = np.unique(exported["key"][strangers], return_index=True)
    firsts = strangers[firsts]
    return Rows(
        missing=np.flatnonzero(expected_inside & ~found),
        unexpected=firsts[exported_inside[firsts]],
        strangers=strangers,
        differing=rows[relevant & ~equal],
        merged=np.unique(partners[merged]),
        duplicates=len(exported) - len(np.unique(exported["key"])),
    )


def time_residuals(joined: Joined) -> Counter[tuple[int, int]]:
    """Count the matched rows by local day and by how far their time is off the zone's, in ms.

    What is not a whole number of quarter hours, or more than two zones can be apart, is left out.
    """
    hit = joined.row_of >= 0
    local = joined.expected_local[joined.row_of[hit]]
    off = joined.exported["time"][hit].astype(np.int64) - local
    # An export in whole seconds.
    off = np.where((off > -1000) & (off <= 0), 0, off)  # noqa: PLR2004
    whole = (off % QUARTER_MS == 0) & (np.abs(off) <= _MOST_APART_MS)
    pairs = np.stack([local[whole] // DAY_MS, off[whole]], axis=1)
    values, counts = np.unique(pairs, axis=0, return_counts=True)
    return Counter({(int(day), int(off_ms)): int(n) for (day, off_ms), n in zip(values, counts, strict=True)})


def _load(directory: Path, side: str, number: int) -> _Array:
    paths = sorted(directory.glob(f"{side}-{number}-*"))
    parts = [np.fromfile(path, dtype=_RECORD) for path in paths]
    return np.concatenate(parts) if parts else np.empty(0, dtype=_RECORD)


def _local(utc_ms: _Array, project_time: ProjectTime) -> _Array:
    utc_ms = utc_ms.astype(np.int64)
    moments, offsets = (np.array(values) for values in (project_time.moments_ms, project_time.offsets_ms))
    local: _Array = utc_ms + offsets[np.maximum(0, np.searchsorted(moments, utc_ms, side="right") - 1)]
    return local


def _inside(utc_ms: _Array, project_time: ProjectTime) -> _Array:
    inside: _Array = (utc_ms >= project_time.since_ms) & (utc_ms < project_time.until_ms)
    return inside


def _local_inside(local_ms: _Array, project_time: ProjectTime) -> _Array:
    """As ProjectTime.local_is_inside, of an array."""
    possible, inside = np.zeros(len(local_ms), dtype=bool), np.ones(len(local_ms), dtype=bool)
    for offset_ms in set(project_time.offsets_ms):
        utc_ms = local_ms - offset_ms
        is_moment = _local(utc_ms, project_time) == local_ms
        possible |= is_moment
        inside &= ~is_moment | _inside(utc_ms, project_time)
    return possible & inside
