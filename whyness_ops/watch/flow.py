"""Pure: what log lines add up to, by second: events in and out, the lag, the last delivery."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from whyness_events.outcomes import DEAD_REASONS, Reason
from whyness_ops.watch.log_lines import AWS_REFUSED, INVOCATION, NOT_DELIVERED, Line

KEPT_S = 900
_LAST_LINES = 50


@dataclass(slots=True)
class Second:
    """What the invocations that ended in one second did.

    Args:
        received: events of records that were received for the first time.
        outcomes: events by outcome.
    """

    received: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def delivered(self) -> int:
        """Events that Mixpanel confirmed."""
        return self.outcomes[str(Reason.DELIVERED)]

    @property
    def dead(self) -> int:
        """Events that became dead letters."""
        return sum(self.outcomes[str(reason)] for reason in DEAD_REASONS)


@dataclass(slots=True)
class Flow:
    """The last KEPT_S seconds.

    Args:
        seconds: by epoch second; those without an invocation are missing.
        last_delivery_ms: when something was delivered last; None if not since it began.
        lag_ms: of that delivery, the age of its oldest record.
        is_breaker_open: whether the newest invocation says so.
        last_failures: the newest lines about what was not delivered, or refused by AWS.
    """

    seconds: dict[int, Second] = field(default_factory=dict)
    last_delivery_ms: int | None = None
    lag_ms: int = 0
    is_breaker_open: bool = False
    last_invocation_ms: int | None = None
    last_failures: deque[Line] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))

    def add(self, lines: Iterable[Line]) -> None:
        """Add lines in the order of their time."""
        for line in lines:
            if line.message == INVOCATION:
                self._add_invocation(line)
            elif line.message in (NOT_DELIVERED, AWS_REFUSED):
                self.last_failures.append(line)

    def forget_before(self, now_ms: int) -> None:
        """Drop the seconds that are older than KEPT_S."""
        first_s = now_ms // 1000 - KEPT_S
        self.seconds = {at_s: second for at_s, second in self.seconds.items() if at_s >= first_s}

    def rates(self, now_ms: int, window_s: int) -> tuple[float, float]:
        """Return events per second, received for the first time and delivered, over the last `window_s`."""
        first_s = now_ms // 1000 - window_s
        last = [second for at_s, second in self.seconds.items() if at_s >= first_s]
        return sum(s.received for s in last) / window_s, sum(s.delivered for s in last) / window_s

    def _add_invocation(self, line: Line) -> None:
        second = self.seconds.setdefault(line.time_ms // 1000, Second())
        second.received += line.count("events_received_first")
        second.outcomes.update(line.outcomes)
        self.last_invocation_ms = line.time_ms
        self.is_breaker_open = bool(line.fields.get("is_breaker_open"))
        if line.outcomes.get(str(Reason.DELIVERED)):
            self.last_delivery_ms, self.lag_ms = line.time_ms, line.count("delivery_lag_ms")
