"""Run rows on lanes: offer the load under the trouble, drain, account."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local import inventory
from local.accounting import Account, account
from local.chaos import auditing
from local.chaos.lane import Lane
from local.chaos.load import Load, make_load
from local.chaos.pace import Pace
from local.chaos.rows import LONGEST_FIRST, Row
from local.processes import raise_if_interrupted
from whyness_events import sqs_batch

_TICK_S = 0.1
_SEND_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a row.

    Args:
        row: that was run.
        account: of its events.
        drain_s: from the end of the load, or from the end of the trouble, until the queue was empty.
        struck: how often the fault struck.
        audited: events that the audit found in Mixpanel as expected.
        disagreements: where the audit and the account do not agree, for people.
    """

    row: Row
    account: Account
    drain_s: float
    struck: int
    audited: int
    disagreements: Sequence[str] = ()

    @property
    def problems(self) -> list[str]:
        """What is wrong, for people; empty if all is well."""
        problems = [*self.account.problems, *self.disagreements]
        return problems if self.struck else [*problems, "the fault never struck, so the row proves nothing"]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        figures = {**asdict(self.account), "audited": self.audited, "struck": self.struck}
        figures["drain_s"] = round(self.drain_s, 1)
        return {"row": self.row.name, **figures, "ok": not self.problems}


def run_row(lane: Lane, row: Row, pace: Pace) -> Result:
    """Run one row on a lane, with the load that it describes."""
    return run_load(
        lane, row, make_load(row.name, pace.events, row.mix, now_ms=time.time_ns() // 1_000_000), pace
    )


def run_load(lane: Lane, row: Row, load: Load, pace: Pace) -> Result:
    """Run one row on a lane, with this load."""
    lane.reset()
    with row.trouble(lane, pace) as tally:
        began = time.monotonic()
        _offer(lane, load, pace.load_s)
        fixed_at = time.monotonic()
        if row.fixed_after_s is None:
            lane.drain()
        else:
            _wait_until(began + row.fixed_after_s(pace))
            fixed_at = time.monotonic()
    lane.drain()
    drain_s = time.monotonic() - fixed_at
    snapshot = inventory.take_snapshot(lane.stack).of(load.prefix)
    audited = auditing.audit(lane, load)
    return Result(
        row,
        account(load.expected, snapshot),
        drain_s,
        tally.count,
        audited.matched_count,
        auditing.disagreements(audited, load.expected, snapshot),
    )


def run_rows(
    rows: Iterable[Row],
    pace: Pace,
    *,
    lane_count: int,
    work_dir: Path,
    on_tick: Callable[[Sequence[Lane]], None],
) -> Iterator[Result]:
    """Run rows, several at once, and yield each result as it comes.

    Args:
        rows: to run.
        pace: of the run.
        lane_count: how many at once.
        work_dir: for the lanes' logs.
        on_tick: called in this thread several times a second, with the lanes that are up.
    """
    todo = queue.SimpleQueue[Row]()
    for row in sorted(rows, key=lambda row: row.name not in LONGEST_FIRST):
        todo.put(row)
    crew = _Crew(todo, pace, work_dir)
    threads = [threading.Thread(target=crew.work, args=(number,)) for number in range(lane_count)]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads) or not crew.done.empty():
            on_tick(list(crew.lanes))
            try:
                yield crew.done.get(timeout=_TICK_S)
            except queue.Empty:
                raise_if_interrupted()
    finally:
        crew.over.set()
        for thread in threads:
            thread.join()
    if crew.raised:
        raise crew.raised[0]


class _Crew:
    """What the threads share. Every thread has its own lane."""

    def __init__(self, todo: "queue.SimpleQueue[Row]", pace: Pace, work_dir: Path) -> None:
        self.done = queue.SimpleQueue[Result]()
        self.over = threading.Event()
        self.raised: list[BaseException] = []
        self.lanes: list[Lane] = []
        self._todo = todo
        self._pace = pace
        self._work_dir = work_dir

    def work(self, number: int) -> None:
        """Run rows until none is left, or a thread failed."""
        try:
            self._work(self._work_dir / f"lane-{number}")
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that waits)
            self.raised.append(error)
            self.over.set()

    def _work(self, work_dir: Path) -> None:
        work_dir.mkdir()
        with Lane(work_dir, self._pace) as lane:
            lane.start_poller()
            self.lanes.append(lane)
            while not self.over.is_set():
                try:
                    row = self._todo.get_nowait()
                except queue.Empty:
                    break
                self.done.put(run_row(lane, row, self._pace))
            self.lanes.remove(lane)


def _offer(lane: Lane, load: Load, seconds: float) -> None:
    """Send the load evenly over so many seconds, directly to the emulator: publishing is not tested here."""
    sqs, url = lane.stack.account.client("sqs"), lane.stack.resources.queue_url
    began = time.monotonic()
    for start in range(0, len(load.bodies), _SEND_AT_ONCE):
        _wait_until(began + seconds * start / len(load.bodies))
        bodies = load.bodies[start : start + _SEND_AT_ONCE]
        entries = sqs_batch.numbered([{"MessageBody": body} for body in bodies])
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        if len(sqs_batch.read(answer, entries).confirmed) < len(entries):
            raise RuntimeError(f"the emulator refused a part of the load: {answer}")


def _wait_until(moment: float) -> None:
    while (left_s := moment - time.monotonic()) > 0:
        raise_if_interrupted()
        time.sleep(min(left_s, _TICK_S))
