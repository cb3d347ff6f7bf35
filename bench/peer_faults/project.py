"""Send the same events through this project's queue and function, under every fault."""

from collections.abc import Sequence
from dataclasses import replace

from bench.peer_faults.cells import NO_FAULT, PROJECT, Cell, Fault
from bench.peer_faults.offer import EVENTS_PER_MESSAGE, Offer
from bench.programs import Failed
from bench.workload import invocations
from local.accounting import DELIVERED, Expected, keys_in
from local.chaos import troubles
from local.chaos.lane import Lane
from local.chaos.load import Load
from local.chaos.pace import Pace
from local.chaos.rows import Row
from local.chaos.running import run_load

_TRIES = 3  # on a busy machine a short fault may be over before the function sends
_SCALE = 0.02  # of the delays between tries, as in a quick chaos run


def project_cells(offer: Offer, faults: Sequence[Fault]) -> list[Cell]:
    """Return this project's cells.

    Raises:
        Failed: a fault never struck, so that the figures mean nothing.
    """
    work_dir = offer.work_dir / PROJECT
    work_dir.mkdir()
    pace = replace(Pace.at(_SCALE, 1), events=offer.event_count, load_s=0)
    load = _load(offer.event_count)
    with Lane(work_dir, pace) as lane:
        lane.start_poller()
        return [_cell(lane, fault, load, pace) for fault in faults]


def _cell(lane: Lane, fault: Fault, load: Load, pace: Pace) -> Cell:
    for _ in range(_TRIES):
        result = run_load(lane, _row(fault), load, pace)
        if result.struck or fault == NO_FAULT:
            return Cell(result.account.lost, kept=result.account.dead + result.account.waiting)
    raise Failed(f"The fault never struck ({fault.title}) in this project's pipeline")


def _row(fault: Fault) -> Row:
    """Return the fault as a row of the chaos runs. Only a wrong password needs an operator, who fixes it."""
    if fault.wrong_password:
        return Row(fault.title, fault.title, troubles.rotated, lambda pace: pace.trouble_s)
    return Row(fault.title, fault.title, troubles.at_mixpanel(*filter(None, [fault.effect])))


def _load(event_count: int) -> Load:
    bodies = [
        record["body"]
        for invocation in invocations(event_count, per_message=EVENTS_PER_MESSAGE)
        for record in invocation["Records"]
    ]
    fates = dict.fromkeys((key for body in bodies for key in keys_in(body)), DELIVERED)
    return Load("", bodies, Expected(fates))
