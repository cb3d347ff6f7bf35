"""When a relay reads a database, and from which row on. Pure: clock and randomness are passed in.

Two lanes: `fresh` begins at the lowest row reported since its last read; `backlog` reads the rows that were
left, and once a minute all rows. So rows that the queue refuses do not delay those that come after them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from whyness_mixpanel.publishing.outbox import GATHER_S

EACH_S = 55.0
LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Lane:
    """The rows where the next reads begin, and when; `failed_count` attempts have failed in a row."""

    starts: list[int] = field(default_factory=list)
    due_s: float = 0.0
    failed_count: int = 0
    pause_until_s: float = 0.0
    is_second_look: bool = False

    @property
    def from_id(self) -> int:
        """Return the id where the next read begins."""
        return self.starts[0] if self.starts else 0

    def tell(self, id_: int, due_s: float) -> None:
        """Schedule a read from that row on. This does not shorten a pause."""
        due_s = max(due_s, self.pause_until_s)
        self.due_s = min(self.due_s, due_s) if self.starts else due_s
        self.starts, self.is_second_look = [min([id_, *self.starts])], False

    def go_on(self, id_: int | None, due_s: float) -> None:
        """Continue from that row at that time; None ends this start, and the next one follows."""
        self.starts[:1] = [] if id_ is None else [id_]
        self.due_s, self.is_second_look = due_s, False


@dataclass(slots=True)
class _Left:
    """Rows that the queue refused: the lowest id, the id after the highest, and when all are free."""

    low_id: int
    next_id: int
    due_s: float


@dataclass(slots=True)
class Lanes:
    """The two lanes of one database.

    Args:
        random: returns a number from 0 to 1.
        next_round_s: when all rows are read next.
    """

    random: Callable[[], float]
    next_round_s: float
    fresh: Lane = field(default_factory=Lane)
    backlog: Lane = field(default_factory=Lane)
    _left: _Left | None = None

    def told(self, id_: int, now_s: float) -> None:
        """Note that rows were written, from this id on."""
        self.fresh.tell(id_, now_s + GATHER_S)

    def due(self, now_s: float) -> Iterator[Lane]:
        """Yield the lanes that are due, the fresh one first."""
        if now_s >= self.next_round_s:
            self.next_round_s = now_s + EACH_S
            self.backlog.tell(0, now_s)
        yield from (lane for lane in self._waiting() if lane.due_s <= now_s)

    def next_due_s(self) -> float:
        """Return when the next read is due."""
        return min([self.next_round_s, *(lane.due_s for lane in self._waiting())])

    @property
    def is_waiting(self) -> bool:
        """Whether rows wait, or may wait."""
        return bool(self._waiting())

    def find_nothing(self, lane: Lane, now_s: float) -> None:
        """Note that there is no free row."""
        lane.go_on(None, now_s)
        if lane is self.backlog and not lane.starts:
            self._begin_again(now_s)

    def find_young(self, lane: Lane, now_s: float) -> None:
        """Note that all rows are younger than the gather time; read them once more after it."""
        if lane.is_second_look:
            self.find_nothing(lane, now_s)
        else:
            lane.due_s, lane.is_second_look = now_s + GATHER_S, True

    def take(self, lane: Lane, now_s: float, next_id: int | None) -> None:
        """Note a success; more rows may follow from `next_id` on."""
        lane.failed_count, lane.pause_until_s = 0, 0.0
        if lane is self.backlog:
            self.fresh.pause_until_s, self.fresh.due_s = 0.0, min(self.fresh.due_s, now_s)  # the queue works
        if next_id is None:
            self.find_nothing(lane, now_s)
        else:
            lane.go_on(next_id, now_s)

    def leave(self, ids: Sequence[int], due_s: float) -> None:
        """Note rows that were refused, and when they are free again."""
        left = self._left or _Left(min(ids), 0, due_s)
        self._left = _Left(min(left.low_id, *ids), max(left.next_id, max(ids) + 1), max(left.due_s, due_s))

    def fail(self, lane: Lane, now_s: float, next_id: int) -> None:
        """Note that all rows were refused, and pause; the backlog continues after them."""
        self._pause(lane, now_s)
        lane.go_on(next_id if lane is self.backlog else None, lane.pause_until_s)
        if not self.backlog.starts:
            self._begin_again(now_s)

    def hurry(self) -> None:
        """Make everything that waits due now."""
        for lane in self._waiting():
            lane.due_s = lane.pause_until_s = 0.0

    def be_unread(self, lane: Lane, now_s: float) -> None:
        """Note that the database failed, and pause; the next read begins at the same row."""
        self._pause(lane, now_s)
        lane.due_s = lane.pause_until_s

    def _pause(self, lane: Lane, now_s: float) -> None:
        lane.failed_count += 1
        pause_s = min(LONGEST_PAUSE_S, 2.0 ** min(lane.failed_count - 1, 10))
        lane.pause_until_s = now_s + pause_s * (0.7 + 0.3 * self.random())

    def _begin_again(self, now_s: float) -> None:
        """Read the rows that were left, once they are free, from a random one, so that none blocks others."""
        if self._left is None:
            self.backlog.failed_count = 0
            return
        low_id, next_id, due_s = self._left.low_id, self._left.next_id, self._left.due_s
        self._left = None
        self.backlog.tell(low_id, max(now_s, due_s))
        self.backlog.starts = [low_id + int(self.random() * (next_id - low_id)), low_id]

    def _waiting(self) -> list[Lane]:
        return [lane for lane in (self.fresh, self.backlog) if lane.starts]
