"""When a record that is handed back returns: after a pause that doubles with each receive, with jitter.

Without this, every such record would return after the queue's own visibility timeout, twelve minutes.
"""

import random
from collections.abc import Sequence
from math import ceil

from msgspec import Struct

from whyness_events.delivery.ports import SourceQueue

BASE_S = 15.0
CAP_S = 900.0
_JITTER = (0.8, 1.2)
_DOUBLINGS = 30  # enough to reach the cap from any base
# Below this receive count, a record that can be sent again at once returns after the shortest pause. Of
# eleven receives by ten containers, one container has two, which a trial needs; 40 is four times as many, and
# still small against a `maxReceiveCount` of 1,000.
SOON_UNTIL = 40


class HandedBack(Struct, frozen=True):
    """A record that stays in the queue.

    Args:
        receipt_handle: of this receive.
        receive_count: from 1.
        wait_s: shortest wait in seconds, asked for by Mixpanel or until the event's time; 0 for none.
        soon: its waiting events can be sent again at once.
        is_early: its waiting events only wait for their time, which comes after `wait_s`.
    """

    receipt_handle: str
    receive_count: int
    wait_s: float = 0.0
    soon: bool = False
    is_early: bool = False


class Redelivery(Struct, frozen=True):
    """Sets when records return.

    Args:
        queue: the source queue.
        rng: for jitter.
        base_s: pause after the first receive, seconds; it doubles with each receive.
        cap_s: longest pause, seconds.
    """

    queue: SourceQueue
    rng: random.Random
    base_s: float = BASE_S
    cap_s: float = CAP_S

    def delay(self, handed_back: Sequence[HandedBack], *, deadline_s: float, held_s: float = 0.0) -> int:
        """Delay the records; return for how many the queue did not confirm it, which keep its own timeout.

        Args:
            handed_back: the records.
            deadline_s: when to return at the latest, by the monotonic clock.
            held_s: seconds to add, for records that are still to be handled.
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
    """Return the shortest and longest pause after this receive, in seconds, before rounding."""
    own_s = min(cap_s, base_s * 2 ** min(receive_count - 1, _DOUBLINGS))
    return own_s * _JITTER[0], own_s * _JITTER[1]
