"""What log lines add up to."""

from typing import Any

import pytest

from whyness_ops.watch.flow import KEPT_S, Flow
from whyness_ops.watch.log_lines import AWS_REFUSED, INVOCATION, NOT_DELIVERED, Line

NOW_MS = 1_800_000_000_000


def invocation(at_ms: int, **fields: Any) -> Line:
    """Return a line `invocation`."""
    return Line(f"id-{at_ms}", at_ms, INVOCATION, fields)


def test_rates_and_the_last_delivery() -> None:
    """Events received for the first time and delivered, by second of the window; older ones do not count."""
    flow = Flow()

    flow.add(
        [
            invocation(NOW_MS - 70_000, events_received_first=900, outcomes={"delivered": 900}),
            invocation(
                NOW_MS - 5_000, events_received_first=60, outcomes={"delivered": 120}, delivery_lag_ms=42
            ),
            invocation(NOW_MS - 1_000, outcomes={"setup": 3, "rejected": 2}, is_breaker_open=True),
        ]
    )

    assert flow.rates(NOW_MS, 60) == (1.0, 2.0)
    assert (flow.last_delivery_ms, flow.lag_ms) == (NOW_MS - 5_000, 42)
    assert flow.is_breaker_open
    assert flow.seconds[(NOW_MS - 1_000) // 1000].dead == 2


def test_old_seconds_are_forgotten() -> None:
    """So that a page that is open for a week holds no more than the chart shows."""
    flow = Flow()
    flow.add([invocation(NOW_MS - (KEPT_S + 2) * 1000), invocation(NOW_MS)])

    flow.forget_before(NOW_MS)

    assert list(flow.seconds) == [NOW_MS // 1000]


def test_failures_are_kept_and_the_oldest_of_them_go() -> None:
    """Lines on events that were not delivered, and on what AWS refused."""
    flow = Flow()

    flow.add(Line(str(n), n, NOT_DELIVERED if n % 2 else AWS_REFUSED, {}) for n in range(120))

    assert [line.time_ms for line in flow.last_failures] == list(range(70, 120))


@pytest.mark.parametrize("outcomes", [None, [], {"delivered": "9"}, {"delivered": None}, "delivered"])
def test_odd_lines_count_nothing(outcomes: object) -> None:
    """A line that somebody else wrote under the same name."""
    flow = Flow()

    flow.add([invocation(NOW_MS, outcomes=outcomes, events_received_first="9", delivery_lag_ms=None)])

    assert flow.rates(NOW_MS, 60) == (0.0, 0.0)
    assert flow.last_delivery_ms is None
