"""When a record that is handed back comes again: soon at first, later and later, and not all at once.

Without this, every failed record would come back after the queue's own visibility timeout, twelve minutes.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from whyness_events.delivery.ports import SourceQueue

BASE_S = 15.0
CAP_S = 900.0
_JITTER = (0.8, 1.2)
_DOUBLINGS = 30  # beyond, the cap holds whatever the base
# Up to here a record that waits for nothing but its next try comes back after the shortest pause: of eleven
# receives by ten containers one container has two, and four times as many are still few of a thousand.
SOON_UNTIL = 40


@dataclass(frozen=True, slots=True)
class HandedBack:
    """A record that stays in the queue.

    Args:
        receipt_handle: of this receive.
        receive_count: from 1.
        wait_s: how long Mixpanel asked to wait, 0 where it did not.
        soon: what is in it waits for nothing but its next try.
        is_early: it waits for nothing but its time, which has come after `wait_s`.
    """

    receipt_handle: str
    receive_count: int
    wait_s: float = 0.0
    soon: bool = False
    is_early: bool = False


@dataclass(frozen=True, slots=True)
class Redelivery:
    """Sets when records come again.

    Args:
        queue: the source queue.
        rng: jitter.
        base_s: pause after the first receive; doubles with each.
        cap_s: longest pause.
    """

    queue: SourceQueue
    rng: random.Random
    base_s: float = BASE_S
    cap_s: float = CAP_S

    def delay(self, handed_back: Sequence[HandedBack], *, deadline_s: float, held_s: float = 0.0) -> int:
        """Delay each; return for how many the queue did not confirm it: those keep its own timeout.

        Args:
            handed_back: the records.
            deadline_s: no call is begun after it.
            held_s: how much longer, for records that are still to be handled.
        """
        delays = [(h.receipt_handle, self._pause_s(h) + int(held_s)) for h in handed_back if h.receipt_handle]
        confirmed = self.queue.delay(delays, deadline_s=deadline_s) if delays else 0
        return len(handed_back) - confirmed

    def _pause_s(self, handed_back: HandedBack) -> int:
        if handed_back.is_early:
            return ceil(handed_back.wait_s)
        count = handed_back.receive_count
        count = 1 if handed_back.soon and count < SOON_UNTIL else count
        shortest_s, longest_s = pause_range_s(count, base_s=self.base_s, cap_s=self.cap_s)
        return int(max(self.rng.uniform(shortest_s, longest_s), handed_back.wait_s) + 0.5)


def pause_range_s(receive_count: int, *, base_s: float, cap_s: float) -> tuple[float, float]:
    """Return between what the pause after this receive lies, before it is rounded to whole seconds."""
    own_s = min(cap_s, base_s * 2 ** min(receive_count - 1, _DOUBLINGS))
    return own_s * _JITTER[0], own_s * _JITTER[1]
