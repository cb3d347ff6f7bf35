"""Pure: rows of the Log as bars, one per day, stacked by reason. SVG coordinates, no styles."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

WIDTH, HEIGHT = 720, 180
_BASE, _TOP = 150, 20
_GAP = 0.25
# With more days, labels would overlap.
_MOST_LABELS = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """One rectangle: the failures of a reason on a day."""

    reason: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One day, with its position on the chart."""

    day: date
    x: float
    width: float
    middle: float
    top: float
    label: str
    total: int
    pieces: tuple[Piece, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole chart; `bars` are oldest first, and the `counts` of a bar are in the order of `reasons`."""

    reasons: tuple[str, ...]
    totals: tuple[int, ...]
    total: int
    bars: tuple[Bar, ...]
    width: int = WIDTH
    height: int = HEIGHT
    base: int = _BASE

    @property
    def summary(self) -> str:
        """Return the chart as a sentence, for screen readers."""
        if not self.total:
            return "No failures in this period."
        worst = max(self.bars, key=lambda bar: bar.total)
        parts = ", ".join(f"{count} {r}" for r, count in zip(self.reasons, self.totals, strict=True))
        if len(self.bars) == 1:
            return f"{_counted(self.total, 'failure')} on {worst.day}: {parts}."
        failures = _counted(self.total, "failure")
        return f"{failures} in {len(self.bars)} days: {parts}. Most on {worst.day}: {worst.total}."


def draw(rows: Iterable[Mapping[str, Any]], days: Sequence[date]) -> Chart:
    """Return the chart of `rows` of the index over `days`, both in any order."""
    counts = Counter(day_and_reason(row) for row in rows)
    by_reason = Counter[str]()
    for (_, reason), count in counts.items():
        by_reason[reason] += count
    reasons = tuple(reason for reason, _ in sorted(by_reason.items(), key=lambda item: (-item[1], item[0])))
    table = [(day, [counts[str(day), reason] for reason in reasons]) for day in sorted(days)]
    highest = max((sum(some) for _, some in table), default=0) or 1
    step = WIDTH / max(1, len(table))
    every = -(-len(table) // _MOST_LABELS)
    bars = [
        _bar(day, some, reasons, place=(index * step, step), scale=(_BASE - _TOP) / highest, every=every)
        for index, (day, some) in enumerate(table)
    ]
    return Chart(reasons, tuple(by_reason[r] for r in reasons), sum(by_reason.values()), tuple(bars))


def day_and_reason(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the day and the reason in a row's index key."""
    day, _, rest = str(row.get("gsi1pk", "")).partition("#")
    return day, rest.partition("#")[0]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _bar(  # noqa: PLR0913  (a bar has as many sides)
    day: date,
    counts: Sequence[int],
    reasons: Sequence[str],
    *,
    place: tuple[float, float],
    scale: float,
    every: int,
) -> Bar:
    x, step = place
    pieces, y = [], float(_BASE)
    for reason, count in zip(reasons, counts, strict=True):
        if count:
            y -= count * scale
            pieces.append(Piece(reason, round(y, 2), round(count * scale, 2)))
    label = f"{day:%d %b}" if day.toordinal() % every == 0 else ""
    width, middle = step * (1 - _GAP), x + step / 2
    return Bar(
        day=day,
        x=round(x + step * _GAP / 2, 2),
        width=round(width, 2),
        middle=round(middle, 2),
        top=round(y - 5, 2),
        label=label,
        total=sum(counts),
        pieces=tuple(pieces),
        counts=tuple(counts),
    )
