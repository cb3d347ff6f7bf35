"""Pure: what becomes of an event in the audit, and what the counts of all say together."""

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


class Verdict(enum.StrEnum):
    """One for each expected event, and for each event of the export that is not expected."""

    MATCHED = "matched"
    MISSING = "missing"
    DIFFERENT = "different"
    UNEXPECTED = "unexpected"
    UNDECIDED = "undecided"
    UNKNOWN = "unknown"
    LATE = "late"
    SUPPRESSED = "suppressed"
    FORGOTTEN = "forgotten"
    BLOCKED = "blocked?"
    BEYOND_RETENTION = "beyond retention"


MEANINGS: Mapping[Verdict, str] = {
    Verdict.MATCHED: "in Mixpanel as expected",
    Verdict.MISSING: "expected, not in the export",
    Verdict.DIFFERENT: "in the export under another name, or with another time, person or property",
    Verdict.UNEXPECTED: "in the export, not expected",
    Verdict.UNDECIDED: "not in the export, but perhaps still in a queue, which is not empty",
    Verdict.UNKNOWN: "the export of its day is incomplete",
    Verdict.LATE: "not in the export yet, and too young to be missing",
    Verdict.SUPPRESSED: "not in the export; its person is suppressed",
    Verdict.FORGOTTEN: "not in the export; its person was forgotten",
    Verdict.BLOCKED: "not in the export, like all of its name: Lexicon may block it",
    Verdict.BEYOND_RETENTION: "not in the export; older than Mixpanel keeps events",
}
FAULTS = frozenset({Verdict.MISSING, Verdict.DIFFERENT, Verdict.UNEXPECTED, Verdict.UNDECIDED})
# The marks with which the maker of the expected events says why one may be absent.
ABSENT_MARKS = {str(verdict): verdict for verdict in (Verdict.SUPPRESSED, Verdict.FORGOTTEN)}
# Fewer absent events of one name are more likely missing one by one.
_LEAST_BLOCKED = 10

ACCOUNTED, FAULTY, NOT_JUDGED = 0, 1, 2


@dataclass(slots=True)
class Counts:
    """The sum of an audit.

    Args:
        verdicts: events by verdict, local day (from 1970) and name.
        merged: matched events whose person has another canonical id.
        hot_sharded: exported rows that Mixpanel moved to a hot shard.
        duplicates: exported rows beyond the first of an event.
        repeated: lines of expected events that say an event again.
        exported: exported rows.
        others: exported events that were not asked about.
        traced: missing and undecided events by where they still may be.
        unprobed: differences that an unprobed rule may explain, by property and rule.
    """

    verdicts: Counter[tuple[Verdict, int, str]] = field(default_factory=Counter)
    merged: int = 0
    hot_sharded: int = 0
    duplicates: int = 0
    repeated: int = 0
    exported: int = 0
    others: int = 0
    traced: Counter[str] = field(default_factory=Counter)
    unprobed: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        """Add those of a partition."""
        self.verdicts.update(other.verdicts)
        self.traced.update(other.traced)
        self.unprobed.update(other.unprobed)
        for name in ("merged", "hot_sharded", "duplicates", "repeated", "exported", "others"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def by_verdict(self) -> Counter[Verdict]:
        """Return how many events have each verdict."""
        sums = Counter[Verdict]()
        for (verdict, _, _), count in self.verdicts.items():
            sums[verdict] += count
        return sums


def blocked_names(counts: Counts) -> frozenset[str]:
    """Return the names of which all events are missing, while others came."""
    by_name: dict[str, Counter[Verdict]] = {}
    for (verdict, _, name), count in counts.verdicts.items():
        by_name.setdefault(name, Counter())[verdict] += count
    there = (Verdict.MATCHED, Verdict.DIFFERENT, Verdict.UNEXPECTED)
    if not counts.by_verdict()[Verdict.MATCHED]:
        return frozenset()
    return frozenset(
        name
        for name, sums in by_name.items()
        if sums[Verdict.MISSING] >= _LEAST_BLOCKED and not any(sums[verdict] for verdict in there)
    )


def exit_code(counts: Counts, *, strict: bool, is_complete: bool) -> int:
    """Return 0 if all is accounted for, 1 for a fault, 2 if a day could not be judged."""
    sums = counts.by_verdict()
    if sums[Verdict.UNKNOWN] or not is_complete:
        return NOT_JUDGED
    has_fault = any(sums[verdict] for verdict in FAULTS) or (strict and bool(counts.unprobed))
    return FAULTY if has_fault else ACCOUNTED


def measured_offset_ms(residuals: Mapping[tuple[int, int], int], matched: int) -> int:
    """Return by how many ms the export is off the zone; 0 if it is not.

    It is off if most of all matched rows are so, all by the same whole quarter hours, or nearly all of one
    day of many rows: two zones may differ in summer alone.

    Args:
        residuals: matched rows by local day and by how far off they are.
        matched: all matched rows.
    """
    sums, days = Counter[int](), Counter[int]()
    for (day, off_ms), count in residuals.items():
        sums[off_ms] += count
        days[day] += count
    off_ms, count = max(sums.items(), key=lambda item: item[1], default=(0, 0))
    if off_ms and count * 2 > matched:
        return off_ms
    for (day, off_ms), count in sorted(residuals.items()):
        if off_ms and count >= _MANY_A_DAY and count >= _NEARLY_ALL * days[day]:
            return off_ms
    return 0


_MANY_A_DAY, _NEARLY_ALL = 20, 0.9
