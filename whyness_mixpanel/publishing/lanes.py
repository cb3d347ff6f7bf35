"""When a relay looks at a database, and from which row on. Pure: the clock and chance are passed in.

Two lanes: `fresh` begins at the lowest row that it was told of since its last look; `backlog` walks over what
was left, and once a minute over all. So what the queue does not take holds up nothing that comes after it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from whyness_mixpanel.publishing.outbox import GATHER_S

EACH_S = 55.0
LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Lane:
    """From which rows on the next looks begin, and when; `failed_count` tries have failed in a row."""

    starts: list[int] = field(default_factory=list)
    due_s: float = 0.0
    failed_count: int = 0
    pause_until_s: float = 0.0
    is_second_look: bool = False

    @property
    def from_id(self) -> int:
        """Return where the next look begins."""
        return self.starts[0] if self.starts else 0

    def tell(self, id_: int, due_s: float) -> None:
        """Look from that row on, at the latest then; no telling shortens a pause."""
        due_s = max(due_s, self.pause_until_s)
        self.due_s = min(self.due_s, due_s) if self.starts else due_s
        self.starts, self.is_second_look = [min([id_, *self.starts])], False

    def go_on(self, id_: int | None, due_s: float) -> None:
        """Look from that row on then; None: nothing is behind it, and the next look begins elsewhere."""
        self.starts[:1] = [] if id_ is None else [id_]
        self.due_s, self.is_second_look = due_s, False


@dataclass(slots=True)
class _Left:
    """Rows that the queue did not take: the lowest, the next after the highest, and when all are free."""

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
        return bool(self._waiting())

    def find_nothing(self, lane: Lane, now_s: float) -> None:
        """Note that there is no free row."""
        lane.go_on(None, now_s)
        if lane is self.backlog and not lane.starts:
            self._begin_again(now_s)

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
        if next_id is None:
            self.find_nothing(lane, now_s)
        else:
            lane.go_on(next_id, now_s)

    def leave(self, ids: Sequence[int], due_s: float) -> None:
        """Note rows that were not taken, and when they are free again."""
        left = self._left or _Left(min(ids), 0, due_s)
        self._left = _Left(min(left.low_id, *ids), max(left.next_id, max(ids) + 1), max(left.due_s, due_s))

    def fail(self, lane: Lane, now_s: float, next_id: int) -> None:
        """Note that nothing was taken, and pause; the backlog goes on behind what failed."""
        self._pause(lane, now_s)
        lane.go_on(next_id if lane is self.backlog else None, lane.pause_until_s)
        if not self.backlog.starts:
            self._begin_again(now_s)

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

    def _begin_again(self, now_s: float) -> None:
        """Walk over what was left, once it is free: from any row on, so that none holds up the others."""
        if self._left is None:
            self.backlog.failed_count = 0
            return
        low_id, next_id, due_s = self._left.low_id, self._left.next_id, self._left.due_s
        self._left = None
        self.backlog.tell(low_id, max(now_s, due_s))
        self.backlog.starts = [low_id + int(self.random() * (next_id - low_id)), low_id]

    def _waiting(self) -> list[Lane]:
        return [lane for lane in (self.fresh, self.backlog) if lane.starts]
