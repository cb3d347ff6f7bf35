"""How fast: requests at once, which a container learns, and pauses, which an invocation may afford."""

from collections import defaultdict
from dataclasses import dataclass, field

from whyness_events.outcomes import Reason

# Each of the two troubles has its own: a burst of 429s must not use up what a passing 503 needs. Together
# they are the longest that an invocation sleeps: who must wait longer waits in the queue, for free.
PAUSES_S = {Reason.RETRY: 15.0, Reason.THROTTLED: 15.0}
_BACKED_OFF_PART = 0.5


@dataclass(slots=True)
class Concurrency:
    """Requests at once: one more for each round that passes, half as many when Mixpanel cannot follow (AIMD).

    Args:
        most: never more than this.
    """

    most: int
    _limit: float = field(init=False)
    _backed_off_s: float = float("-inf")

    def __post_init__(self) -> None:
        """Begin with all."""
        self._limit = self.most

    @property
    def limit(self) -> int:
        """Return how many there may be now, at least one."""
        return int(self._limit)

    def passed(self) -> None:
        """Learn that a request was answered, and in good time."""
        self._limit = min(self.most, self._limit + 1 / self._limit)

    def back_off(self, *, started_s: float, now_s: float) -> None:
        """Learn of a 429 or a slow answer; a request begun before the last time tells nothing new."""
        if started_s >= self._backed_off_s:
            self._limit = max(1.0, self._limit * _BACKED_OFF_PART)
            self._backed_off_s = now_s


@dataclass(slots=True)
class Pauses:
    """What is left of an invocation's sleep, by the trouble that it is spent on."""

    _spent_s: defaultdict[Reason, float] = field(default_factory=lambda: defaultdict(float))
    _until_s: defaultdict[Reason, float] = field(default_factory=lambda: defaultdict(float))

    def grant(self, reason: Reason, *, now_s: float, pause_s: float) -> bool:
        """Return whether a request may wait so long from now; pauses side by side are spent once."""
        added_s = max(0.0, now_s + pause_s - max(now_s, self._until_s[reason]))
        if self._spent_s[reason] + added_s > PAUSES_S[reason]:
            return False
        self._spent_s[reason] += added_s
        self._until_s[reason] = max(self._until_s[reason], now_s + pause_s)
        return True
