"""Pacing: how many requests a container sends at once, and how long an invocation may sleep."""

from collections import defaultdict

from msgspec import Struct, field

from whyness_events.outcomes import Reason

# Two budgets, so that a burst of 429s does not use up the pause that a brief 503 needs. Their sum is the
# longest sleep of an invocation: what must wait longer waits in the queue, for free.
PAUSES_S = {Reason.RETRY: 15.0, Reason.THROTTLED: 15.0}
_BACKED_OFF_PART = 0.5


class Concurrency(Struct):
    """How many requests to send at once: one more a round, half as many if Mixpanel is overloaded (AIMD).

    Args:
        most: the upper limit, and the initial value.
    """

    most: int
    _limit: float = 0.0
    _backed_off_s: float = float("-inf")

    def __post_init__(self) -> None:
        self._limit = self.most

    @property
    def limit(self) -> int:
        """How many requests may be in flight now, at least one."""
        return int(self._limit)

    def passed(self) -> None:
        """Note that a request was answered in good time."""
        self._limit = min(self.most, self._limit + 1 / self._limit)

    def back_off(self, *, started_s: float, now_s: float) -> None:
        """Note a 429 or a slow answer; requests that started before the last one noted do not count."""
        if started_s >= self._backed_off_s:
            self._limit = max(1.0, self._limit * _BACKED_OFF_PART)
            self._backed_off_s = now_s


class Pauses(Struct):
    """The rest of an invocation's budgets for sleep."""

    _spent_s: defaultdict[Reason, float] = field(default_factory=lambda: defaultdict(float))
    _until_s: defaultdict[Reason, float] = field(default_factory=lambda: defaultdict(float))

    def grant(self, reason: Reason, *, now_s: float, pause_s: float) -> bool:
        """Return whether a request may pause that long; overlapping pauses are charged once."""
        added_s = max(0.0, now_s + pause_s - max(now_s, self._until_s[reason]))
        if self._spent_s[reason] + added_s > PAUSES_S[reason]:
            return False
        self._spent_s[reason] += added_s
        self._until_s[reason] = max(self._until_s[reason], now_s + pause_s)
        return True
