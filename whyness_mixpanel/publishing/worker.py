"""Publishes pending rows of the outboxes, for relay, drain and committing thread. It never waits."""

import logging
import random
import time
from collections.abc import Callable

from django.db import Error, connections, router

from whyness_mixpanel.faults import is_of_signal, type_name
from whyness_mixpanel.publishing import batch, memory, outbox, parked
from whyness_mixpanel.publishing.condition import Condition
from whyness_mixpanel.publishing.insert import insert
from whyness_mixpanel.publishing.lanes import Lane, Lanes
from whyness_mixpanel.publishing.outbox import CLAIM_ROWS, Waiting
from whyness_mixpanel.tables import Outbox

logger = logging.getLogger("whyness_mixpanel")

FEW_ROWS = 10
# The time limit of a batch, well below outbox.LEASE_S, so that no row is claimed twice.
BUDGET_S = 30.0
_NEVER_S = float("inf")
# The pause before events in memory whose time is in the future are checked again.
_EARLY_S = 1.0
_WORKS = "Publishing works again."


class Worker:
    """Publishes for one thread. Use it in that thread only.

    Args:
        is_wanted: called between two calls to the backend; False ends the work.
        claim_rows: rows claimed at a time, at most.
        clock: monotonic seconds.
        rng: returns a number from 0 to 1.
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
        # By alias; None for events in memory, which the outbox did not accept.
        self._lanes: dict[str | None, Lanes] = {None: Lanes(rng, _NEVER_S)}
        self._own = Lanes(rng, _NEVER_S)
        self._read_only: set[str] = set()
        # The id after the highest claimed row, by alias.
        self._next_ids: dict[str, int] = {}
        self._failing, self._unread = Condition(), Condition()
        self._has_worked = self._is_in_hurry = False

    def watch(self, alias: str) -> None:
        """Read a database from now on: all rows now and once a minute."""
        if alias not in self._lanes and alias not in self._read_only:
            self._lanes[alias] = Lanes(self._rng, self._clock())

    def look_for_more(self, alias: str) -> None:
        """Read rows that are not reported: those after the last claim, and those that were left."""
        self.watch(alias)
        if lanes := self._lanes.get(alias):
            lanes.fresh.tell(self._next_ids.get(alias, 0), 0)
            if not lanes.backlog.failed_count:
                lanes.backlog.tell(0, 0)

    def tell(self, alias: str | None, id_: int) -> None:
        """Note committed rows, from this id on; alias None: events that the outbox did not accept."""
        if alias is not None:
            self._read_only.discard(alias)
            self.watch(alias)
        self._lanes[alias].told(id_, self._clock())

    def next_due_s(self) -> float:
        """Return when the next read is due, by the clock."""
        return min(lanes.next_due_s() for lanes in self._lanes.values())

    def work(self) -> None:
        """Do everything that is due. Raises only what a signal handler raised."""
        is_busy = True
        while is_busy and self._is_wanted():
            is_busy = False
            for alias, lanes in list(self._lanes.items()):
                for lane in lanes.due(self._clock()):
                    self._look(alias, lanes, lane)
                    is_busy = True
            if self._has_worked and not any(lanes.is_waiting for lanes in self._lanes.values()):
                self._failing.end(_WORKS)

    def hurry(self) -> None:
        """Publish as much as possible, without gathering or pausing, because the process ends."""
        self._is_in_hurry = True
        for lanes in self._lanes.values():
            lanes.hurry()
        self.work()

    def publish_memory(self) -> None:
        """Publish the events in memory, unless that pauses after a failure."""
        self._lanes[None].fresh.tell(0, 0)
        self.work()

    def publish_own(self, claim: str, alias: str, first_id: int) -> None:
        """Publish the rows that the caller wrote under a claim; during a pause, leave them to a drain."""
        if self._clock() < self._own.fresh.pause_until_s:
            return
        try:
            claimed = outbox.claimed_by(claim, alias, from_id=first_id)
            done = batch.publish_claim(claimed, self._budget())
        except Exception as error:  # a page commits, so nothing may be raised, not even by the driver
            if is_of_signal(error):
                raise
            self._begin_unread(alias, error)
            return
        self._unread.end(of=alias)
        self._settle(self._own, self._own.fresh, done, 0)
        if self._has_worked:
            self._failing.end(_WORKS)

    def _look(self, alias: str | None, lanes: Lanes, lane: Lane) -> None:
        if alias is None:
            self._publish_memory(lanes, lane)
            return
        try:
            _use_autocommit(alias)
            is_due = outbox.is_due(alias, lane.from_id)
            if is_due is None:
                lanes.find_nothing(lane, self._clock())
            elif is_due or self._is_in_hurry:
                self._publish(alias, lanes, lane)
            else:
                lanes.find_young(lane, self._clock())
            self._unread.end("The outbox can be read again.", of=alias)
        except Error as error:
            self._give_up(alias, lanes, lane, error)

    def _publish(self, alias: str, lanes: Lanes, lane: Lane) -> None:
        claim = outbox.claim_oldest(alias, from_id=lane.from_id, count=self._count(lane))
        if not claim.rows:
            lanes.find_nothing(lane, self._clock())
            return
        next_id = claim.rows[-1].id + 1
        self._next_ids[alias] = max(next_id, self._next_ids.get(alias, 0))
        done = batch.publish_claim(claim, self._budget())
        if done.again:
            lanes.leave([row.id for row in done.again], self._clock() + done.delay_s)
        self._settle(lanes, lane, done, next_id, is_last=not claim.is_full)

    def _publish_memory(self, lanes: Lanes, lane: Lane) -> None:
        rows = memory.take(self._count(lane))
        waiting = [Waiting(index, row.identity, row.encoded) for index, row in enumerate(rows)]
        done = batch.publish(waiting, self._budget())
        memory.hold([rows[row.id] for row in done.again])
        for index, reason in done.park.items():
            try:
                row = rows[index]._replace(reason=reason)
                insert([row], connections[router.db_for_write(Outbox)])
                parked.tell(1, reason)
            except Error:
                memory.lose(1, "an event that the queue refuses permanently could not be parked")
        self._settle(lanes, lane, done, 0, is_last=memory.is_empty() or bool(done.early))
        if done.has_failed:
            lanes.fresh.tell(0, 0)
        elif done.early:
            lanes.fresh.tell(0, self._clock() + _EARLY_S)
        elif done.confirmed:
            memory.losing.end()

    def _settle(
        self, lanes: Lanes, lane: Lane, done: batch.Done, next_id: int, *, is_last: bool = True
    ) -> None:
        if done.has_failed:
            lanes.fail(lane, self._clock(), next_id)
        else:
            lanes.take(lane, self._clock(), None if is_last else next_id)
        if done.left:
            place = "in the memory of this process" if lanes is self._lanes[None] else "in the outbox"
            text = "Publishing failed: %s. Events wait %s and are retried. The end of this is logged."
            self._failing.begin(text, done.fault, place)
        self._has_worked = not done.left and bool(done.confirmed)

    def _count(self, lane: Lane) -> int:
        return min(FEW_ROWS, self._claim_rows) if lane.failed_count else self._claim_rows

    def _budget(self) -> Callable[[], bool]:
        until_s = self._clock() + BUDGET_S
        return lambda: self._is_wanted() and self._clock() < until_s

    def _give_up(self, alias: str, lanes: Lanes, lane: Lane, error: Error) -> None:
        """Pause after a failure of the database; stop reading it if it is read-only or has no outbox."""
        lanes.be_unread(lane, self._clock())
        if _is_read_only(error):
            logger.info("The database %s is read-only, so nothing is published from it.", alias)
            self._read_only.add(alias)
            self._lanes.pop(alias, None)
        elif _has_no_table(alias):
            self._lanes.pop(alias, None)
        else:
            self._begin_unread(alias, error)
        if not connections[alias].in_atomic_block:
            connections[alias].close()

    def _begin_unread(self, alias: str, error: Exception) -> None:
        text = "The outbox cannot be read: %s. Its events wait. The end of this is logged."
        self._unread.begin(text, type_name(error), of=alias)


def _use_autocommit(alias: str) -> None:
    connection = connections[alias]
    if not connection.in_atomic_block and not connection.get_autocommit():
        connection.set_autocommit(True)


def _is_read_only(error: Error) -> bool:
    cause = error.__cause__
    is_sqlites = getattr(cause, "sqlite_errorname", "").startswith("SQLITE_READONLY")
    return is_sqlites or getattr(cause, "sqlstate", None) == "25006"


def _has_no_table(alias: str) -> bool:
    try:
        return not outbox.has_table(alias)
    except Error:
        return False
