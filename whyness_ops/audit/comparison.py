"""Edge: compares all expected events with all exported ones, in one process or two."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from whyness_ops.audit.joining import join, time_residuals
from whyness_ops.audit.judging import judge
from whyness_ops.audit.packed_records import MOST_FILES, Part, Tally, partition, partitions
from whyness_ops.audit.processes import can_start, two_processes
from whyness_ops.audit.rereading import Question
from whyness_ops.audit.verdicts import Counts, Verdict, measured_offset_ms
from whyness_ops.errors import NotJudged, UsageFault

_METHOD = "forkserver"
# A process takes a third of a second to start.
_ALONE_BYTES = 16_000_000
_PART_BYTES = 128_000_000

T = TypeVar("T")
R = TypeVar("R")
Map = Callable[[Callable[[T], R], Sequence[T]], Iterator[R]]


def compare_sides(question: Question) -> Counts:
    """Compare; the findings are files in the question's directory.

    Raises:
        NotJudged: the export's times are those of another zone, or it has no event.
    """
    with _mapper(question) as map_:
        expected, exported = _partition(question, map_)
        if not exported and question.unknown_days:  # then the complete days, which are empty, prove nothing
            question = replace(question, unknown_days=frozenset(day for day, _ in expected))
        _check_zone(question, map_)
        counts = Counts()
        counts.verdicts.update({(Verdict.MATCHED, *key): count for key, count in expected.items()})
        for part in map_(partial(judge, question), partitions(question.directory)):
            counts.add(part)
    if not (exported or question.may_be_empty) and counts.by_verdict()[Verdict.MISSING]:
        raise NotJudged(
            "The export has no event at all, although some are expected. Check the project, the region and "
            "the period. Nothing is reported as missing."
        )
    counts.verdicts = Counter({key: count for key, count in counts.verdicts.items() if count})
    return counts


def _partition(question: Question, map_: Any) -> tuple[Counter[tuple[int, str]], int]:
    """Write the records; return the expected events of the period, and the number of exported rows."""
    parts = [*_parts("expected", question.expected), *_parts("exported", question.exported)]
    task = partial(
        partition,
        directory=question.directory,
        project_time=question.project_time,
        derived=question.derived,
    )
    expected, exported, secrets = Counter[tuple[int, str]](), 0, set()
    tallies: Iterator[Tally] = map_(task, parts)
    for part, tally in zip(parts, tallies, strict=True):
        secrets.add(tally.hashed)
        expected.update(tally.in_period)
        exported += tally.rows if part.side == "exported" else 0
    assert len(secrets) <= 1, "the processes hash differently"  # noqa: S101
    return expected, exported


def _parts(side: str, paths: Sequence[Path]) -> Iterator[Part]:
    if len(paths) > MOST_FILES:
        raise UsageFault(f"The period has {len(paths)} days; an audit takes {MOST_FILES} at most.")
    for number, path in enumerate(paths):
        size = path.stat().st_size
        for start in range(0, size, _PART_BYTES):
            yield Part(side, number, path, start, min(start + _PART_BYTES, size))


def measure(question: Question, number: int) -> tuple[int, Counter[tuple[int, int]]]:
    """Return how many rows of a partition match, and how far their times are off the zone's."""
    joined = join(question.directory, number, question.project_time)
    return int((joined.row_of >= 0).sum()), time_residuals(joined)


def _check_zone(question: Question, map_: Any) -> None:
    matched, residuals = 0, Counter[tuple[int, int]]()
    for count, part in map_(partial(measure, question), partitions(question.directory)):
        matched += count
        residuals.update(part)
    if off_ms := measured_offset_ms(residuals, matched):
        rows = sum(count for (_, off), count in residuals.items() if off == off_ms)
        raise NotJudged(
            f"The times of {rows} of {matched} matched events are {_hours(off_ms)} the local time of "
            f"{question.project_time.zone.key}: the project has another time zone. Give the zone that its "
            "settings in Mixpanel name; UTC for one from 2023 or later. Nothing is reported as missing."
        )


def _hours(off_ms: int) -> str:
    hours, minutes = divmod(abs(off_ms) // 60_000, 60)
    return f"{hours}:{minutes:02} h {'after' if off_ms > 0 else 'before'}"


@contextmanager
def _mapper(question: Question) -> Iterator[Any]:
    """Yield `map`, or one of two processes where there is much to do."""
    size = sum(path.stat().st_size for path in (*question.expected, *question.exported))
    if size <= _ALONE_BYTES or not can_start(_METHOD):
        yield map
        return
    # Both are forked from one process: so they share the secret with which Python hashes, and inherit no lock
    # that a thread of this process holds.
    with two_processes(_METHOD) as map_:
        yield map_
