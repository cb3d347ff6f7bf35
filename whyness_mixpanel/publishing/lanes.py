"""When a relay looks at a database, and from which row on. Pure: the clock and chance are passed in.

Two lanes: `fresh` begins at the lowest row that it was told of since its last look, `backlog` at what was
left, and at 0 once a minute. So what the queue does not take holds up nothing that comes after it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from whyness_mixpanel.publishing.outbox import GATHER_S

EACH_S = 55.0
LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Lane:
    """Where the next look begins, None for nowhere, and when; `failed_count` tries have failed in a row."""

    from_id: int | None = None
    due_s: float = 0.0
    failed_count: int = 0
    is_second_look: bool = False
    pause_until_s: float = 0.0

    def tell(self, id_: int, due_s: float) -> None:
        """Look from that row on, at the latest then; no telling shortens a pause."""
        due_s = max(due_s, self.pause_until_s)
        self.due_s = due_s if self.from_id is None else min(self.due_s, due_s)
        self.from_id = id_ if self.from_id is None else min(self.from_id, id_)

    def go_on(self, id_: int | None, due_s: float) -> None:
        """Look from that row on then; None is nowhere."""
        self.from_id, self.due_s, self.is_second_look = id_, due_s, False


@dataclass(slots=True)
class _Left:
    """Rows that the queue did not take: the lowest, the next after the highest, and when they are free."""

    low_id: int
    next_id: int
    due_s: float


@dataclass(slots=True)
class Lanes:
    """Of one database.

    Args:
        random: from 0 to 1.
        next_round_s: when all is looked at.
    """

    random: Callable[[], float]
    next_round_s: float
    fresh: Lane = field(default_factory=Lane)
    backlog: Lane = field(default_factory=Lane)
    _left: _Left | None = None
    # Where a success in the midst of what was left goes on: at its beginning.
    _skipped_id: int | None = None

    def told(self, id_: int, now_s: float) -> None:
        """Note that rows were written from that one on."""
        self.fresh.tell(id_, now_s + GATHER_S)

    def due(self, now_s: float) -> Iterator[Lane]:
        """Yield the lanes to look at, what is fresh first."""
        if now_s >= self.next_round_s:
            self.next_round_s = now_s + EACH_S
            self.backlog.tell(0, now_s)
        yield from (lane for lane in self._waiting() if lane.due_s <= now_s)

    def next_due_s(self) -> float:
        """Return when there is something to do."""
        return min([self.next_round_s, *(lane.due_s for lane in self._waiting())])

    @property
    def is_waiting(self) -> bool:
        """Whether rows are left, or may be."""
        return self._left is not None or bool(self._waiting())

    def find_nothing(self, lane: Lane, now_s: float) -> None:
        """Note that there is no free row."""
        lane.go_on(None, now_s)
        if lane is self.fresh:
            return
        if self._left is None:
            lane.failed_count = 0
        else:
            self._return_to(self._left, now_s)

    def find_young(self, lane: Lane, now_s: float) -> None:
        """Note that all rows are younger than the gathering: they are looked at once more."""
        if lane.is_second_look:
            self.find_nothing(lane, now_s)
        else:
            lane.due_s, lane.is_second_look = now_s + GATHER_S, True

    def take(self, lane: Lane, now_s: float, next_id: int | None) -> None:
        """Note a success; there may be more from `next_id` on."""
        lane.failed_count, lane.pause_until_s = 0, 0.0
        if lane is self.backlog:
            self.fresh.pause_until_s, self.fresh.due_s = 0.0, min(self.fresh.due_s, now_s)  # the queue works
            if self._skipped_id is not None:
                next_id, self._skipped_id = self._skipped_id, None
        if next_id is None:
            self.find_nothing(lane, now_s)
        else:
            lane.go_on(next_id, now_s)

    def leave(self, ids: Sequence[int], due_s: float) -> None:
        """Note rows that were not taken, and when they are free again."""
        left = self._left or _Left(ids[0], 0, due_s)
        self._left = _Left(min(left.low_id, ids[0]), max(left.next_id, ids[-1] + 1), min(left.due_s, due_s))
        if self.backlog.from_id is None:
            self._return_to(self._left, due_s)

    def fail(self, lane: Lane, now_s: float) -> None:
        """Note that nothing was taken, and pause; the next look begins behind all that failed."""
        self._pause(lane, now_s)
        behind = self._left.next_id if self._left and lane is self.backlog else None
        lane.go_on(behind, lane.pause_until_s)

    def hurry(self) -> None:
        """Let all that is known to wait be due now."""
        for lane in self._waiting():
            lane.due_s = lane.pause_until_s = 0.0

    def be_unread(self, lane: Lane, now_s: float) -> None:
        """Note that the database failed, and pause; the next look begins where this one did."""
        self._pause(lane, now_s)
        lane.due_s = lane.pause_until_s

    def _pause(self, lane: Lane, now_s: float) -> None:
        lane.failed_count += 1
        pause_s = min(LONGEST_PAUSE_S, 2.0 ** min(lane.failed_count - 1, 10))
        lane.pause_until_s = now_s + pause_s * (0.7 + 0.3 * self.random())

    def _return_to(self, left: _Left, due_s: float) -> None:
        """Look at what was left again, from any of its rows on: none of them may hold up the others."""
        start = left.low_id + int(self.random() * (left.next_id - left.low_id))
        self._left, self._skipped_id = None, left.low_id
        self.backlog.tell(start, max(due_s, left.due_s))

    def _waiting(self) -> list[Lane]:
        return [lane for lane in (self.fresh, self.backlog) if lane.from_id is not None]
