"""Publishes what waits in the outboxes, for the relay's thread and the drain. It waits for nothing."""

import logging
import random
import time
from collections.abc import Callable

from django.db import Error, connections, router

from whyness_mixpanel.publishing import batch, memory, outbox
from whyness_mixpanel.publishing.condition import Condition
from whyness_mixpanel.publishing.insert import Row, insert
from whyness_mixpanel.publishing.lanes import Lane, Lanes
from whyness_mixpanel.publishing.outbox import CLAIM_ROWS, Waiting
from whyness_mixpanel.tables import Outbox

logger = logging.getLogger("whyness_mixpanel")

FEW_ROWS = 10
# How long one batch may take: well below sql.LEASE_S, so that no row is claimed twice.
BUDGET_S = 30.0


class Worker:
    """What one thread knows of the databases. Use it in that thread only.

    Args:
        is_wanted: asked between two calls whether to go on.
        claim_rows: how many rows are claimed at a time.
        clock: seconds that never go back.
        rng: from 0 to 1.
    """

    def __init__(
        self,
        *,
        is_wanted: Callable[[], bool] = lambda: True,
        claim_rows: int = CLAIM_ROWS,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._is_wanted, self._claim_rows, self._clock, self._rng = is_wanted, claim_rows, clock, rng
        self._lanes: dict[str, Lanes] = {}
        self._memory = Lanes(rng, float("inf"))
        self._read_only: set[str] = set()
        # Behind the highest row that was claimed, by alias.
        self._next_ids: dict[str, int] = {}
        self._failing, self._unread = Condition(), Condition()
        # Whether the last try failed in nothing.
        self._has_worked = False
        self.is_in_hurry = False

    def watch(self, alias: str) -> None:
        """Look at a database from now on: at all of it now and once a minute."""
        if alias not in self._lanes and alias not in self._read_only:
            self._lanes[alias] = Lanes(self._rng, self._clock())

    def look_for_more(self, alias: str) -> None:
        """Look for rows that nobody tells of: behind those that were looked at last, and at what was left."""
        self.watch(alias)
        if lanes := self._lanes.get(alias):
            lanes.fresh.tell(self._next_ids.get(alias, 0), 0)
            if not lanes.backlog.failed_count:
                lanes.backlog.tell(0, 0)

    def tell(self, alias: str, id_: int) -> None:
        """Note that rows were committed, from that one on."""
        self._read_only.discard(alias)
        self.watch(alias)
        self._lanes[alias].told(id_, self._clock())

    def tell_of_memory(self) -> None:
        """Note that the outbox did not take events."""
        self._memory.told(0, self._clock())

    def publish_memory_now(self) -> None:
        """Publish what the outbox did not take, unless that is being paused."""
        self._memory.fresh.tell(0, 0)
        self.work()

    def next_due_s(self) -> float:
        """Return when there is something to do, by the clock."""
        return min(lanes.next_due_s() for lanes in self._all())

    def work(self) -> None:
        """Do all that is due. Raises nothing but what a signal handler does."""
        is_busy = True
        while is_busy and self._is_wanted():
            is_busy = False
            for alias, lanes in list(self._lanes.items()):
                for lane in lanes.due(self._clock()):
                    self._look(alias, lanes, lane)
                    is_busy = True
            for lane in self._memory.due(self._clock()):
                self._publish_memory(lane)
                is_busy = True
            if self._has_worked and not any(each.is_waiting for each in self._all()):
                self._failing.end("Publishing works again.")

    def hurry(self) -> None:
        """Do all that can be done, without gathering or pausing: the process ends."""
        self.is_in_hurry = True
        for lanes in self._all():
            lanes.hurry()
        self.work()

    def _all(self) -> list[Lanes]:
        return [self._memory, *self._lanes.values()]

    def _look(self, alias: str, lanes: Lanes, lane: Lane) -> None:
        try:
            _use_autocommit(alias)
            is_due = outbox.is_due(alias, lane.from_id or 0)
            if is_due is None:
                lanes.find_nothing(lane, self._clock())
            elif is_due or self.is_in_hurry:
                self._publish(alias, lanes, lane)
            else:
                lanes.find_young(lane, self._clock())
            self._unread.end("The outbox can be read again.")
        except Error as error:
            self._give_up(alias, lanes, lane, error)

    def _publish(self, alias: str, lanes: Lanes, lane: Lane) -> None:
        count = min(FEW_ROWS, self._claim_rows) if lane.failed_count else self._claim_rows
        claim = outbox.claim_oldest(alias, from_id=lane.from_id or 0, count=count)
        if not claim.rows:
            lanes.find_nothing(lane, self._clock())
            return
        next_id = claim.rows[-1].id + 1
        self._next_ids[alias] = max(next_id, self._next_ids.get(alias, 0))
        done = batch.publish_claim(claim, self._budget())
        if done.left:
            lanes.leave([row.id for row in done.left], self._clock() + done.delay_s)
        self._settle(lanes, lane, done, next_id if claim.is_full else None)

    def _settle(self, lanes: Lanes, lane: Lane, done: batch.Done, next_id: int | None) -> None:
        now_s = self._clock()
        if done.has_failed:
            lanes.fail(lane, now_s)
        else:
            lanes.take(lane, now_s, next_id)
        if done.left:
            where = "in the memory of this process" if lanes is self._memory else "in the outbox"
            self._failing.begin(
                "Publishing fails: %s. Events wait %s; logged again when it works.", done.fault, where
            )
        self._has_worked = not done.left and bool(done.confirmed)

    def _publish_memory(self, lane: Lane) -> None:
        rows = memory.take(FEW_ROWS if lane.failed_count else self._claim_rows)
        done = batch.publish(
            [Waiting(index, row.identity, row.encoded) for index, row in enumerate(rows)], self._budget()
        )
        for index, reason in done.park.items():
            _park(rows[index]._replace(reason=reason))
        memory.hold([rows[row.id] for row in done.left])
        self._settle(self._memory, lane, done, None if memory.is_empty() else 0)
        if done.has_failed:
            self._memory.fresh.tell(0, 0)
        elif done.confirmed:
            memory.losing.end()

    def _budget(self) -> Callable[[], bool]:
        until_s = self._clock() + BUDGET_S
        return lambda: self._is_wanted() and self._clock() < until_s

    def _give_up(self, alias: str, lanes: Lanes, lane: Lane, error: Error) -> None:
        """Pause where the database fails; forget it where it has no outbox, or takes none."""
        lanes.be_unread(lane, self._clock())
        if _is_read_only(error):
            logger.info("The database %s is read-only: nothing is published from there.", alias)
            self._read_only.add(alias)
            self._lanes.pop(alias, None)
        elif _has_no_table(alias):
            self._lanes.pop(alias, None)
        else:
            self._unread.begin(
                "The outbox cannot be read: %s. Logged again when it can.", type(error).__name__
            )
        if not connections[alias].in_atomic_block:
            connections[alias].close()


def _use_autocommit(alias: str) -> None:
    connection = connections[alias]
    if not connection.in_atomic_block and not connection.get_autocommit():
        connection.set_autocommit(True)


def _is_read_only(error: Error) -> bool:
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state == "25006" or getattr(cause, "sqlite_errorname", "").startswith("SQLITE_READONLY")


def _has_no_table(alias: str) -> bool:
    try:
        return not outbox.has_table(alias)
    except Error:
        return False


def _park(row: Row) -> None:
    try:
        insert([row], connections[router.db_for_write(Outbox)])
    except Error:
        memory.lose(1, "what the queue refuses for good cannot be parked")
    else:
        outbox.tell_parked(1, row.reason)
