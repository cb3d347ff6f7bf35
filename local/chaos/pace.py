"""The numbers of a run, by scale: one factor for the load, the faults and the waits. Pure."""

from dataclasses import dataclass
from typing import Self

EVENTS_IN_ALL = 200_000
_FEWEST_EVENTS = 100


@dataclass(frozen=True, slots=True)
class Pace:
    """The numbers of a run.

    Args:
        events: offered in each row.
        batch_size: of an invocation, in messages.
        load_s: time in which the events of a row are offered.
        trouble_s: length of a trouble that ends before the queue is empty.
        outage_s: length of such a trouble that must be long against `redelivery_cap_s`.
        every_s: time between two kills or restarts.
        answer_timeout_s, redelivery_cap_s, breaker_s, timeout_s: the function's settings.
        visibility_s: of the queue; longer than the function's timeout.
        short_visibility_s: of the queue in the rows that kill processes, because each kill costs so long.
        patience_s: how long the queue of a row may take to drain.
    """

    events: int
    batch_size: int
    load_s: float
    trouble_s: float
    outage_s: float
    every_s: float
    answer_timeout_s: float
    redelivery_cap_s: float
    breaker_s: float
    timeout_s: int
    visibility_s: int
    short_visibility_s: int
    patience_s: float

    @classmethod
    def at(cls, scale: float, row_count: int) -> Self:
        """Return the pace at a scale: 1 is the whole run, with `EVENTS_IN_ALL` in `row_count` rows."""
        timeout_s = round(max(8, 30 * scale))
        return cls(
            events=max(_FEWEST_EVENTS, round(EVENTS_IN_ALL * scale / row_count)),
            batch_size=max(10, round(100 * scale)),
            load_s=max(1.0, 70 * scale),
            trouble_s=max(3.0, 40 * scale),
            outage_s=max(8.0, 60 * scale),
            every_s=max(1.0, 5 * scale),
            answer_timeout_s=max(1.0, 4 * scale),
            redelivery_cap_s=max(2.0, 8 * scale),
            breaker_s=max(1.0, 5 * scale),
            timeout_s=timeout_s,
            visibility_s=timeout_s + 2,
            short_visibility_s=round(max(3, 12 * scale)),
            patience_s=max(100.0, 300 * scale),
        )

    @property
    def environment(self) -> dict[str, str]:
        """The function's settings."""
        return {
            "ANSWER_TIMEOUT_S": str(self.answer_timeout_s),
            "REDELIVERY_BASE_S": "1",
            "REDELIVERY_CAP_S": str(self.redelivery_cap_s),
            # As long as MAX_RECEIVE_COUNT allows, and far longer than a row.
            "EXHAUST_AFTER_S": str(600 * self.redelivery_cap_s),
            "BREAKER_S": str(self.breaker_s),
        }
