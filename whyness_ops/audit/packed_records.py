"""Edge: an event in 40 bytes, in the partition of its insert id: what is joined without its text in memory.

Python itself hashes the texts: ten times as fast as its other hashes. Two different events have one key of 64
bits about once in 400,000 audits of ten million.
"""

import json
import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from whyness_ops.audit.audited_event import AuditedEvent, read_event, sent_person
from whyness_ops.audit.normalisations import left_out
from whyness_ops.audit.project_time import DAY_MS, ProjectTime
from whyness_ops.errors import FileFault
from whyness_ops.files import private

PARTITIONS = 64
# Key, time, person, properties, place. numpy's names of the same are in joining.py.
_RECORD = struct.Struct("<qqqqQ")
_BUFFER_BYTES = 1_600 * _RECORD.size

# The place: two flags, the number of the file, the offset of the line in it.
HOT_SHARDED, MERGED = 1 << 63, 1 << 62
_FILE_SHIFT, _FILE_BITS, _OFFSET_BITS = 44, 18, 44
MOST_FILES = 1 << _FILE_BITS


def file_and_offset(place: int) -> tuple[int, int]:
    """Return where a record's line is."""
    return place >> _FILE_SHIFT & (MOST_FILES - 1), place & ((1 << _OFFSET_BITS) - 1)


def partitions(directory: Path) -> list[int]:
    """Return the partitions that have records."""
    return sorted({int(path.name.split("-")[1]) for path in directory.glob("exp*ed-*-*")})


class Part(NamedTuple):
    """Lines of one file, which begin in a range of bytes.

    Args:
        side: `expected` or `exported`.
        number: of the file among those of its side.
        path: of the file.
        start: first byte.
        end: the byte after the last.
    """

    side: str
    number: int
    path: Path
    start: int
    end: int


class Tally(NamedTuple):
    """How many lines a part has, and how many of each local day and event name lie in the period.

    Args:
        rows: of the part.
        in_period: of the expected ones, by local day and event name.
        hashed: a fixed text's hash: Python hashes with a secret, which all parts must share.
    """

    rows: int
    in_period: Counter[tuple[int, str]]
    hashed: int


def partition(part: Part, directory: Path, project_time: ProjectTime, *, derived: bool) -> Tally:
    """Write a record for each line.

    Raises:
        FileFault: a line is not an event.
    """
    rows, in_period = 0, Counter[tuple[int, str]]()
    is_expected = part.side == "expected"
    left_out_names = left_out(derived=derived)
    with _Writer(directory, part.side) as writer:
        for offset, line in _lines(part):
            event = read_event(line)
            if event is None:
                raise FileFault(f"{part.path} has a line at byte {offset} that is not an event.")
            place = part.number << _FILE_SHIFT | offset
            writer.write(event, place, left_out_names)
            rows += 1
            if not is_expected:
                continue
            local_ms = project_time.local_ms(event.time_ms)
            if project_time.is_inside(event.time_ms):
                in_period[local_ms // DAY_MS, event.event] += 1
    return Tally(rows, in_period, hash("the secret"))


def _lines(part: Part) -> Iterator[tuple[int, bytes]]:
    with part.path.open("rb") as file:
        offset = part.start
        if offset:  # the line before may end in this part
            file.seek(offset - 1)
            offset += len(file.readline()) - 1
        for line in file:
            if offset >= part.end:
                return
            if not line.isspace():
                yield offset, line
            offset += len(line)


class _Writer:
    """Buffers the records of each partition; a process appends to files of its own."""

    def __init__(self, directory: Path, side: str) -> None:
        self._names = [directory / f"{side}-{number}-{os.getpid()}" for number in range(PARTITIONS)]
        self._buffers = [bytearray() for _ in range(PARTITIONS)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for number in range(PARTITIONS):
            self._flush(number)

    def write(self, event: AuditedEvent, place: int, left_out_names: frozenset[str]) -> None:
        """Append the record of an event."""
        number = hash(event.insert_id) % PARTITIONS
        buffer = self._buffers[number]
        buffer += _pack(event, place, left_out_names)
        if len(buffer) >= _BUFFER_BYTES:
            self._flush(number)

    def _flush(self, number: int) -> None:
        if not self._buffers[number]:
            return
        with open(self._names[number], "ab", opener=private) as file:
            file.write(self._buffers[number])
        self._buffers[number].clear()


_canonical = msgspec.json.Encoder(order="deterministic").encode


def _pack(event: AuditedEvent, place: int, left_out_names: frozenset[str]) -> bytes:
    # Without an insert id nothing can be matched: each such row is one of its own.
    key = f"{event.insert_id}\0{event.event}" if event.insert_id else f"\0{place}"
    person = sent_person(event)
    properties = event.properties
    if event.hot_sharded or "$distinct_id_before_identity" in properties:
        place |= _flags(event)
    for name in left_out_names.intersection(properties):
        del properties[name]
    return _RECORD.pack(
        hash(key),
        event.time_ms,
        hash(person),
        hash(_canonical_json(properties)),
        place,
    )


def _flags(event: AuditedEvent) -> int:
    if event.hot_sharded:
        return HOT_SHARDED
    before = event.properties.get("$distinct_id_before_identity")
    return MERGED if before and before != event.properties.get("distinct_id") else 0


def _canonical_json(properties: dict[str, Any]) -> bytes:
    try:
        return _canonical(properties)
    except (ValueError, OverflowError, TypeError):  # a lone surrogate, or an integer of more than 64 bits
        return json.dumps(properties, sort_keys=True).encode()
