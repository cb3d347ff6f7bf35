"""The faults, what became of the events under each, and the tables of that. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

PROJECT = "this project"
# Below the smallest batch of any client: 50 events of mixpanel, with 450 bytes each.
_SMALL_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which Mixpanel fails.

    Args:
        title: for people.
        effect: the simulator's fault; empty if it has none.
        wrong_password: whether Mixpanel takes another password than the sender has.
    """

    title: str
    effect: Mapping[str, Any] = field(default_factory=dict)
    wrong_password: bool = False


NO_FAULT = Fault("no fault")


def make_faults(*, burst_s: float, outage_s: float) -> tuple[Fault, ...]:
    """Return NO_FAULT, under which every sender must deliver all events, and the faults."""
    return (
        NO_FAULT,
        Fault(f"429 for {burst_s:g} s", {"status": 429, "for_s": burst_s}),
        Fault(f"503 for {outage_s:g} s", {"status": 503, "for_s": outage_s}),
        Fault(f"connections refused for {outage_s:g} s", {"connection": "refuse", "for_s": outage_s}),
        Fault(f"413 above {_SMALL_BYTES:,} bytes", {"status": 413, "over_bytes": _SMALL_BYTES}),
        Fault("wrong password", wrong_password=True),
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """What became of the events of one sender under one fault.

    Args:
        lost: events that are not in Mixpanel and will never be.
        kept: events in the dead-letter queue or still in the queue.
        raised: exceptions by name.
        reported: the counts of events in the client's result; empty if it has no result.
        waited_s: how long the program neither ended nor sent anything, if it was stopped for that.
    """

    lost: int
    kept: int = 0
    raised: Mapping[str, int] = field(default_factory=dict)
    reported: Mapping[str, int] = field(default_factory=dict)
    waited_s: float | None = None

    @classmethod
    def of_client(cls, lost: int, said: Mapping[str, Any]) -> Self:
        """Return the cell of a program that ended and said this."""
        return cls(lost, raised=said["raised"], reported=said.get("reported", {}))

    def to_text(self, *, short: bool = False) -> str:
        """Return it in words."""
        lost = f"lost {self.lost:,}" if self.lost else "lost none"
        return ", ".join([lost, *([f"kept {self.kept:,}"] if self.kept else []), *self._said(short=short)])

    def _said(self, *, short: bool) -> list[str]:
        if self.waited_s is not None:
            return ["hung" if short else f"hung: stopped after {self.waited_s:g} s without a request"]
        if self.raised:
            return [
                f"raised {name}" + ("" if short else f" {count:,} times")
                for name, count in self.raised.items()
            ]
        if not self.lost:
            return []
        counts = " and ".join(f"{count:,} {what}" for what, count in self.reported.items())
        return ["raised nothing", *([f"reported {counts}"] if counts and not short else [])]


Cells = Mapping[str, Sequence[Cell]]
"""The cells of each sender, in the order of the faults."""


def table(faults: Sequence[Fault], cells: Cells) -> str:
    """Return all cells as a Markdown table."""
    return _table(list(range(len(faults))), faults, cells, short=False)


def short_table(faults: Sequence[Fault], cells: Cells) -> str:
    """Return the cells of the faults, in few words, as a Markdown table."""
    rows = [row for row, fault in enumerate(faults) if fault != NO_FAULT]
    return _table(rows, faults, cells, short=True)


def _table(rows: Sequence[int], faults: Sequence[Fault], cells: Cells, *, short: bool) -> str:
    lines = [
        ["Mixpanel's fault", *cells],
        ["---"] * (1 + len(cells)),
        *(
            [faults[row].title, *(column[row].to_text(short=short) for column in cells.values())]
            for row in rows
        ),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
