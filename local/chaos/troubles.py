"""The troubles. Each is a context manager: it begins on entry and is fixed on exit.

It yields a `Tally` of how often it struck: a row whose fault never struck proves nothing.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from local.chaos.lane import Lane
from local.chaos.pace import Pace

_REDRIVE_TIMEOUT_S = 300
_ALL_ITEMS = 254


@dataclass(slots=True)
class Tally:
    """How often a trouble struck; set when it is over."""

    count: int = 0


Trouble = Callable[[Lane, Pace], AbstractContextManager[Tally]]


def striking_seed(probability: float, *, within: int = 2) -> int:
    """Return the first seed that strikes in the first draws, so that a small run meets the fault too."""
    for seed in range(1_000):
        chance = random.Random(seed)  # noqa: S311  (a script)
        if any(chance.random() < probability for _ in range(within)):
            return seed
    raise ValueError(f"no seed strikes with probability {probability}")


def _seeded(fault: Mapping[str, Any]) -> dict[str, Any]:
    probability = float(fault.get("probability", 1.0))
    return {"seed": striking_seed(probability), **fault}


def at_mixpanel(*faults: Mapping[str, Any]) -> Trouble:
    """Return a trouble with faults of the simulator."""

    @contextmanager
    def trouble(lane: Lane, _pace: Pace) -> Iterator[Tally]:
        tally = Tally()
        lane.mixpanel.add(*map(_seeded, faults))
        yield tally
        tally.count = lane.mixpanel.clear()

    return trouble


def at_aws(*faults: Mapping[str, Any]) -> Trouble:
    """Return a trouble with faults of the AWS proxy."""

    @contextmanager
    def trouble(lane: Lane, _pace: Pace) -> Iterator[Tally]:
        tally = Tally()
        lane.aws.add(*map(_seeded, faults))
        yield tally
        tally.count = lane.aws.clear()

    return trouble


def limit(status: int, **settings: Callable[[Pace], int]) -> Trouble:
    """Return a trouble with other limits of the simulator; it answers `status` to what exceeds them."""

    @contextmanager
    def trouble(lane: Lane, pace: Pace) -> Iterator[Tally]:
        tally = Tally()
        lane.mixpanel.change(**{name: value(pace) for name, value in settings.items()})
        yield tally
        tally.count = lane.mixpanel.answered(status)
        lane.restore_mixpanel()

    return trouble


@contextmanager
def slow(lane: Lane, pace: Pace) -> Iterator[Tally]:
    """Answer too late, after the import."""
    with at_mixpanel({"probability": 0.3, "delay_s": 2 * pace.answer_timeout_s})(lane, pace) as tally:
        yield tally


@contextmanager
def rotated(lane: Lane, _pace: Pace) -> Iterator[Tally]:
    """Change the password at Mixpanel; update the secret on exit."""
    tally = Tally()
    password = lane.rotate_at_mixpanel()
    yield tally
    tally.count = lane.mixpanel.answered(401)
    lane.put_secret(password)


@contextmanager
def wrong_project(lane: Lane, _pace: Pace) -> Iterator[Tally]:
    """Deploy a project id that Mixpanel refuses with an unexplained 400; the right one on exit."""
    tally = Tally()
    lane.mixpanel.change(unknown_project_status=400)
    lane.stop_poller()
    lane.start_poller(MIXPANEL_PROJECT_ID="999")
    yield tally
    tally.count = lane.mixpanel.answered(400)
    lane.stop_poller()
    lane.start_poller()


@contextmanager
def invalid(lane: Lane, _pace: Pace) -> Iterator[Tally]:
    """Do nothing: the trouble is in the load. An answer that names events is a strike."""
    tally = Tally()
    yield tally
    tally.count = lane.mixpanel.answered(400)


@contextmanager
def redriven(lane: Lane, _pace: Pace) -> Iterator[Tally]:
    """Let Mixpanel refuse events; on exit let it take them, and redrive all dead letters."""
    tally = Tally()
    yield tally
    tally.count = lane.mixpanel.answered(400)
    lane.mixpanel.change(max_items=_ALL_ITEMS)
    with lane.run("whyness_ops", "redrive", "--all", "--json") as process:
        process.wait_for_end(timeout_s=_REDRIVE_TIMEOUT_S)
